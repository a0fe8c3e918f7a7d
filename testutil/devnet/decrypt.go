package devnet

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"time"

	"crypto/rand"

	"cosmossdk.io/math"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	sdk "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/tkms-network/tkms/app/params"
	"github.com/tkms-network/tkms/enclave/party/blob"
	"github.com/tkms-network/tkms/enclave/tfhe"
	hostclient "github.com/tkms-network/tkms/testutil/hostchain/client"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/client"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// RequestGas covers a request with the proofs of a few handles.
const RequestGas = 5_000_000

// ErrExpired reports a request that the parties did not answer in time.
var ErrExpired = errors.New("the request expired; its fee was returned")

// Encrypted is a value that a client encrypted.
type Encrypted struct {
	Type  tfhe.Type
	Value *big.Int
	// Bytes is the serialized CompactCiphertextList, Digest its keccak256.
	Bytes  []byte
	Digest [32]byte
}

// Encrypt encrypts a value under the key, packed as the ecosystem's clients do.
func Encrypt(key *tfhe.CompactPublicKey, t tfhe.Type, value *big.Int) (*Encrypted, error) {
	list, err := key.Encrypt(rand.Reader, t, value, true)
	if err != nil {
		return nil, err
	}
	data, err := list.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return &Encrypted{Type: t, Value: value, Bytes: data, Digest: blob.Digest(data)}, nil
}

// Store puts the ciphertext into the relayer's store.
func (d *Devnet) Store(ctx context.Context, e *Encrypted) error {
	url := d.BlobURL + "/" + hex.EncodeToString(e.Digest[:])
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, url, bytes.NewReader(e.Bytes))
	if err != nil {
		return err
	}
	response, err := (&http.Client{Timeout: 30 * time.Second}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1024))
		return fmt.Errorf("store ciphertext: %s: %s", response.Status, text)
	}
	return nil
}

// User is a dApp user on the host chain.
type User struct {
	devnet  *Devnet
	key     *ecdsa.PrivateKey
	account *hostclient.Account
}

// NewUser makes a funded account on the host chain.
func (d *Devnet) NewUser(ctx context.Context) (*User, error) {
	key, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	u := &User{d, key, hostclient.AccountOf(key)}
	return u, d.HostClient.Fund(ctx, u.Address(), nil)
}

// On returns the same account, with funds, on the host chain of another site.
func (u *User) On(ctx context.Context, d *Devnet) (*User, error) {
	other := &User{d, u.key, u.account}
	return other, d.HostClient.Fund(ctx, u.Address(), nil)
}

// Address of the account.
func (u *User) Address() common.Address { return u.account.Address() }

// Allow lets an account, such as the user's own, have a handle re-encrypted.
func (u *User) Allow(ctx context.Context, handle fhevm.Handle, account common.Address) error {
	_, err := u.devnet.HostClient.Allow(ctx, u.account, handle, account)
	return err
}

// Delegate lets another account have the user's handles of the dApp re-encrypted, for
// a while of an hour and more.
func (u *User) Delegate(ctx context.Context, delegate common.Address, while time.Duration) error {
	dapp := u.devnet.HostClient.Info().Contracts.Disclosure
	_, err := u.devnet.HostClient.Delegate(ctx, u.account, delegate, dapp, time.Now().Add(while))
	return err
}

// Revoke takes a delegation back.
func (u *User) Revoke(ctx context.Context, delegate common.Address) error {
	_, err := u.devnet.HostClient.RevokeDelegation(ctx, u.account, delegate, u.devnet.HostClient.Info().Contracts.Disclosure)
	return err
}

// Submit hands a ciphertext to the coprocessor, which binds it to a handle, and
// gives the handle to the dApp through the contracts' input verification.
func (u *User) Submit(ctx context.Context, e *Encrypted) (fhevm.Handle, error) {
	info := u.devnet.HostClient.Info()
	input, err := u.devnet.HostClient.SubmitCiphertext(ctx, info.Contracts.Disclosure, u.account.Address(), fhevm.Type(e.Type), e.Bytes)
	if err != nil {
		return fhevm.Handle{}, err
	}
	if input.Digest != e.Digest {
		return fhevm.Handle{}, fmt.Errorf("the registry binds %x to another digest", input.Handle)
	}
	_, err = u.devnet.HostClient.Submit(ctx, u.account, input.Handle, input.InputProof)
	return input.Handle, err
}

// Disclose makes a handle publicly decryptable in the ACL.
func (u *User) Disclose(ctx context.Context, handle fhevm.Handle) error {
	_, err := u.devnet.HostClient.MakePubliclyDecryptable(ctx, u.account, handle)
	return err
}

// Proof fetches header and proofs for handles at a block, the head if nil.
func (d *Devnet) Proof(ctx context.Context, number *big.Int, handles ...fhevm.Handle) (acltypes.DecryptionProof, error) {
	evidence, err := d.HostClient.PublicDecryptionEvidence(ctx, handles, number)
	if err != nil {
		return acltypes.DecryptionProof{}, err
	}
	return acltypes.DecryptionProof{Header: evidence.HeaderRLP, Acl: accountProof(evidence.ACL), Registry: accountProof(evidence.Registry)}, nil
}

