package cli

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/enclave/reencrypt"
	"github.com/tkms-network/tkms/testutil/answers"
	aclclient "github.com/tkms-network/tkms/x/acl/client"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	kmsclient "github.com/tkms-network/tkms/x/kms/client"
	"github.com/tkms-network/tkms/x/kms/handles"
	"github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

var (
	aliceKey = bytes.Repeat([]byte{0xa1}, 32)
	dapp     = [20]byte(common.HexToAddress("0x1F98431c8aD98523631AE4a59f267346ea31F984"))
	started  = time.Unix(1_700_000_000, 0)
)

func userHandle(typ handles.Type, index byte) handles.Handle {
	h := handles.Handle{index, 30: byte(typ)}
	binary.BigEndian.PutUint64(h[22:], 31337)
	return h
}

func ecdsaKey(t testing.TB, raw []byte) *ecdsa.PrivateKey {
	t.Helper()
	k, err := crypto.ToECDSA(raw)
	require.NoError(t, err)
	return k
}

// chains are both chains and four parties, of which one lies.
type chains struct {
	testing.TB
	keys   []*ecdsa.PrivateKey
	values []*big.Int
	liar   int
	// missing queries for the request that find nothing.
	missing int
	asked   *types.MsgRequestUserDecryption
	access  acltypes.UserAccess
	refuse  error
}

func (c *chains) record() acltypes.HostChain {
	return acltypes.HostChain{
		Id: 31337, Fees: acltypes.Fees{PerRequest: 10, UserDecryptionPerBlock: 3},
		VerifierDomain: acltypes.VerifierDomain{Name: "Decryption", Version: "1", ChainId: 55815, VerifyingContract: dapp[:]},
	}
}

type aclQueries struct {
	acltypes.QueryClient
	*chains
}

func (q aclQueries) HostChain(_ context.Context, r *acltypes.QueryHostChainRequest, _ ...grpc.CallOption) (*acltypes.QueryHostChainResponse, error) {
	if r.Id != 31337 {
		return nil, status.Error(codes.NotFound, "unknown host chain")
	}
	return &acltypes.QueryHostChainResponse{HostChain: q.record()}, nil
}

type partyQueries struct {
	partiestypes.QueryClient
	*chains
}

func (q partyQueries) Epoch(_ context.Context, r *partiestypes.QueryEpochRequest, _ ...grpc.CallOption) (*partiestypes.QueryEpochResponse, error) {
	require.EqualValues(q, 3, r.Id)
	response := &partiestypes.QueryEpochResponse{}
	for _, k := range q.keys {
		address := crypto.PubkeyToAddress(k.PublicKey)
		response.Parties = append(response.Parties, partiestypes.Party{SigningAddress: address[:]})
	}
	return response, nil
}

type kmsQueries struct {
	types.QueryClient
	*chains
}

func (q kmsQueries) HostKey(context.Context, *types.QueryHostKeyRequest, ...grpc.CallOption) (*types.QueryHostKeyResponse, error) {
	return &types.QueryHostKeyResponse{Key: types.Key{Id: bytes.Repeat([]byte{7}, 32)}}, nil
}

