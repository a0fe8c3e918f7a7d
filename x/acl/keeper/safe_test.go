package keeper_test

import (
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/hostchain"
	"github.com/tkms-network/tkms/testutil/hostchain/client"
	"github.com/tkms-network/tkms/x/acl/acltest"
	"github.com/tkms-network/tkms/x/acl/slots"
	"github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/acl/wallets"
)

// magicValue is EIP-1271's word for a valid signature, the selector of isValidSignature(bytes32,bytes).
var magicValue = [4]byte{0x16, 0x26, 0xba, 0x7e}

// safeContracts is one published version of the Safe, on the running chain.
type safeContracts struct {
	*realChain
	version string
	// owner of the one wallet.
	owner *client.Account
	opts  *bind.TransactOpts
	// singleton is the implementation, library SignMessageLib, wallet the owner's Safe.
	singleton, library, wallet common.Address
}

// artifact is a published contract.
type artifact struct {
	ABI      abi.ABI       `json:"abi"`
	Creation hexutil.Bytes `json:"bytecode"`
}

func (s *safeContracts) artifact(name string) artifact {
	s.t.Helper()
	dir, err := hostchain.LocateArtifacts()
	require.NoError(s.t, err)
	raw, err := os.ReadFile(filepath.Join(dir, name+"-"+s.version+".json"))
	require.NoError(s.t, err)
	var a artifact
	require.NoError(s.t, json.Unmarshal(raw, &a))
	return a
}

func (s *safeContracts) deploy(name string) common.Address {
	s.t.Helper()
	address, tx, err := bind.DeployContract(s.opts, s.artifact(name).Creation, s.client.Eth(), nil)
	require.NoError(s.t, err)
	receipt, err := s.client.WaitReceipt(s.context, tx.Hash())
	require.NoError(s.t, err)
	require.Equal(s.t, uint64(1), receipt.Status)
	return address
}

// send calls a contract from the owner's account.
func (s *safeContracts) send(to common.Address, contract, method string, arguments ...any) {
	s.t.Helper()
	data, err := s.artifact(contract).ABI.Pack(method, arguments...)
	require.NoError(s.t, err)
	_, err = s.client.Transact(s.context, s.owner, to, data)
	require.NoError(s.t, err, method)
}

// ask calls a view.
func (s *safeContracts) ask(to common.Address, contract, method string, arguments ...any) ([]any, error) {
	s.t.Helper()
	parsed := s.artifact(contract).ABI
	data, err := parsed.Pack(method, arguments...)
	require.NoError(s.t, err)
	answer, err := s.client.Eth().CallContract(s.context, ethereum.CallMsg{To: &to, Data: data}, nil)
	if err != nil {
		return nil, err
	}
	return parsed.Unpack(method, answer)
}

// newSafe deploys a version and makes a Safe with one owner and the compatibility fallback handler.
func newSafe(r *realChain, version string) *safeContracts {
	r.t.Helper()
	key := acltest.Key("owner of a safe")
	s := &safeContracts{
		realChain: r, version: version, owner: client.AccountOf(key),
		opts: bind.NewKeyedTransactor(key, new(big.Int).SetUint64(r.client.Info().ChainID)),
	}
	require.NoError(r.t, r.client.Fund(r.context, s.owner.Address(), nil))
	s.singleton, s.library = s.deploy("Safe"), s.deploy("SignMessageLib")
	factory, handler := s.deploy("SafeProxyFactory"), s.deploy("CompatibilityFallbackHandler")

	setup, err := s.artifact("Safe").ABI.Pack("setup", []common.Address{s.owner.Address()}, big.NewInt(1),
		common.Address{}, []byte{}, handler, common.Address{}, new(big.Int), common.Address{})
	require.NoError(r.t, err)
	create, err := s.artifact("SafeProxyFactory").ABI.Pack("createProxyWithNonce", s.singleton, setup, new(big.Int))
	require.NoError(r.t, err)
	made, err := s.client.Eth().CallContract(s.context, ethereum.CallMsg{From: s.owner.Address(), To: &factory, Data: create}, nil)
	require.NoError(r.t, err)
	s.wallet = common.BytesToAddress(made)
	s.send(factory, "SafeProxyFactory", "createProxyWithNonce", s.singleton, setup, new(big.Int))
	return s
}