func accountProof(p hostclient.AccountProof) acltypes.AccountProof {
	out := acltypes.AccountProof{AccountNodes: p.Nodes}
	for _, slot := range p.Storage {
		out.Storage = append(out.Storage, acltypes.StorageProof{Nodes: slot.Nodes})
	}
	return out
}

// Message is a request for the plaintexts of handles.
func (d *Devnet) Message(sender *client.Sender, proof acltypes.DecryptionProof, handles ...fhevm.Handle) *kmstypes.MsgRequestPublicDecryption {
	msg := &kmstypes.MsgRequestPublicDecryption{
		Requester: sender.Address().String(), HostChainId: d.HostClient.Info().ChainID, KeyId: d.KeyID, Proof: proof, MaxFee: 10_000_000,
	}
	for _, h := range handles {
		msg.Handles = append(msg.Handles, h[:])
	}
	return msg
}

// Outcome is a fulfilled request with its latency.
type Outcome struct {
	Request kmstypes.Request
	// Latency is from the broadcast to the fulfilment committed on another node.
	Latency time.Duration
}

// Decrypt asks for handles with fresh proofs, straight to a validator, and waits
// until another validator's node shows the request fulfilled.
func (d *Devnet) Decrypt(ctx context.Context, handles ...fhevm.Handle) (*Outcome, error) {
	sender, err := d.Sender(ctx, d.payer)
	if err != nil {
		return nil, err
	}
	proof, err := d.Proof(ctx, nil, handles...)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	response, height, err := d.Post(ctx, sender, d.Message(sender, proof, handles...))
	if err != nil {
		return nil, err
	}
	if !response.Created {
		height = 0
	}
	request, err := d.WaitFulfilled(ctx, response.RequestId, height)
	if err != nil {
		return nil, err
	}
	return &Outcome{Request: request, Latency: time.Since(start)}, nil
}

// Post sends a request straight to a validator, waits for its block and returns
// the answer with the block's height. A refusal of the chain is a *client.TxError.
func (d *Devnet) Post(ctx context.Context, sender *client.Sender, msg *kmstypes.MsgRequestPublicDecryption) (response kmstypes.MsgRequestPublicDecryptionResponse, height int64, err error) {
	result, err := sender.Send(ctx, RequestGas, msg)
	if err != nil {
		return response, 0, err
	}
	return response, result.Height, decodeResponse(result.TxResult.Data, &response)
}

// RequestGasFee is what a request costs its sender in gas, in utkms, whether it
// is accepted or not.
func RequestGasFee() math.Int { return gasPrice().Amount.MulInt64(RequestGas).Ceil().TruncateInt() }

// Balance returns what an account has, in utkms.
func (d *Devnet) Balance(ctx context.Context, address sdk.AccAddress) (math.Int, error) {
	var response banktypes.QueryBalanceResponse
	err := d.TKMS.Query(ctx, "/cosmos.bank.v1beta1.Query/Balance", &banktypes.QueryBalanceRequest{Address: address.String(), Denom: params.Denom}, &response)
	if err != nil {
		return math.Int{}, err
	}
	return response.Balance.Amount, nil
}

// WaitFulfilled waits until the last validator's node shows an attempt of a request
// fulfilled that was accepted at a height or above: that node may still be at an
// earlier attempt.
func (d *Devnet) WaitFulfilled(ctx context.Context, id []byte, accepted int64) (kmstypes.Request, error) {
	for {
		request, err := d.Request(ctx, id)
		if err == nil && request.AcceptedHeight >= accepted {
			switch request.Status {
			case kmstypes.REQUEST_STATUS_FULFILLED:
				return request, nil
			case kmstypes.REQUEST_STATUS_EXPIRED:
				return request, ErrExpired
			}
		}
		select {
		case <-ctx.Done():
			return request, fmt.Errorf("request %x: %w", id, context.Cause(ctx))
		case <-time.After(pollPause):
		}
	}
}

// Request returns a request's record from the last validator's node.
func (d *Devnet) Request(ctx context.Context, id []byte) (kmstypes.Request, error) {
	var response kmstypes.QueryRequestResponse
	err := d.Far.Query(ctx, "/tkms.kms.v1.Query/Request", &kmstypes.QueryRequestRequest{Id: hex.EncodeToString(id)}, &response)
	return response.Request, err
}

// Totals counts requests and escrow.
func (d *Devnet) Totals(ctx context.Context) (kmstypes.Totals, error) {
	var response kmstypes.QueryTotalsResponse
	err := d.TKMS.Query(ctx, "/tkms.kms.v1.Query/Totals", &kmstypes.QueryTotalsRequest{}, &response)
	return response.Totals, err
}

// postJSON posts a value and decodes the answer.
func postJSON(ctx context.Context, url string, body, into any) (*http.Response, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(encoded))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := (&http.Client{Timeout: 30 * time.Second}).Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return response, decodeBounded(response.Body, into)
}

// decodeBounded decodes JSON of at most a megabyte.
func decodeBounded(body io.Reader, into any) error {
	return json.NewDecoder(io.LimitReader(body, 1<<20)).Decode(into)
}
