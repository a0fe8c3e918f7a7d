package hostchain_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/hostchain"
	testchain "github.com/tkms-network/tkms/testutil/hostchain"
	"github.com/tkms-network/tkms/testutil/hostchain/client"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	"github.com/tkms-network/tkms/x/acl/qbft"
	"github.com/tkms-network/tkms/x/acl/slots"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/handles"
)

// fixture is a real EVM chain with the unmodified contracts, seen by the relayer.
type fixture struct {
	*testing.T
	ctx    context.Context
	chain  *testchain.Chain
	url    string
	client *client.Client
	alice  *client.Account
	node   *hostchain.Node
	record *acltypes.HostChain
	kms    []*ecdsa.PrivateKey
}

func setUp(t *testing.T) *fixture {
	t.Helper()
	artifacts, err := testchain.BuildArtifacts()
	if err != nil {
		t.Skipf("contract artifacts are missing and could not be built: %v", err)
	}
	f := &fixture{T: t}
	var signers []common.Address
	for range 4 {
		key, err := crypto.GenerateKey()
		require.NoError(t, err)
		f.kms = append(f.kms, key)
		signers = append(signers, crypto.PubkeyToAddress(key.PublicKey))
	}
	f.chain, err = testchain.New(testchain.Config{Artifacts: artifacts, KMSSigners: signers, KMSThreshold: 3})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.chain.Close()) })
	handler, stop, err := f.chain.Handler(nil)
	require.NoError(t, err)
	t.Cleanup(stop)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	f.url = server.URL
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	f.ctx = ctx
	f.client, err = client.Dial(ctx, f.url)
	require.NoError(t, err)
	t.Cleanup(f.client.Close)
	f.alice, err = client.NewAccount()
	require.NoError(t, err)
	require.NoError(t, f.client.Fund(ctx, f.alice.Address(), nil))
	f.node = f.dial(f.url)
	f.record = f.register()
	return f
}

func (f *fixture) dial(url string) *hostchain.Node {
	f.Helper()
	node, err := hostchain.Dial(f.ctx, url, testchain.DefaultChainID)
	require.NoError(f, err)
	f.Cleanup(node.Close)
	return node
}

// register returns the chain's record as TKMS would have it.
func (f *fixture) register() *acltypes.HostChain {
	f.Helper()
	info := f.client.Info()
	code := func(a common.Address) []byte {
		raw, err := f.client.Eth().CodeAt(f.ctx, a, nil)
		require.NoError(f, err)
		return crypto.Keccak256(raw)
	}
	record := &acltypes.HostChain{
		Id: info.ChainID, HeaderKind: acltypes.HEADER_KIND_QBFT, AclLayout: slots.LayoutFhevm010,
		Acl:          acltypes.Contract{Address: info.Contracts.ACL[:], CodeHash: code(info.Contracts.ACL)},
		Registry:     acltypes.Contract{Address: info.Contracts.Registry[:], CodeHash: code(info.Contracts.Registry)},
		RegistrySlot: info.Slots.RegistryBase[:],
	}
	for _, v := range info.Validators {
		record.Validators = append(record.Validators, v[:])
	}
	return record
}

// submit gives the dApp a value of alice's.
func (f *fixture) submit(ciphertext string, disclose bool) handles.Handle {
	f.Helper()
	input, err := f.client.SubmitCiphertext(f.ctx, common.Address{}, f.alice.Address(), fhevm.Uint8, []byte(ciphertext))
	require.NoError(f, err)
	_, err = f.client.Submit(f.ctx, f.alice, input.Handle, input.InputProof)
	require.NoError(f, err)
	if disclose {
		_, err = f.client.MakePubliclyDecryptable(f.ctx, f.alice, input.Handle)
		require.NoError(f, err)
	}
	return handles.Handle(input.Handle)
}

// signed returns a plaintext with signatures of some KMS signers.
func (f *fixture) signed(signers int, value int64, list ...handles.Handle) hostchain.Result {
	f.Helper()
	result := hostchain.Result{Handles: list}
	var named []fhevm.Handle
	for _, h := range list {
		named = append(named, fhevm.Handle(h))
		result.Plaintext = append(result.Plaintext, common.BigToHash(big.NewInt(value)).Bytes()...)
	}
	digest, err := fhevm.PublicDecryptDigest(f.chain.Domain(), named, result.Plaintext, nil)
	require.NoError(f, err)
	for _, key := range f.kms[:signers] {
		signature, err := fhevm.Sign(digest, key)
		require.NoError(f, err)
		result.Signatures = append(result.Signatures, signature)
	}
	return result
}

func TestEvidenceIsGatheredUnderTheHeadForABatch(t *testing.T) {
	f := setUp(t)
	batch := []handles.Handle{f.submit("one", true), f.submit("two", true)}
	evidence, err := f.node.Gather(f.ctx, f.record, batch)
	require.NoError(t, err)
	require.Equal(t, f.chain.Head().Number.Uint64(), evidence.Height)
	require.Equal(t, f.chain.Head().Time, evidence.Time)
	require.Equal(t, [][32]byte{crypto.Keccak256Hash([]byte("one")), crypto.Keccak256Hash([]byte("two"))}, evidence.Digests)
	require.False(t, evidence.NewValidators)
	require.Len(t, evidence.Proof.Acl.Storage, 2)
	require.Len(t, evidence.Proof.Registry.Storage, 2)
	header, err := qbft.DecodeHeader(evidence.Proof.Header)
	require.NoError(t, err)
	require.Equal(t, f.chain.Head().Root, header.StateRoot)
}

