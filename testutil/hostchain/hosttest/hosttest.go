// Package hosttest is a running host chain for tests of what speaks to one: the real
// EVM with the unmodified contracts behind an HTTP address, a dApp user who has funds,
// the chain's record as TKMS would have it, and nodes that lie.
package hosttest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/hostchain"
	"github.com/tkms-network/tkms/testutil/hostchain/client"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	"github.com/tkms-network/tkms/x/acl/slots"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/handles"
)

// lifetime bounds a test that uses a host chain.
const lifetime = 2 * time.Minute

// Host is a running host chain. Its methods fail the test on any error.
type Host struct {
	*testing.T
	Context context.Context
	Chain   *hostchain.Chain
	// URL is that of the JSON-RPC node, which says the truth.
	URL    string
	Client *client.Client
	Alice  *client.Account
	// Record is the chain's on TKMS.
	Record *acltypes.HostChain
	// KMS are the keys of four signers, of whom the verifier contract wants three.
	KMS []*ecdsa.PrivateKey
}

// New starts a host chain that stops with the test. The test is skipped if the
// contracts can neither be found nor built.
func New(t *testing.T) *Host {
	t.Helper()
	artifacts, err := hostchain.BuildArtifacts()
	if err != nil {
		t.Skipf("contract artifacts are missing and could not be built: %v", err)
	}
	h := &Host{T: t}
	var signers []common.Address
	for range 4 {
		key, err := crypto.GenerateKey()
		require.NoError(t, err)
		h.KMS = append(h.KMS, key)
		signers = append(signers, crypto.PubkeyToAddress(key.PublicKey))
	}
	h.Chain, err = hostchain.New(hostchain.Config{Artifacts: artifacts, KMSSigners: signers, KMSThreshold: 3})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Chain.Close()) })
	handler, stop, err := h.Chain.Handler(nil)
	require.NoError(t, err)
	t.Cleanup(stop)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	h.URL = server.URL
	ctx, cancel := context.WithTimeout(context.Background(), lifetime)
	t.Cleanup(cancel)
	h.Context = ctx
	h.Client, err = client.Dial(ctx, h.URL)
	require.NoError(t, err)
	t.Cleanup(h.Client.Close)
	h.Alice = h.Account()
	h.Record = h.record()
	return h
}

// Account returns a new account that has funds.
func (h *Host) Account() *client.Account {
	h.Helper()
	account, err := client.NewAccount()
	require.NoError(h, err)
	require.NoError(h, h.Client.Fund(h.Context, account.Address(), nil))
	return account
}

func (h *Host) record() *acltypes.HostChain {
	h.Helper()
	info := h.Client.Info()
	code := func(a common.Address) []byte {
		raw, err := h.Client.Eth().CodeAt(h.Context, a, nil)
		require.NoError(h, err)
		return crypto.Keccak256(raw)
	}
	record := &acltypes.HostChain{
		Id: info.ChainID, HeaderKind: acltypes.HEADER_KIND_QBFT, AclLayout: slots.LayoutFhevm010,
		Acl:          acltypes.Contract{Address: info.Contracts.ACL[:], CodeHash: code(info.Contracts.ACL)},
		Registry:     acltypes.Contract{Address: info.Contracts.Registry[:], CodeHash: code(info.Contracts.Registry)},
		RegistrySlot: info.Slots.RegistryBase[:],
		Verifier:     &acltypes.Contract{Address: info.Contracts.KMSVerifier[:], CodeHash: code(info.Contracts.KMSVerifier)}, VerifierLayout: slots.LayoutFhevm010,
		Limits:    acltypes.Limits{MaxHandlesPerRequest: 256},
		Freshness: acltypes.Freshness{MaxAgeSeconds: 60, MaxAheadSeconds: 5, DelegationMaxAgeSeconds: 10},
	}
	for _, v := range info.Validators {
		record.Validators = append(record.Validators, v[:])
	}
	return record
}

// DApp is the address of the disclosing dApp.
func (h *Host) DApp() common.Address { return h.Client.Info().Contracts.Disclosure }

// Submit gives the dApp an 8-bit value of Alice's, and has it disclosed if asked.
func (h *Host) Submit(ciphertext string, disclose bool) handles.Handle {
	h.Helper()
	input, err := h.Client.SubmitCiphertext(h.Context, common.Address{}, h.Alice.Address(), fhevm.Uint8, []byte(ciphertext))
	require.NoError(h, err)
	_, err = h.Client.Submit(h.Context, h.Alice, input.Handle, input.InputProof)
	require.NoError(h, err)
	if disclose {
		h.Disclose(handles.Handle(input.Handle))
	}
	return handles.Handle(input.Handle)
}

// Disclose makes a value of Alice's publicly decryptable.
func (h *Host) Disclose(handle handles.Handle) {
	h.Helper()
	_, err := h.Client.MakePubliclyDecryptable(h.Context, h.Alice, fhevm.Handle(handle))
	require.NoError(h, err)
}

// Proxy returns the address of a node that answers a request as the chain's does, but
// for what change makes of it. A nil answer is never given: the caller waits.
func (h *Host) Proxy(change func(request, answer []byte) []byte) string {
	h.Helper()
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		response, err := http.Post(h.URL, "application/json", bytes.NewReader(request))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer response.Body.Close() //nolint:errcheck // read to the end
		answer, err := io.ReadAll(response.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		if answer = change(request, answer); answer == nil {
			select {
			case <-r.Context().Done():
			case <-stop:
			}
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	}))
	h.Cleanup(func() { close(stop); server.Close() })
	return server.URL
}