// Shares answers as the chain would: a node that is behind, then all parties at once.
func (q kmsQueries) Shares(_ context.Context, r *types.QuerySharesRequest, _ ...grpc.CallOption) (*types.QuerySharesResponse, error) {
	if q.missing > 0 {
		q.missing--
		return nil, status.Error(codes.NotFound, "unknown request")
	}
	a := q.asked.Authorization
	record := types.Request{
		Kind: types.REQUEST_KIND_USER_DECRYPTION, Status: types.REQUEST_STATUS_FULFILLED, HostChainId: 31337, KeyId: q.asked.KeyId, EpochId: 3,
		AuthorizedBy: &a, Domain: q.record().VerifierDomain, Simulated: []string{"enclave device"},
	}
	for _, h := range q.asked.Handles {
		record.Ciphertexts = append(record.Ciphertexts, types.Ciphertext{Handle: h.Handle, Contract: h.Contract})
	}
	list, err := record.HandleList()
	require.NoError(q, err)
	id, err := record.ComputedID(list)
	require.NoError(q, err)
	require.Equal(q, hex.EncodeToString(id[:]), r.Id)
	public, err := reencrypt.ParsePublicKey(a.PublicKey)
	require.NoError(q, err)
	domain, err := types.SigningDomain(record.Domain)
	require.NoError(q, err)
	question := answers.Question{Domain: domain, Key: public, User: [20]byte(a.User), Handles: list, Packing: 1}
	random := rand.NewChaCha8([32]byte{1})
	dealt, err := question.Deal(random, len(q.keys), q.values)
	require.NoError(q, err)
	out := &types.QuerySharesResponse{Request: record}
	for i, k := range q.keys {
		if i+1 == q.liar {
			dealt[i][0][0] ^= 1
		}
		answer, err := question.Answer(random, k, i+1, len(q.keys), dealt[i])
		require.NoError(q, err)
		out.Shares = append(out.Shares, types.Share{Index: uint32(i + 1), Payload: answer.Payload, Signature: answer.Signature})
	}
	return out, nil
}

func newChains(t testing.TB) *chains {
	c := &chains{TB: t, liar: 2, missing: 2, values: []*big.Int{big.NewInt(12345), big.NewInt(1), new(big.Int).SetBytes(dapp[:])}}
	for i := range 4 {
		c.keys = append(c.keys, ecdsaKey(t, bytes.Repeat([]byte{byte(i + 1)}, 32)))
	}
	return c
}

func (c *chains) flow() userFlow {
	return userFlow{
		kms: kmsQueries{chains: c}, acl: aclQueries{chains: c}, parties: partyQueries{chains: c}, from: sdk.AccAddress(dapp[:]),
		gather: func(_ context.Context, host *acltypes.HostChain, access acltypes.UserAccess) (*aclclient.Evidence, error) {
			c.access = access
			return &aclclient.Evidence{Proof: acltypes.DecryptionProof{Header: []byte{1}}}, c.refuse
		},
		blockTime: func(context.Context) (time.Time, error) { return started, nil },
		send: func(_ context.Context, msg *types.MsgRequestUserDecryption) error {
			c.asked = msg
			return nil
		},
	}
}

func aliceOptions(t testing.TB) userOptions {
	return userOptions{
		hostChainID: 31337, days: 2, key: ecdsaKey(t, aliceKey), contracts: [][20]byte{dapp, {1}, dapp},
		handles: []handles.Handle{userHandle(handles.Uint64, 1), userHandle(handles.Bool, 2), userHandle(handles.Uint160, 3)},
	}
}

func TestAUserReadsHerValuesAndHearsWhoAnsweredWrong(t *testing.T) {
	c := newChains(t)
	result, err := c.flow().decrypt(t.Context(), aliceOptions(t))
	require.NoError(t, err)

	a := c.asked.Authorization
	require.Equal(t, [][]byte{dapp[:], {1, 19: 0}}, a.Contracts, "each contract once")
	require.EqualValues(t, started.Unix(), a.StartTimestamp)
	require.EqualValues(t, 2, a.DurationDays)
	require.EqualValues(t, 10+3*(32+1+80), c.asked.MaxFee)
	require.Equal(t, sdk.AccAddress(dapp[:]).String(), c.asked.Requester)
	require.Equal(t, []byte{1}, c.asked.Proof.Header)
	digest, err := a.Digest(31337, c.record().VerifierDomain)
	require.NoError(t, err)
	require.NoError(t, a.CheckSignature(digest))
	require.Equal(t, crypto.PubkeyToAddress(ecdsaKey(t, aliceKey).PublicKey), common.Address(c.access.User))

	var out, notes bytes.Buffer
	require.NoError(t, result.print(&out, &notes, "text"))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 3)
	for i, want := range []string{" euint64 12345", " ebool true", " euint160 " + common.Address(dapp).Hex()} {
		require.Equal(t, aliceOptions(t).handles[i].String()+want, lines[i])
	}
	require.Contains(t, notes.String(), "answered by parties 1, 3, 4\n")
	require.Contains(t, notes.String(), "wrong shares of parties 2 ")
	require.Contains(t, notes.String(), "simulated: enclave device")

	out.Reset()
	notes.Reset()
	require.NoError(t, result.print(&out, &notes, "json"))
	var read userResult
	require.NoError(t, json.Unmarshal(out.Bytes(), &read))
	require.Equal(t, *result, read)
	require.Empty(t, notes.String())
}

