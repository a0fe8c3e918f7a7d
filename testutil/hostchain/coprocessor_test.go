package hostchain

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/hostchain/api"
	"github.com/tkms-network/tkms/testutil/hostchain/client"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

func TestRegistryTakesWritesFromTheCoprocessorOnlyAndBindsOnce(t *testing.T) {
	chain := newTestChain(t, nil)
	ctx, c, alice := dialTest(t, chain)
	coprocessor := client.AccountOf(chain.coprocessor.keys[0])
	handle := fhevm.InputHandle([]byte("x"), 0, fhevm.ACLAddress, DefaultChainID, fhevm.Uint8)
	other := fhevm.InputHandle([]byte("y"), 0, fhevm.ACLAddress, DefaultChainID, fhevm.Uint8)
	foreign := fhevm.InputHandle([]byte("x"), 0, fhevm.ACLAddress, DefaultChainID+1, fhevm.Uint8)
	versioned := handle
	versioned[31] = 1
	register := func(from *client.Account, handle fhevm.Handle, digest common.Hash) error {
		_, err := c.Register(ctx, from, chain.Registry(), handle, digest)
		return err
	}
	d1, d2 := common.Hash{1}, common.Hash{2}
	for name, account := range map[string]*client.Account{
		"alice": alice, "the owner": client.AccountOf(chain.owner), "the faucet": client.AccountOf(chain.faucet),
	} {
		require.True(t, fhevm.IsRevert(register(account, handle, d1), "NotCoprocessor"), name)
	}
	require.True(t, fhevm.IsRevert(register(coprocessor, foreign, d1), "ForeignHandle"))
	require.True(t, fhevm.IsRevert(register(coprocessor, versioned, d1), "ForeignHandle"))
	require.True(t, fhevm.IsRevert(register(coprocessor, fhevm.Handle{}, d1), "NullBinding"))
	require.True(t, fhevm.IsRevert(register(coprocessor, handle, common.Hash{}), "NullBinding"))
	require.NoError(t, register(coprocessor, handle, d1))
	require.True(t, fhevm.IsRevert(register(coprocessor, handle, d2), "HandleAlreadyBound"))
	require.True(t, fhevm.IsRevert(register(coprocessor, handle, d1), "HandleAlreadyBound"))
	require.True(t, fhevm.IsRevert(register(coprocessor, other, d1), "DigestAlreadyBound"))
	value, err := c.Eth().StorageAt(ctx, chain.Registry(), fhevm.RegistrySlot(handle), nil)
	require.NoError(t, err)
	require.Equal(t, d1[:], value)
}

func TestStrangersFailedWriteLeavesAReceiptButNoDigest(t *testing.T) {
	chain := newTestChain(t, nil)
	ctx, c, alice := dialTest(t, chain)
	handle := fhevm.InputHandle([]byte("z"), 0, fhevm.ACLAddress, DefaultChainID, fhevm.Uint8)
	data, err := fhevm.RegistryABI.Pack("register", handle, common.Hash{9})
	require.NoError(t, err)
	hash, err := c.SendWithGas(ctx, alice, chain.Registry(), data, 100_000)
	require.NoError(t, err)
	_, err = c.WaitReceipt(ctx, hash)
	require.True(t, fhevm.IsRevert(err, "NotCoprocessor"), "%v", err)
	evidence, err := c.PublicDecryptionEvidence(ctx, []fhevm.Handle{handle}, nil)
	require.NoError(t, err)
	require.Equal(t, []common.Hash{{}}, provenSlots(t, chain.Head().Root, evidence.Registry))
}

func TestStrangersRegistryProvesTheSameSlotUnderAnotherAccount(t *testing.T) {
	chain := newTestChain(t, nil)
	ctx, c, alice := dialTest(t, chain)
	registry, err := c.DeployRegistry(ctx, alice.Address())
	require.NoError(t, err)
	require.NotEqual(t, chain.Registry(), registry)
	handle := fhevm.InputHandle([]byte("bob's"), 0, fhevm.ACLAddress, DefaultChainID, fhevm.Uint8)
	_, err = c.Register(ctx, alice, registry, handle, common.Hash{5})
	require.NoError(t, err)
	slots := []common.Hash{fhevm.RegistrySlot(handle)}
	fake, err := c.AccountProof(ctx, registry, slots, nil)
	require.NoError(t, err)
	require.Equal(t, []common.Hash{{5}}, provenSlots(t, chain.Head().Root, *fake))
	genuine, err := c.AccountProof(ctx, chain.Registry(), slots, nil)
	require.NoError(t, err)
	require.Equal(t, []common.Hash{{}}, provenSlots(t, chain.Head().Root, *genuine))
}