func TestAHandleThatTheACLKeepsPrivateIsNamed(t *testing.T) {
	f := setUp(t)
	open, secret := f.submit("open", true), f.submit("secret", false)
	_, err := f.node.Gather(f.ctx, f.record, []handles.Handle{open, secret})
	require.ErrorIs(t, err, hostchain.ErrNotPermitted)
	require.ErrorContains(t, err, secret.String())
}

func TestAHandleWithoutCiphertextIsNamed(t *testing.T) {
	f := setUp(t)
	open := f.submit("open", true)
	stranger, err := f.client.DeployRegistry(f.ctx, f.alice.Address())
	require.NoError(t, err)
	f.record.Registry.Address = stranger[:]
	f.record.Registry.CodeHash = nil
	_, err = f.node.Gather(f.ctx, f.record, []handles.Handle{open})
	require.ErrorIs(t, err, hostchain.ErrNoDigest, "in a registry that is empty")
	_, err = f.client.Register(f.ctx, f.alice, stranger, fhevm.Handle(f.submit("other", true)), common.Hash{1})
	require.NoError(t, err)
	_, err = f.node.Gather(f.ctx, f.record, []handles.Handle{open})
	require.ErrorIs(t, err, hostchain.ErrNoDigest)
}

func TestEvidenceThatTKMSWouldRefuseIsNotReturned(t *testing.T) {
	f := setUp(t)
	batch := []handles.Handle{f.submit("one", true)}
	for name, c := range map[string]struct {
		change func(*acltypes.HostChain)
		want   error
	}{
		"sealed by others than the registered validators": {func(r *acltypes.HostChain) {
			strangers, err := f.chain.SetValidators([]int{10, 11, 12, 13})
			require.NoError(t, err)
			r.Validators = nil
			for _, v := range strangers {
				r.Validators = append(r.Validators, v[:])
			}
			_, err = f.chain.SetValidators([]int{0, 1, 2, 3})
			require.NoError(t, err)
		}, qbft.ErrNoSuccession},
		"other code than the registered": {func(r *acltypes.HostChain) { r.Registry.CodeHash = make([]byte, 32) }, hostchain.ErrBadAnswer},
		"no such contract":               {func(r *acltypes.HostChain) { r.Acl.Address = make([]byte, 20) }, hostchain.ErrBadAnswer},
		"a layout that is not known":     {func(r *acltypes.HostChain) { r.AclLayout = "fhevm-9" }, slots.ErrUnknownLayout},
	} {
		t.Run(name, func(t *testing.T) {
			record := *f.record
			c.change(&record)
			_, err := f.node.Gather(f.ctx, &record, batch)
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestANewValidatorSetIsSeenAsASuccession(t *testing.T) {
	f := setUp(t)
	_, err := f.chain.SetValidators([]int{1, 2, 3, 4})
	require.NoError(t, err)
	batch := []handles.Handle{f.submit("one", true)}
	evidence, err := f.node.Gather(f.ctx, f.record, batch)
	require.NoError(t, err)
	require.True(t, evidence.NewValidators)
}

func TestANodeThatLiesIsFoundOut(t *testing.T) {
	f := setUp(t)
	batch := []handles.Handle{f.submit("one", true)}
	root := f.chain.Head().Root.Hex()
	for name, c := range map[string]struct {
		from, to string
		want     error
	}{
		"another state root":     {root, common.Hash{1}.Hex(), qbft.ErrStranger},
		"another extraData":      {`"extraData":"0x`, `"extraData":"0x00`, hostchain.ErrBadAnswer},
		"an account proof short": {`"accountProof":["`, `"accountProof":["0x80","`, hostchain.ErrBadAnswer},
		"no storage proof":       {`"storageProof":[`, `"storageProof":[],"other":[`, hostchain.ErrBadAnswer},
		"a storage proof short":  {`"proof":["`, `"proof":["0x80","`, hostchain.ErrBadAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			liar := f.dial(f.proxy(func(body []byte) []byte { return bytes.ReplaceAll(body, []byte(c.from), []byte(c.to)) }))
			_, err := liar.Gather(f.ctx, f.record, batch)
			require.ErrorIs(t, err, c.want)
		})
	}
	honest := f.dial(f.proxy(func(body []byte) []byte { return body }))
	_, err := honest.Gather(f.ctx, f.record, batch)
	require.NoError(t, err, "the proxy itself changes nothing")
}

// proxy serves the chain with answers changed.
func (f *fixture) proxy(change func([]byte) []byte) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		response, err := http.Post(f.url, "application/json", r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(change(body))
	}))
	f.Cleanup(server.Close)
	return server.URL
}

