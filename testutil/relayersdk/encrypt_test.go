package relayersdk_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/clientkey"
	"github.com/tkms-network/tkms/testutil/hostchain"
	"github.com/tkms-network/tkms/testutil/hostchain/api"
	"github.com/tkms-network/tkms/testutil/hostchain/client"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	"github.com/tkms-network/tkms/testutil/relayersdk"
)

// needLibrary skips unless TKMS_INTEROP says that everything must be there.
func needLibrary(t *testing.T, timeout time.Duration) (context.Context, *relayersdk.CRS) {
	t.Helper()
	if os.Getenv("TKMS_INTEROP") == "" {
		t.Skip("set TKMS_INTEROP=1, as scripts/interop.sh does")
	}
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	t.Cleanup(cancel)
	crs, err := relayersdk.MakeCRS(ctx, os.Stderr)
	require.NoError(t, err)
	return ctx, crs
}

// networkOf is the library's configuration of a host chain and a relayer, with the
// version of its interface.
func networkOf(info api.Info, node, relayer string, version int) relayersdk.Config {
	return relayersdk.Config{
		ACL: info.Contracts.ACL.Hex(), KMSVerifier: info.Contracts.KMSVerifier.Hex(), InputVerifier: info.Contracts.InputVerifier.Hex(),
		Decryption: info.Gateway.Decryption.Hex(), InputVerification: info.Gateway.InputVerification.Hex(),
		ChainID: info.ChainID, GatewayChainID: info.Gateway.ChainID, Network: node,
		Relayer: fmt.Sprintf("%s/v%d", relayer, version), Version: version,
	}
}

// keyServer is as much of a relayer as encryption needs: it serves key and CRS, and
// hands inputs to the coprocessor.
func keyServer(t *testing.T, public, crs []byte, coprocessor string) string {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	file := func(name string, data []byte) map[string]any {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) })
		return map[string]any{"dataId": name, "urls": []string{server.URL + "/" + name}}
	}
	write := func(w http.ResponseWriter, code int, body any) {
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(body)
	}
	urls := map[string]any{"fheKeyInfo": []any{map[string]any{"fhePublicKey": file("key", public)}}, "crs": map[string]any{"2048": file("crs", crs)}}
	mux.HandleFunc("GET /v2/keyurl", func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, map[string]any{"status": "succeeded", "response": urls})
	})
	var result json.RawMessage
	mux.HandleFunc("POST /v2/input-proof", func(w http.ResponseWriter, r *http.Request) {
		answer, err := http.Post(coprocessor+"/input-proof", "application/json", r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer answer.Body.Close()
		result, _ = io.ReadAll(answer.Body)
		write(w, http.StatusAccepted, map[string]any{"status": "queued", "requestId": "1", "result": map[string]any{"jobId": "1"}})
	})
	mux.HandleFunc("GET /v2/input-proof/1", func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, map[string]any{"status": "succeeded", "requestId": "1", "result": result})
	})
	return server.URL
}

func TestClientLibraryEncryptsForTheDAppUnderAKeyMadeInGo(t *testing.T) {
	ctx, crs := needLibrary(t, 10*time.Minute)
	k, err := clientkey.Generate(rand.Reader, tfhe.Production())
	require.NoError(t, err)
	pk, err := clientkey.PublicKey(rand.Reader, k)
	require.NoError(t, err)
	public, err := pk.MarshalRelease(tfhe.Release1_4)
	require.NoError(t, err)
	params, err := os.ReadFile(crs.Path)
	require.NoError(t, err)

	artifacts, err := hostchain.BuildArtifacts()
	require.NoError(t, err)
	chain, err := hostchain.New(hostchain.Config{Artifacts: artifacts})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, chain.Close()) })
	handler, stop, err := chain.Handler(nil)
	require.NoError(t, err)
	t.Cleanup(stop)
	host := httptest.NewServer(handler)
	t.Cleanup(host.Close)
	c, err := client.Dial(ctx, host.URL)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	alice, err := client.NewAccount()
	require.NoError(t, err)
	require.NoError(t, c.Fund(ctx, alice.Address(), nil))

	session, err := relayersdk.Open(ctx, networkOf(c.Info(), host.URL, keyServer(t, public, params, host.URL+api.PathCoprocessor), 2))
	require.NoError(t, err)
	t.Cleanup(session.Close)
	list := []relayersdk.Value{
		{Type: fhevm.Uint64, Value: big.NewInt(0x0123456789abcdef)}, {Type: fhevm.Uint8, Value: big.NewInt(200)},
		{Type: fhevm.Uint160, Value: new(big.Int).SetBytes(bytes.Repeat([]byte{0xab}, 20))}, {Type: fhevm.Bool, Value: big.NewInt(1)},
	}
	input, took, err := session.Encrypt(chain.Disclosure(), alice.Address(), list...)
	require.NoError(t, err)
	t.Logf("connected in %s, encrypted, proved and handed over in %s", session.Opened(), took)
	_, err = c.Keep(ctx, alice, input.Handles, input.Proof)
	require.NoError(t, err)
	for i, h := range input.Handles {
		require.Equal(t, list[i].Type, h.Type())
		digest, err := c.Eth().StorageAt(ctx, chain.Registry(), fhevm.RegistrySlot(h), nil)
		require.NoError(t, err)
		response, err := http.Get(host.URL + api.PathCiphertexts + "/" + hex.EncodeToString(digest))
		require.NoError(t, err)
		data, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		ciphertext, err := tfhe.Decode(data, tfhe.Type(h.Type()), tfhe.Production())
		require.NoError(t, err)
		value, err := clientkey.Decrypt(k, ciphertext)
		require.NoError(t, err)
		require.Equal(t, list[i].Value, value)
	}
}
