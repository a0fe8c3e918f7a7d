package hostchain

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/hostchain/api"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

// ClientVersion answers web3_clientVersion.
const ClientVersion = "tkms-hostchain/simulated-validator-network"

type netAPI struct{ c *Chain }

// Version implements net_version.
func (n netAPI) Version() string { return fmt.Sprint(n.c.config.ChainID) }

// Listening implements net_listening.
func (netAPI) Listening() bool { return true }

// PeerCount implements net_peerCount: there is no network.
func (netAPI) PeerCount() hexutil.Uint { return 0 }

type web3API struct{}

// ClientVersion implements web3_clientVersion.
func (web3API) ClientVersion() string { return ClientVersion }

// Sha3 implements web3_sha3.
func (web3API) Sha3(input hexutil.Bytes) hexutil.Bytes {
	return fhevm.CiphertextDigest(input).Bytes()
}

// Handler serves the chain over HTTP: JSON-RPC at the root (websocket too), the coprocessor, the
// harness and the health endpoint. close releases it.
func (c *Chain) Handler(corsOrigins []string) (handler http.Handler, close func(), err error) {
	server := rpc.NewServer()
	logs := filters.NewFilterAPI(filters.NewFilterSystem(backend{c}, filters.Config{}))
	for _, service := range []struct {
		namespace string
		api       any
	}{
		{"eth", newEthAPI(c)},
		{"eth", logs},
		{"net", netAPI{c}},
		{"web3", web3API{}},
		{api.Namespace, harnessAPI{c}},
	} {
		if err := server.RegisterName(service.namespace, service.api); err != nil {
			server.Stop()
			return nil, nil, fmt.Errorf("hostchain: register %s: %w", service.namespace, err)
		}
	}
	// Virtual hosts are not restricted: the harness has no secrets to protect from DNS rebinding.
	rpcHandler := node.NewHTTPHandlerStack(server, corsOrigins, []string{"*"}, nil, false)
	sockets := server.WebsocketHandler(corsOrigins)
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			sockets.ServeHTTP(w, r)
			return
		}
		rpcHandler.ServeHTTP(w, r)
	})
	mux.HandleFunc("GET "+api.PathHealth, c.serveHealth)
	mux.HandleFunc("POST "+api.PathInput, c.serveInput)
	mux.HandleFunc("POST "+api.PathInputProof, c.serveInputProof)
	mux.HandleFunc("GET "+api.PathCiphertexts+"/{digest}", c.serveCiphertext)
	mux.HandleFunc("POST "+api.PathKMSContext, c.serveKMSContext)
	return mux, server.Stop, nil
}

func (c *Chain) serveHealth(w http.ResponseWriter, _ *http.Request) {
	head := c.head()
	health := api.Health{
		Status:       "ok",
		Block:        head.Number.Uint64(),
		BlockTime:    head.Time,
		SealFailures: c.sealFailures.Load(),
		Simulated:    simulated,
	}
	code := http.StatusOK
	patience := 10*c.config.BlockPeriod + 5*time.Second
	if c.config.BlockPeriod > 0 && c.config.Now().Sub(time.Unix(int64(head.Time), 0)) > patience {
		health.Status, code = "stalled", http.StatusServiceUnavailable
	}
	writeJSON(w, code, health)
}

// serveInput takes an encrypted input, either as JSON (api.InputRequest) or, with another content
// type, as raw ciphertext bytes with contractAddress, userAddress and type in the query.
func (c *Chain) serveInput(w http.ResponseWriter, r *http.Request) {
	// Base64 makes four bytes of three.
	r.Body = http.MaxBytesReader(w, r.Body, MaxCiphertext/3*4+4096)
	input, err := readInput(r)
	if err != nil {
		writeError(w, err)
		return
	}
	signed, err := c.coprocessor.Submit(r.Context(), *input)
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, api.InputResponse{
		Handle:     signed.Handle,
		InputProof: signed.Proof,
		Digest:     signed.Digest,
		Block:      hexutil.Uint64(signed.Block),
		Simulated:  true,
	})
}

func readInput(r *http.Request) (*Input, error) {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		var request api.InputRequest
		if err := readJSON(r.Body, &request); err != nil {
			return nil, err
		}
		t, err := fhevm.ParseType(request.Type)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInput, err)
		}
		return &Input{Contract: request.ContractAddress, User: request.UserAddress, Type: t, Ciphertext: request.Ciphertext}, nil
	}
	query := r.URL.Query()
	input := new(Input)
	for name, into := range map[string]*common.Address{"contractAddress": &input.Contract, "userAddress": &input.User} {
		if !common.IsHexAddress(query.Get(name)) {
			return nil, fmt.Errorf("%w: %s is no address", ErrInput, name)
		}
		*into = common.HexToAddress(query.Get(name))
	}
	var err error
	if input.Type, err = fhevm.ParseType(query.Get("type")); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInput, err)
	}
	if input.Ciphertext, err = io.ReadAll(r.Body); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInput, err)
	}
	return input, nil
}

func (c *Chain) serveKMSContext(w http.ResponseWriter, r *http.Request) {
	var set api.SignerSet
	if err := readJSON(http.MaxBytesReader(w, r.Body, 1<<16), &set); err != nil {
		writeError(w, err)
		return
	}
	if err := c.SetKMSContext(r.Context(), set.Signers, set.Threshold); err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, set)
}

func readJSON(body io.Reader, into any) error {
	decoder := json.NewDecoder(body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", ErrInput, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: more than one JSON value", ErrInput)
	}
	return nil
}

func writeJSON(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// A failure here is the client's connection; there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(body)
}

func writeError(w http.ResponseWriter, err error) {
	code, body := http.StatusInternalServerError, api.ErrorBody{Error: err.Error()}
	var revert *fhevm.Revert
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		code = http.StatusRequestEntityTooLarge
	case errors.Is(err, ErrInput):
		code = http.StatusBadRequest
	case errors.Is(err, tfhe.ErrSplit):
		code, body.Hint = http.StatusUnprocessableEntity, "a simulated coprocessor bootstraps nothing: give an ebool last, or alone"
	case errors.Is(err, ErrRebinding):
		code, body.Hint = http.StatusConflict, "encrypt the value again: a ciphertext belongs to one handle, user and contract for ever"
	case errors.As(err, &revert):
		code = http.StatusUnprocessableEntity
	case errors.Is(err, ErrNoCiphertext):
		code = http.StatusNotFound
	case errors.Is(err, ErrClosed):
		code = http.StatusServiceUnavailable
	}
	writeJSON(w, code, body)
}