func TestADelegateReadsForTheDelegator(t *testing.T) {
	c := newChains(t)
	o := aliceOptions(t)
	o.delegator = &[20]byte{9}
	_, err := c.flow().decrypt(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, [20]byte{9}, c.access.Owner())
	require.Equal(t, [][]byte{{9, 19: 0}}, [][]byte{c.asked.Authorization.Delegator})
}

func TestWhatStopsAUserIsSaidWithAHint(t *testing.T) {
	for name, change := range map[string]struct {
		chains  func(*chains)
		options func(*userOptions)
		want    error
		hint    string
	}{
		"not allowed":       {func(c *chains) { c.refuse = fmt.Errorf("%w: x", aclclient.ErrOwnerNotAllowed) }, nil, aclclient.ErrNotAllowed, "FHE.allow"},
		"contract":          {func(c *chains) { c.refuse = aclclient.ErrContractNotAllowed }, nil, aclclient.ErrNotAllowed, "FHE.allowThis"},
		"no delegation":     {func(c *chains) { c.refuse = aclclient.ErrNoDelegation }, nil, aclclient.ErrDelegation, "delegateForUserDecryption"},
		"node":              {func(c *chains) { c.refuse = aclclient.ErrNode }, nil, aclclient.ErrNode, "--host-chain-rpc"},
		"too many days":     {nil, func(o *userOptions) { o.days = 366 }, types.ErrInvalidDuration, ""},
		"another chain":     {nil, func(o *userOptions) { o.handles[0][29]++ }, types.ErrInvalidHandle, ""},
		"a handle twice":    {nil, func(o *userOptions) { o.handles[0] = o.handles[1] }, types.ErrInvalidHandle, ""},
		"contract is owner": {nil, func(o *userOptions) { o.delegator = &dapp }, types.ErrContractIsOwner, ""},
	} {
		c, o := newChains(t), aliceOptions(t)
		if change.chains != nil {
			change.chains(c)
		}
		if change.options != nil {
			change.options(&o)
		}
		_, err := c.flow().decrypt(t.Context(), o)
		require.ErrorIs(t, err, change.want, name)
		require.Nil(t, c.asked, "%s: nothing is sent", name)
		var advised interface{ Hint() string }
		require.Equal(t, change.hint != "", errors.As(hinted(err), &advised), name)
		if change.hint != "" {
			require.Contains(t, advised.Hint(), change.hint, name)
		}
	}
	o := aliceOptions(t)
	o.hostChainID = 1
	_, err := newChains(t).flow().decrypt(t.Context(), o)
	require.ErrorContains(t, err, "host chain 1")
}

func TestAWaitThatIsTooShortSaysSo(t *testing.T) {
	c := newChains(t)
	c.missing = 1 << 30
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := c.flow().decrypt(ctx, aliceOptions(t))
	require.ErrorIs(t, err, ErrTimeout)
	c = newChains(t)
	c.keys[3] = ecdsaKey(t, aliceKey) // whose share is in, signed by another than the epoch says
	flow := c.flow()
	flow.parties = partyQueries{chains: newChains(t)}
	_, err = flow.decrypt(t.Context(), aliceOptions(t))
	require.ErrorIs(t, err, kmsclient.ErrUnreadable)
}