func TestANodeOfAnotherChainIsFoundOut(t *testing.T) {
	f := setUp(t)
	require.NoError(t, f.node.CheckChain(f.ctx))
	other, err := hostchain.Dial(f.ctx, f.url, 1)
	require.NoError(t, err)
	defer other.Close()
	require.ErrorIs(t, other.CheckChain(f.ctx), hostchain.ErrOtherChain)
	height, err := f.node.Height(f.ctx)
	require.NoError(t, err)
	require.Equal(t, f.chain.Head().Number.Uint64(), height)
}

func TestANodeThatDoesNotAnswerIsNamed(t *testing.T) {
	f := setUp(t)
	silent := f.dial("http://127.0.0.1:1")
	_, err := silent.Gather(f.ctx, f.record, []handles.Handle{{}})
	require.ErrorIs(t, err, hostchain.ErrNode)
	_, err = silent.Height(f.ctx)
	require.ErrorIs(t, err, hostchain.ErrNode)
	require.ErrorIs(t, silent.CheckChain(f.ctx), hostchain.ErrNode)
}

// carrier returns a carrier with a funded account.
func (f *fixture) carrier(maxGas uint64) *hostchain.Carrier {
	f.Helper()
	key, err := crypto.GenerateKey()
	require.NoError(f, err)
	c := hostchain.NewCarrier(f.node, key, maxGas)
	require.NoError(f, f.client.Fund(f.ctx, c.Address(), nil))
	return c
}

func TestAResultIsCarriedToTheDApp(t *testing.T) {
	f := setUp(t)
	carrier := f.carrier(5_000_000)
	handle := f.submit("value", true)
	dApp := f.client.Info().Contracts.Disclosure
	var kept []byte
	var hash common.Hash
	keep := func(raw []byte, h common.Hash) error { kept, hash = raw, h; return nil }
	require.NoError(t, carrier.Carry(f.ctx, dApp, f.signed(3, 42, handle), keep))
	receipt, err := carrier.Receipt(f.ctx, hash)
	require.NoError(t, err)
	require.True(t, receipt.Succeeded)
	require.NotZero(t, receipt.GasUsed)
	value, err := f.client.Plaintext(f.ctx, fhevm.Handle(handle))
	require.NoError(t, err)
	require.EqualValues(t, 42, value.Int64())

	err = carrier.Carry(f.ctx, dApp, f.signed(3, 42, handle), keep)
	require.ErrorIs(t, err, hostchain.ErrRefused)
	require.ErrorContains(t, err, "AlreadyFulfilled")
	require.NotEmpty(t, kept)
	require.Error(t, carrier.Resend(f.ctx, []byte{1}))
}

func TestWhatTheContractWouldRefuseIsNotSent(t *testing.T) {
	f := setUp(t)
	handle, dApp := f.submit("value", true), f.client.Info().Contracts.Disclosure
	wrong := f.signed(3, 42, handle)
	wrong.Plaintext[31] = 43
	long := f.signed(3, 42, handle)
	long.Signatures[0] = append(long.Signatures[0], 0)
	for name, c := range map[string]struct {
		result hostchain.Result
		maxGas uint64
		want   error
		text   string
	}{
		"too few signatures":      {f.signed(2, 42, handle), 5_000_000, hostchain.ErrRefused, "KMSSignatureThresholdNotReached"},
		"another plaintext":       {wrong, 5_000_000, hostchain.ErrRefused, "KMSInvalidSigner"},
		"no signature":            {f.signed(0, 42, handle), 5_000_000, hostchain.ErrProof, ""},
		"a signature of 66 bytes": {long, 5_000_000, hostchain.ErrProof, ""},
		"more gas than allowed":   {f.signed(3, 42, handle), 50_000, hostchain.ErrGas, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := f.carrier(c.maxGas).Carry(f.ctx, dApp, c.result, func([]byte, common.Hash) error {
				t.Fatal("a transaction was made")
				return nil
			})
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.text)
		})
	}
}

func TestNothingIsSentThatWasNotKept(t *testing.T) {
	f := setUp(t)
	handle := f.submit("value", true)
	err := f.carrier(5_000_000).Carry(f.ctx, f.client.Info().Contracts.Disclosure, f.signed(3, 42, handle), func([]byte, common.Hash) error { return io.ErrShortWrite })
	require.ErrorIs(t, err, io.ErrShortWrite)
	_, err = f.client.Plaintext(f.ctx, fhevm.Handle(handle))
	require.Error(t, err)
}

func TestADecryptionProofCountsItsSignaturesInOneByte(t *testing.T) {
	signature := bytes.Repeat([]byte{7}, 65)
	proof, err := hostchain.Result{Signatures: [][]byte{signature, signature}}.DecryptionProof()
	require.NoError(t, err)
	require.Equal(t, "02"+strings.Repeat("07", 130), common.Bytes2Hex(proof))
	many := make([][]byte, 256)
	for i := range many {
		many[i] = signature
	}
	_, err = hostchain.Result{Signatures: many}.DecryptionProof()
	require.ErrorIs(t, err, hostchain.ErrProof)
}
