package hostchain

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/hostchain/api"
	"github.com/tkms-network/tkms/testutil/hostchain/client"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

// provenInput reads an input that TFHE-rs made.
func provenInput(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "enclave", "tfhe", "testdata", "node", name))
	require.NoError(t, err)
	return data
}

func TestProvenInputGoesIntoTheDAppAndItsCiphertextsAreServed(t *testing.T) {
	for name, dir := range map[string]string{"in memory": "", "in files": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			chain := newTestChain(t, func(c *Config) { c.Coprocessors, c.DataDir = 2, dir })
			handler, stop, err := chain.Handler(nil)
			require.NoError(t, err)
			t.Cleanup(stop)
			url := newLoopbackServer(t, handler)
			c, err := client.Dial(t.Context(), url)
			require.NoError(t, err)
			t.Cleanup(c.Close)
			alice, err := client.NewAccount()
			require.NoError(t, err)
			require.NoError(t, c.Fund(t.Context(), alice.Address(), nil))

			ciphertext := provenInput(t, "proven_1_4.bin")
			input, err := c.SubmitProven(t.Context(), chain.Disclosure(), alice.Address(), ciphertext, []byte{0})
			require.NoError(t, err)
			require.True(t, input.Accepted)
			require.True(t, input.Simulated)
			require.Len(t, input.Signatures, 2)
			types := []fhevm.Type{fhevm.Uint64, fhevm.Uint8, fhevm.Uint160, fhevm.Bool}
			require.Len(t, input.Handles, len(types))
			for i, h := range input.Handles {
				require.Equal(t, fhevm.InputHandle(ciphertext, uint8(i), fhevm.ACLAddress, DefaultChainID, types[i]), h)
				slot, err := c.Eth().StorageAt(t.Context(), chain.Registry(), fhevm.RegistrySlot(h), nil)
				require.NoError(t, err)
				data := download(t, url+api.PathCiphertexts+"/"+hex.EncodeToString(slot))
				require.Equal(t, slot, fhevm.CiphertextDigest(data).Bytes())
				_, err = tfhe.Decode(data, tfhe.Type(types[i]), tfhe.Production())
				require.NoError(t, err)
			}
			proof, err := fhevm.EncodeInputProof(input.Handles, [][]byte{input.Signatures[0], input.Signatures[1]}, input.ExtraData)
			require.NoError(t, err)
			_, err = c.Keep(t.Context(), alice, input.Handles, proof)
			require.NoError(t, err)
			kept, err := c.Kept(t.Context(), alice.Address())
			require.NoError(t, err)
			require.Equal(t, input.Handles, kept)

			again, err := c.SubmitProven(t.Context(), chain.Disclosure(), alice.Address(), ciphertext, []byte{0})
			require.NoError(t, err)
			require.Equal(t, input, again)
			_, err = c.SubmitProven(t.Context(), chain.Disclosure(), common.Address{0xb0}, ciphertext, []byte{0})
			require.ErrorContains(t, err, "409")
		})
	}
}

func download(t *testing.T, url string) []byte {
	t.Helper()
	response, err := http.Get(url) //nolint:gosec // a server of this test
	require.NoError(t, err)
	defer response.Body.Close() //nolint:errcheck // test
	require.Equal(t, http.StatusOK, response.StatusCode)
	data, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return data
}

func TestInputsThatTheCoprocessorCannotTakeAreRefused(t *testing.T) {
	chain := newTestChain(t, nil)
	handler, stop, err := chain.Handler(nil)
	require.NoError(t, err)
	t.Cleanup(stop)
	valid := api.InputProofRequest{
		ContractChainID: DefaultChainID, ContractAddress: chain.Disclosure(), UserAddress: common.Address{1},
		Ciphertext: hex.EncodeToString(provenInput(t, "proven_1_4.bin")), ExtraData: []byte{0},
	}
	for name, test := range map[string]struct {
		change func(r *api.InputProofRequest)
		status int
	}{
		"another chain":      {func(r *api.InputProofRequest) { r.ContractChainID++ }, http.StatusBadRequest},
		"no contract":        {func(r *api.InputProofRequest) { r.ContractAddress = common.Address{} }, http.StatusBadRequest},
		"no user":            {func(r *api.InputProofRequest) { r.UserAddress = common.Address{} }, http.StatusBadRequest},
		"no hexadecimal":     {func(r *api.InputProofRequest) { r.Ciphertext = "0x00" }, http.StatusBadRequest},
		"no ciphertext":      {func(r *api.InputProofRequest) { r.Ciphertext = "" }, http.StatusBadRequest},
		"a byte short":       {func(r *api.InputProofRequest) { r.Ciphertext = r.Ciphertext[2:] }, http.StatusBadRequest},
		"too long":           {func(r *api.InputProofRequest) { r.Ciphertext = string(make([]byte, 2*MaxProvenInput+5000)) }, http.StatusRequestEntityTooLarge},
		"a list, not proven": {func(r *api.InputProofRequest) { r.Ciphertext = hex.EncodeToString(provenInput(t, "list_packed.bin")) }, http.StatusBadRequest},
		"values after an ebool": {func(r *api.InputProofRequest) {
			r.Ciphertext = hex.EncodeToString(provenInput(t, "proven_shared_1_4.bin"))
		}, http.StatusUnprocessableEntity},
	} {
		t.Run(name, func(t *testing.T) {
			request := valid
			test.change(&request)
			body, err := json.Marshal(request)
			require.NoError(t, err)
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, api.PathInputProof, bytes.NewReader(body)))
			require.Equal(t, test.status, recorder.Code, recorder.Body)
		})
	}
	for path, status := range map[string]int{
		"/" + hex.EncodeToString(make([]byte, 32)): http.StatusNotFound,
		"/..": http.StatusTemporaryRedirect, "/12": http.StatusBadRequest, "/zz": http.StatusBadRequest,
	} {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, api.PathCiphertexts+path, nil))
		require.Equal(t, status, recorder.Code, path)
	}
}
