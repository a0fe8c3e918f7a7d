package demo

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"net/http"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/testutil/hostchain/api"
	hostclient "github.com/tkms-network/tkms/testutil/hostchain/client"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/client"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// name of a refusal: codespace and code, as a transaction's result has them.
func name(codespace string, code uint32) string {
	return (&client.TxError{Codespace: codespace, Code: code}).Name()
}

func aclCode(e interface{ ABCICode() uint32 }) string { return name(acltypes.ModuleName, e.ABCICode()) }
func kmsCode(e interface{ ABCICode() uint32 }) string { return name(kmstypes.ModuleName, e.ABCICode()) }

// victims are values that attacks are about; none was requested before.
type victims struct {
	// private is not disclosed, public is, other belongs to another user and is.
	private, public, other *item
}

// refuseAll is step 6.
func (r *run) refuseAll(ctx context.Context) error {
	var v victims
	err := r.step(ctx, stepRefuse, "values to attack are submitted: one kept private, two disclosed", func(ctx context.Context) (string, error) {
		var err error
		if v, err = r.makeVictims(ctx); err != nil {
			return "", err
		}
		return "all fees are paid out", r.settle(ctx)
	})
	if err != nil {
		return err
	}
	for _, group := range []func(context.Context, victims) error{r.refuseHeaders, r.refuseProofs, r.refuseTerms, r.refuseRebinding, r.refuseBytes} {
		if err := group(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) makeVictims(ctx context.Context) (victims, error) {
	var all [3]*item
	for i := range all {
		e, err := devnet.Encrypt(r.net.Public, tfhe.EUint8, r.random(tfhe.EUint8))
		if err != nil {
			return victims{}, err
		}
		if err := r.net.Store(ctx, e); err != nil {
			return victims{}, err
		}
		all[i] = &item{Encrypted: e}
	}
	attacker, err := r.net.NewUser(ctx)
	if err != nil {
		return victims{}, err
	}
	if err := submitAll(ctx, r.user, all[:2]); err != nil {
		return victims{}, err
	}
	if err := submitAll(ctx, attacker, all[2:]); err != nil {
		return victims{}, err
	}
	if err := r.user.Disclose(ctx, all[1].handle); err != nil {
		return victims{}, err
	}
	return victims{private: all[0], public: all[1], other: all[2]}, attacker.Disclose(ctx, all[2].handle)
}

func (r *run) refuseHeaders(ctx context.Context, v victims) error {
	forged := func(kind api.Forgery) func(context.Context) (string, error) {
		return r.altered(v.public.handle, func(ctx context.Context, msg *kmstypes.MsgRequestPublicDecryption) (err error) {
			// The forgery keeps the block's state root, so that the genuine proofs fit it.
			var number uint64
			if msg.Proof, number, err = r.proofAtHead(ctx, v.public.handle); err != nil {
				return err
			}
			msg.Proof.Header, err = r.net.HostClient.ForgeHeader(ctx, kind, number)
			return err
		})
	}
	if err := r.refuse(ctx, stepRefuse, "header sealed by fewer than a quorum", aclCode(acltypes.ErrNoQuorum), forged(api.Subquorum)); err != nil {
		return err
	}
	if err := r.refuse(ctx, stepRefuse, "header sealed by keys that are no validators", aclCode(acltypes.ErrStranger), forged(api.Strangers)); err != nil {
		return err
	}
	return r.refuse(ctx, stepRefuse, "stale header", aclCode(acltypes.ErrStaleHeader), forged(api.Stale))
}

// proofAtHead returns genuine proofs and their block.
func (r *run) proofAtHead(ctx context.Context, handle fhevm.Handle) (acltypes.DecryptionProof, uint64, error) {
	number, err := r.net.HostClient.Eth().BlockNumber(ctx)
	if err != nil {
		return acltypes.DecryptionProof{}, 0, err
	}
	proof, err := r.net.Proof(ctx, new(big.Int).SetUint64(number), handle)
	return proof, number, err
}

func (r *run) refuseProofs(ctx context.Context, v victims) error {
	unchanged := func(context.Context, *kmstypes.MsgRequestPublicDecryption) error { return nil }
	if err := r.refuse(ctx, stepRefuse, "no ACL permission", aclCode(acltypes.ErrNotPermitted), r.altered(v.private.handle, unchanged)); err != nil {
		return err
	}
	err := r.refuse(ctx, stepRefuse, "tampered account proof", aclCode(acltypes.ErrBadAccountProof),
		r.altered(v.public.handle, func(_ context.Context, msg *kmstypes.MsgRequestPublicDecryption) error {
			return flip(msg.Proof.Acl.AccountNodes)
		}))
	if err != nil {
		return err
	}
	return r.refuse(ctx, stepRefuse, "tampered storage proof", aclCode(acltypes.ErrBadStorageProof),
		r.altered(v.public.handle, func(_ context.Context, msg *kmstypes.MsgRequestPublicDecryption) error {
			return flip(msg.Proof.Acl.Storage[0].Nodes)
		}))
}

// flip changes the last bit of the last node: a bit of the value that it proves.
func flip(nodes [][]byte) error {
	if len(nodes) == 0 || len(nodes[len(nodes)-1]) == 0 {
		return errors.New("the proof has no node to tamper with")
	}
	last := nodes[len(nodes)-1]
	last[len(last)-1] ^= 1
	return nil
}

func (r *run) refuseTerms(ctx context.Context, v victims) error {
	err := r.refuse(ctx, stepRefuse, "unknown key", kmsCode(kmstypes.ErrUnknownKey),
		r.altered(v.public.handle, func(_ context.Context, msg *kmstypes.MsgRequestPublicDecryption) error {
			msg.KeyId = append([]byte(nil), msg.KeyId...)
			msg.KeyId[0] ^= 1
			return nil
		}))
	if err != nil {
		return err
	}
	return r.refuse(ctx, stepRefuse, "fee too low", kmsCode(kmstypes.ErrFeeTooLow),
		r.altered(v.public.handle, func(ctx context.Context, msg *kmstypes.MsgRequestPublicDecryption) error {
			host, err := r.net.TKMS.HostChain(ctx, msg.HostChainId)
			if err != nil {
				return err
			}
			blocks := uint64(v.public.Type.Blocks(tfhe.Production()))
			msg.MaxFee = host.Fees.PerRequest + blocks*host.Fees.PublicDecryptionPerBlock - 1
			return nil
		}))
}

// refuseRebinding has somebody who is not the coprocessor say which bytes a
// handle stands for, and somebody bring another's bytes as their own.
func (r *run) refuseRebinding(ctx context.Context, v victims) error {
	host := r.net.HostClient
	stranger, err := hostclient.NewAccount()
	if err != nil {
		return err
	}
	err = r.refuse(ctx, stepRefuse, "digest written by a stranger: the registry reverts", "registry/NotCoprocessor", func(ctx context.Context) (string, error) {
		if err := host.Fund(ctx, stranger.Address(), nil); err != nil {
			return "", err
		}
		data, err := fhevm.RegistryABI.Pack("register", v.public.handle, v.other.Digest)
		if err != nil {
			return "", err
		}
		// With fixed gas the transaction gets into a block although it will revert.
		hash, err := host.SendWithGas(ctx, stranger, host.Info().Contracts.Registry, data, 200_000)
		if err != nil {
			return "", err
		}
		_, err = host.WaitReceipt(ctx, hash)
		return revertCode(err)
	})
	if err != nil {
		return err
	}
	err = r.refuse(ctx, stepRefuse, "digest written by a stranger into a registry of its own", aclCode(acltypes.ErrBadAccountProof), func(ctx context.Context) (string, error) {
		return r.strangersRegistry(ctx, v, stranger)
	})
	if err != nil {
		return err
	}
	err = r.refuse(ctx, stepRefuse, "bytes bound already, for a second handle: the registry reverts", "registry/DigestAlreadyBound", func(ctx context.Context) (string, error) {
		// As if the coprocessor itself tried: the call runs on the head's state.
		fresh := fhevm.InputHandle(v.public.Bytes, 1, host.Info().Contracts.ACL, host.Info().ChainID, fhevm.Type(v.public.Type))
		data, err := fhevm.RegistryABI.Pack("register", fresh, v.public.Digest)
		if err != nil {
			return "", err
		}
		info := host.Info()
		_, err = host.Eth().CallContract(ctx, ethereum.CallMsg{From: info.Coprocessor.Signers[0], To: &info.Contracts.Registry, Data: data}, nil)
		return revertCode(err)
	})
	if err != nil {
		return err
	}
	err = r.refuse(ctx, stepRefuse, "bytes bound already, brought by another user: the coprocessor refuses", "coprocessor/409", func(ctx context.Context) (string, error) {
		attacker, err := hostclient.NewAccount()
		if err != nil {
			return "", err
		}
		_, err = host.SubmitCiphertext(ctx, host.Info().Contracts.Disclosure, attacker.Address(), fhevm.Type(v.public.Type), v.public.Bytes)
		return coprocessorCode(err)
	})
	if err != nil {
		return err
	}
	return r.refuseClaims(ctx, v)
}

// refuseClaims asks TKMS for a bound ciphertext under a second handle that may be
// decrypted: one with a digest of its own, and one that has none.
func (r *run) refuseClaims(ctx context.Context, v victims) error {
	claim := func(_ context.Context, msg *kmstypes.MsgRequestPublicDecryption) error {
		msg.Digests = [][]byte{v.public.Digest[:]}
		return nil
	}
	err := r.refuse(ctx, stepRefuse, "ciphertext bound already, claimed for a second handle with its own", aclCode(acltypes.ErrDigestMismatch), r.altered(v.other.handle, claim))
	if err != nil {
		return err
	}
	return r.refuse(ctx, stepRefuse, "ciphertext bound already, claimed for a second handle with none", aclCode(acltypes.ErrNoDigest), func(ctx context.Context) (string, error) {
		second, err := r.unboundHandle(ctx)
		if err != nil {
			return "", err
		}
		return r.altered(second, claim)(ctx)
	})
}

// strangersRegistry proves a digest in the registry's own slot, but of a contract
// that a stranger deployed and wrote.
func (r *run) strangersRegistry(ctx context.Context, v victims, stranger *hostclient.Account) (string, error) {
	host := r.net.HostClient
	registry, err := host.DeployRegistry(ctx, stranger.Address())
	if err != nil {
		return "", err
	}
	if _, err := host.Register(ctx, stranger, registry, v.public.handle, v.other.Digest); err != nil {
		return "", err
	}
	msg, err := r.message(ctx, v.public.handle)
	if err != nil {
		return "", err
	}
	proof, number, err := r.proofAtHead(ctx, v.public.handle)
	if err != nil {
		return "", err
	}
	foreign, err := host.AccountProof(ctx, registry, []common.Hash{fhevm.RegistrySlot(v.public.handle)}, new(big.Int).SetUint64(number))
	if err != nil {
		return "", err
	}
	if foreign.Storage[0].Value.Cmp(new(big.Int).SetBytes(v.other.Digest[:])) != 0 {
		return "", errors.New("the stranger's registry does not hold the digest")
	}
	msg.Proof = proof
	msg.Proof.Registry = acltypes.AccountProof{AccountNodes: foreign.Nodes, Storage: []acltypes.StorageProof{{Nodes: foreign.Storage[0].Nodes}}}
	return r.refusedInBlock(ctx, msg)
}

// revertCode names a contract's refusal.
func revertCode(err error) (string, error) {
	if err == nil {
		return "", errAccepted
	}
	var revert *fhevm.Revert
	var data rpc.DataError
	if !errors.As(err, &revert) && errors.As(err, &data) {
		if text, ok := data.ErrorData().(string); ok {
			if raw, decodeErr := hexutil.Decode(text); decodeErr == nil {
				revert = fhevm.DecodeRevert(raw)
			}
		}
	}
	if revert == nil || revert.Name == "" {
		return "", err
	}
	return "registry/" + revert.Name, nil
}

// coprocessorCode names the coprocessor's refusal by its HTTP status.
func coprocessorCode(err error) (string, error) {
	var status int
	switch {
	case err == nil:
		return "", errAccepted
	case !errors.Is(err, hostclient.ErrRefused):
		return "", err
	}
	text := err.Error()[len("submit ciphertext: ")+len(hostclient.ErrRefused.Error())+2:]
	if _, scanErr := fmt.Sscanf(text, "%d", &status); scanErr != nil || status == http.StatusOK {
		return "", err
	}
	return fmt.Sprintf("coprocessor/%d", status), nil
}