func TestCiphertextBelongsToOneHandleUserAndContract(t *testing.T) {
	chain := newTestChain(t, nil)
	ctx, c, alice := dialTest(t, chain)
	bob := common.Address{0xb0}
	ciphertext := []byte("alice's ciphertext")
	first, err := c.SubmitCiphertext(ctx, common.Address{}, alice.Address(), fhevm.Uint64, ciphertext)
	require.NoError(t, err)
	require.True(t, first.Simulated)
	again, err := c.SubmitCiphertext(ctx, common.Address{}, alice.Address(), fhevm.Uint64, ciphertext)
	require.NoError(t, err)
	require.Equal(t, first, again)
	for name, attempt := range map[string]struct {
		contract, user common.Address
		typeOf         fhevm.Type
	}{
		"another user":     {chain.Disclosure(), bob, fhevm.Uint64},
		"another contract": {common.Address{0xc0}, alice.Address(), fhevm.Uint64},
		"another type":     {chain.Disclosure(), alice.Address(), fhevm.Uint8},
	} {
		_, err := c.SubmitCiphertext(ctx, attempt.contract, attempt.user, attempt.typeOf, ciphertext)
		require.ErrorContains(t, err, "409", name)
	}
	// What the coprocessor signed for alice is of no use to somebody else.
	carol, err := client.NewAccount()
	require.NoError(t, err)
	require.NoError(t, c.Fund(ctx, carol.Address(), nil))
	_, err = c.Submit(ctx, carol, first.Handle, first.InputProof)
	require.Error(t, err)
	_, err = c.Submit(ctx, alice, first.Handle, first.InputProof)
	require.NoError(t, err)
	_, err = c.Submit(ctx, alice, first.Handle, first.InputProof)
	require.True(t, fhevm.IsRevert(err, "AlreadySubmitted"), "%v", err)
	_, err = c.MakePubliclyDecryptable(ctx, carol, first.Handle)
	require.True(t, fhevm.IsRevert(err, "NotOwner"), "%v", err)
}

func TestReopenedCoprocessorDoesNotBindAKnownCiphertextAgain(t *testing.T) {
	config := Config{DataDir: t.TempDir(), Artifacts: artifactsFor(t)}
	in := Input{Contract: common.Address{1}, User: common.Address{2}, Type: fhevm.Uint8, Ciphertext: []byte("before")}
	chain, err := New(config)
	require.NoError(t, err)
	_, err = chain.Coprocessor().Submit(t.Context(), in)
	require.NoError(t, err)
	require.NoError(t, chain.Close())
	chain, err = New(config)
	require.NoError(t, err)
	defer func() { require.NoError(t, chain.Close()) }()
	_, err = chain.Coprocessor().Submit(t.Context(), in)
	require.ErrorIs(t, err, ErrRebinding)
}

func TestManyInputsAtOnceAreAllRegistered(t *testing.T) {
	chain := newTestChain(t, nil)
	ctx, c, alice := dialTest(t, chain)
	var group sync.WaitGroup
	failures := make(chan error, 20)
	for i := range 20 {
		group.Go(func() {
			_, err := c.SubmitCiphertext(ctx, common.Address{}, alice.Address(), fhevm.Uint32, []byte{byte(i)})
			failures <- err
		})
	}
	group.Wait()
	close(failures)
	for err := range failures {
		require.NoError(t, err)
	}
}

func TestSeveralCoprocessorsSignEveryInput(t *testing.T) {
	chain := newTestChain(t, func(c *Config) { c.Coprocessors, c.CoprocessorThreshold = 3, 2 })
	ctx, c, alice := dialTest(t, chain)
	input, err := c.SubmitCiphertext(ctx, common.Address{}, alice.Address(), fhevm.Bool, []byte("three signatures"))
	require.NoError(t, err)
	require.Len(t, input.InputProof, 2+32+3*65)
	_, err = c.Submit(ctx, alice, input.Handle, input.InputProof)
	require.NoError(t, err)
}

func TestMalformedInputRequestsAreRefused(t *testing.T) {
	chain := newTestChain(t, nil)
	handler, stop, err := chain.Handler(nil)
	require.NoError(t, err)
	defer stop()
	address := common.Address{1}.Hex()
	query := "?contractAddress=" + address + "&userAddress=" + address
	for _, test := range []struct {
		name, path, contentType string
		body                    []byte
		status                  int
	}{
		{"no type", query, "application/octet-stream", []byte{1}, http.StatusBadRequest},
		{"unknown type", query + "&type=euint7", "application/octet-stream", []byte{1}, http.StatusBadRequest},
		{"no addresses", "?type=euint8", "application/octet-stream", []byte{1}, http.StatusBadRequest},
		{"empty ciphertext", query + "&type=euint8", "application/octet-stream", nil, http.StatusBadRequest},
		{"too long", query + "&type=euint8", "application/octet-stream", make([]byte, MaxCiphertext/3*4+5000), http.StatusRequestEntityTooLarge},
		{"no JSON", "", "application/json", []byte("{"), http.StatusBadRequest},
		{"unknown field", "", "application/json", []byte(`{"plaintext":7}`), http.StatusBadRequest},
		{"two values", "", "application/json", []byte(`{} {}`), http.StatusBadRequest},
		{"zero user", "", "application/json", []byte(`{"type":"euint8","ciphertext":"AA=="}`), http.StatusBadRequest},
	} {
		t.Run(test.name, func(t *testing.T) {
			request := httptest.NewRequest(http.MethodPost, api.PathInput+test.path, bytes.NewReader(test.body))
			request.Header.Set("Content-Type", test.contentType)
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, request)
			require.Equal(t, test.status, recorder.Code, recorder.Body)
			var body api.ErrorBody
			require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &body))
			require.NotEmpty(t, body.Error)
		})
	}
}

func TestInputIsTakenAsJSONToo(t *testing.T) {
	chain := newTestChain(t, nil)
	handler, stop, err := chain.Handler(nil)
	require.NoError(t, err)
	defer stop()
	body, err := json.Marshal(api.InputRequest{ContractAddress: chain.Disclosure(), UserAddress: common.Address{1}, Type: "eaddress", Ciphertext: []byte("json")})
	require.NoError(t, err)
	request := httptest.NewRequest(http.MethodPost, api.PathInput, bytes.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	require.Equal(t, http.StatusOK, recorder.Code, recorder.Body)
	var answer api.InputResponse
	require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &answer))
	require.Equal(t, fhevm.Uint160, answer.Handle.Type())
	require.Equal(t, fhevm.CiphertextDigest([]byte("json")), answer.Digest)
}