func TestAKeyFileIsReadIfItIsTheUsersOnly(t *testing.T) {
	digits := hex.EncodeToString(aliceKey)
	file := func(content string, mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), "key")
		require.NoError(t, os.WriteFile(path, []byte(content), mode))
		require.NoError(t, os.Chmod(path, mode))
		return path
	}
	for _, content := range []string{digits, "0x" + digits, digits + "\n", " 0x" + digits + "\r\n"} {
		for _, mode := range []os.FileMode{0o600, 0o400} {
			key, err := readUserKey(file(content, mode))
			require.NoError(t, err)
			require.Equal(t, aliceKey, crypto.FromECDSA(key))
		}
	}
	for name, path := range map[string]string{
		"for the group": file(digits, 0o640), "for others": file(digits, 0o604), "empty": file("", 0o600), "short": file(digits[2:], 0o600),
		"zero": file(strings.Repeat("0", 64), 0o600), "no digits": file(strings.Repeat("z", 64), 0o600), "huge": file(strings.Repeat(" ", 300)+digits, 0o600),
		"none": filepath.Join(t.TempDir(), "none"),
	} {
		_, err := readUserKey(path)
		require.ErrorIs(t, err, ErrKeyFile, name)
		require.NotContains(t, err.Error(), digits[:8], name)
	}
}

func TestAHandleIsNamedWithItsContract(t *testing.T) {
	want := userHandle(handles.Uint64, 1)
	address := common.Address(dapp).Hex()
	for _, text := range []string{
		want.String() + ":" + address, want.String()[2:] + ":" + strings.ToLower(address), want.String() + ":" + address[2:],
	} {
		handle, contract, err := parseHandle(text)
		require.NoError(t, err, text)
		require.Equal(t, want, handle)
		require.Equal(t, dapp, contract)
	}
	wrong := want
	wrong[30] = 200
	for name, text := range map[string]string{
		"nothing": "", "no contract": want.String(), "short handle": want.String()[4:] + ":" + address,
		"no digits": "0xzz:" + address, "unknown type": wrong.String() + ":" + address, "short address": want.String() + ":" + address[:40],
		"checksum": want.String() + ":" + strings.Replace(address, "F98", "f98", 1),
	} {
		_, _, err := parseHandle(text)
		require.Error(t, err, name)
	}
}

func TestTheCommandOfUsersSaysWhatItNeeds(t *testing.T) {
	cmd, _, err := NewTxCommand().Find([]string{"user-decrypt"})
	require.NoError(t, err)
	for _, name := range []string{flagHostChainID, flagHostChainRPC, flagHandle, flagUserKeyFile, flagDelegator, flagDays, flagWait, flagTimeout, "from"} {
		require.NotNil(t, cmd.Flags().Lookup(name), name)
	}
	require.Equal(t, "text", cmd.Flags().Lookup("output").Value.String())
	require.Error(t, cmd.ValidateRequiredFlags())

	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path, []byte(hex.EncodeToString(aliceKey)), 0o600))
	require.NoError(t, cmd.ParseFlags([]string{
		"--host-chain-id", "31337", "--host-chain-rpc", "http://127.0.0.1:1", "--user-key-file", path, "--delegator", common.Address{5}.Hex(), "--wait",
		"--handle", fmt.Sprintf("%s:%s", userHandle(handles.Bool, 1), common.Address(dapp)),
		"--handle", fmt.Sprintf("%s:%s", userHandle(handles.Uint8, 2), common.Address{6}),
	}))
	require.NoError(t, cmd.ValidateRequiredFlags())
	o, err := readUserOptions(cmd)
	require.NoError(t, err)
	require.Equal(t, []handles.Handle{userHandle(handles.Bool, 1), userHandle(handles.Uint8, 2)}, o.handles)
	require.Equal(t, [][20]byte{dapp, {6}}, o.contracts)
	require.Equal(t, &[20]byte{5}, o.delegator)
	require.EqualValues(t, 1, o.days)

	require.NoError(t, cmd.Flags().Set(flagDelegator, "0x12"))
	_, err = readUserOptions(cmd)
	require.ErrorContains(t, err, "--delegator")
	require.NoError(t, cmd.Flags().Set(flagWait, "false"))
	_, err = readUserOptions(cmd)
	require.ErrorIs(t, err, ErrMustWait)
}