// sign has the owner sign a digest on chain: the Safe delegates to SignMessageLib.
func (s *safeContracts) sign(digest [32]byte) {
	s.t.Helper()
	data, err := s.artifact("SignMessageLib").ABI.Pack("signMessage", digest[:])
	require.NoError(s.t, err)
	// An owner who sends the transaction needs no signature: r is the owner, v is 1.
	approved := make([]byte, 65)
	copy(approved[12:], s.owner.Address().Bytes())
	approved[64] = 1
	s.send(s.wallet, "Safe", "execTransaction", s.library, new(big.Int), data, uint8(1), new(big.Int), new(big.Int), new(big.Int),
		common.Address{}, common.Address{}, approved)
}

// valid is what the Safe itself answers to EIP-1271 for a digest without signature.
func (s *safeContracts) valid(digest [32]byte) bool {
	s.t.Helper()
	handler := s.artifact("CompatibilityFallbackHandler").ABI
	method, err := handler.MethodById(magicValue[:])
	require.NoError(s.t, err)
	answer, err := s.ask(s.wallet, "CompatibilityFallbackHandler", method.Name, digest, []byte{})
	return err == nil && answer[0] == magicValue
}

// reading is the access of the Safe to a handle, and its proof at the head.
func (s *safeContracts) reading(digest [32]byte) (types.UserAccess, types.DecryptionProof) {
	s.t.Helper()
	access := types.UserAccess{
		Handles: [][32]byte{s.kept}, Contracts: [][20]byte{s.client.Info().Contracts.Disclosure},
		User: s.wallet, Approval: &digest,
	}
	approval, err := wallets.Slots(wallets.SafeSignedMessage, s.chain.ID, s.wallet, digest)
	require.NoError(s.t, err)
	fetch := func(address common.Address, wanted ...common.Hash) types.AccountProof {
		proof, err := s.client.AccountProof(s.context, address, wanted, nil)
		require.NoError(s.t, err)
		return accountProof(*proof)
	}
	info := s.client.Info()
	header, err := s.client.HeaderRLP(s.context, nil)
	require.NoError(s.t, err)
	wallet := fetch(s.wallet, approval...)
	return access, types.DecryptionProof{
		Header: header, Acl: fetch(info.Contracts.ACL, access.Slots(acltest.Layout())...),
		Registry: fetch(info.Contracts.Registry, slots.RegistryDigest(info.Slots.RegistryBase, common.Hash(s.kept))), Wallet: &wallet,
	}
}

// TestPublishedSafesProveWhatTheyApprove runs the unmodified Safe contracts of npm on a real EVM: what the Safe
// itself calls valid is what its storage shows to consensus.
func TestPublishedSafesProveWhatTheyApprove(t *testing.T) {
	for _, version := range []string{"1.3.0", "1.4.1"} {
		t.Run(version, func(t *testing.T) {
			r := newRealChain(t)
			s := newSafe(r, version)
			_, err := r.client.Allow(r.context, r.account, r.kept, s.wallet)
			require.NoError(t, err)
			code, err := r.client.Eth().CodeAt(r.context, s.wallet, nil)
			require.NoError(t, err)
			r.change(func(record *types.HostChain) {
				record.Wallets = []types.WalletRule{{
					Kind: types.WALLET_KIND_SAFE_SIGNED_MESSAGE, CodeHash: crypto.Keccak256(code), Implementation: s.singleton.Bytes(),
				}}
			})

			digest := crypto.Keccak256Hash([]byte("an authorization"))
			hash, err := s.ask(s.wallet, "CompatibilityFallbackHandler", "getMessageHash", digest[:])
			require.NoError(t, err)
			require.Equal(t, [32]byte(wallets.SafeMessageHash(r.chain.ID, s.wallet, digest)), hash[0])

			verify := func(digest [32]byte) error {
				access, proof := s.reading(digest)
				_, err := r.keeper.VerifyUserDecryption(r.ctx, r.chain.ID, proof, access)
				return err
			}
			require.False(t, s.valid(digest))
			require.ErrorIs(t, verify(digest), types.ErrNotApproved)
			s.sign(digest)
			require.True(t, s.valid(digest))
			require.NoError(t, verify(digest))

			other := crypto.Keccak256Hash([]byte("another authorization"))
			require.False(t, s.valid(other))
			require.ErrorIs(t, verify(other), types.ErrNotApproved)
		})
	}
}
