package api_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/api"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/keys"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/store"
	"github.com/tkms-network/tkms/x/kms/handles"
)

const hostChain = 31337

// jobList is jobs that a test wrote down.
type jobList struct {
	known    map[string]*jobs.Job
	batch    []handles.Handle
	contract *common.Address
	err      error
}

func (l *jobList) Submit(batch []handles.Handle, contract *common.Address) (*jobs.Job, error) {
	l.batch, l.contract = batch, contract
	if l.err != nil {
		return nil, l.err
	}
	return &jobs.Job{ID: "job-1", State: jobs.Working}, nil
}

func (l *jobList) Get(id string) (*jobs.Job, error) {
	if job := l.known[id]; job != nil {
		return job, nil
	}
	return nil, jobs.ErrNotFound
}

type publicKey struct{ err error }

func (p publicKey) Current(context.Context) (keys.Current, error) {
	return keys.Current{KeyID: "0102", Digest: "aabb"}, p.err
}

func (p publicKey) Bytes(_ context.Context, digest string) ([]byte, error) {
	if digest != "aabb" {
		return nil, keys.ErrUnknown
	}
	return []byte("key"), p.err
}

// bench is a server with its doubles.
type bench struct {
	*testing.T
	url    string
	jobs   *jobList
	health api.Health
	keyErr error
}

func setUp(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, jobs: &jobList{known: map[string]*jobs.Job{}}, health: api.Health{Status: "ok"}}
	ciphertexts, err := store.Open(t.TempDir(), store.Limits{Object: 16, Total: 40})
	require.NoError(t, err)
	t.Cleanup(func() { ciphertexts.Close() })
	registry := prometheus.NewRegistry()
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	b.url = server.URL
	handler = api.New(api.Config{
		HostChainID: hostChain, PublicURL: "https://relayer.example", Store: ciphertexts, Jobs: b.jobs, Keys: lateKey{b},
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Metrics: api.NewMetrics(registry),
		Scrape: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), Health: func(context.Context) api.Health { return b.health },
	})
	return b
}

// lateKey looks up at each call whether the key is there.
type lateKey struct{ b *bench }

func (k lateKey) Current(ctx context.Context) (keys.Current, error) {
	return publicKey{k.b.keyErr}.Current(ctx)
}

func (k lateKey) Bytes(ctx context.Context, digest string) ([]byte, error) {
	return publicKey{k.b.keyErr}.Bytes(ctx, digest)
}

// call returns status, body and headers of an answer.
func (b *bench) call(method, path, body string) (int, string, http.Header) {
	b.Helper()
	request, err := http.NewRequest(method, b.url+path, strings.NewReader(body))
	require.NoError(b, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(b, err)
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	require.NoError(b, err)
	return response.StatusCode, string(raw), response.Header
}

// label is the label of a refusal.
func (b *bench) label(body string) string {
	b.Helper()
	var failure api.Failure
	require.NoError(b, json.Unmarshal([]byte(body), &failure), body)
	require.Equal(b, "failed", failure.Status)
	require.NotEmpty(b, failure.Error.Message)
	return failure.Error.Label
}

func handleText(seed byte) string {
	return "0x" + strings.Repeat(hex.EncodeToString([]byte{seed}), 22) + "0000000000007a69" + "0200"
}

func TestCiphertextsAreStoredAndServedByDigest(t *testing.T) {
	b := setUp(t)
	digest := hex.EncodeToString(crypto.Keccak256([]byte("hello")))
	code, body, _ := b.call(http.MethodPost, "/v1/ciphertexts", "hello")
	require.Equal(t, http.StatusCreated, code)
	require.JSONEq(t, `{"digest":"`+digest+`","bytes":5}`, body)
	code, _, _ = b.call(http.MethodPut, "/v1/ciphertexts/"+digest, "hello")
	require.Equal(t, http.StatusCreated, code)
	code, body, header := b.call(http.MethodGet, "/v1/ciphertexts/"+digest, "")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "hello", body)
	require.Equal(t, "application/octet-stream", header.Get("Content-Type"))
	require.Contains(t, header.Get("Cache-Control"), "immutable")
}

func TestCiphertextsThatAreRefusedHaveALabel(t *testing.T) {
	b := setUp(t)
	digest := strings.Repeat("0", 64)
	for name, c := range map[string]struct {
		method, path, body string
		code               int
		label              string
	}{
		"other bytes than announced": {http.MethodPut, "/v1/ciphertexts/" + digest, "hello", 400, api.LabelDigest},
		"no digest":                  {http.MethodPut, "/v1/ciphertexts/xyz", "hello", 400, api.LabelValidation},
		"nothing":                    {http.MethodPost, "/v1/ciphertexts", "", 400, api.LabelValidation},
		"too large":                  {http.MethodPost, "/v1/ciphertexts", strings.Repeat("x", 17), 413, api.LabelTooLarge},
		"not stored":                 {http.MethodGet, "/v1/ciphertexts/" + digest, "", 404, api.LabelNotFound},
		"get no digest":              {http.MethodGet, "/v1/ciphertexts/..%2f..%2fkey", "", 400, api.LabelValidation},
	} {
		t.Run(name, func(t *testing.T) {
			code, body, _ := b.call(c.method, c.path, c.body)
			require.Equal(t, c.code, code)
			require.Equal(t, c.label, b.label(body))
		})
	}
	for _, body := range []string{"aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"} {
		code, _, _ := b.call(http.MethodPost, "/v1/ciphertexts", body)
		require.Equal(t, http.StatusCreated, code)
	}
	code, body, _ := b.call(http.MethodPost, "/v1/ciphertexts", "cccccccccccccccc")
	require.Equal(t, http.StatusInsufficientStorage, code)
	require.Equal(t, api.LabelStoreFull, b.label(body))
}

func TestAnUploadOfUnknownLengthIsBounded(t *testing.T) {
	b := setUp(t)
	// A reader of no known type is sent in chunks, without Content-Length.
	request, err := http.NewRequest(http.MethodPost, b.url+"/v1/ciphertexts", io.MultiReader(strings.NewReader(strings.Repeat("x", 17))))
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
}

func TestADecryptionIsTakenAsAJob(t *testing.T) {
	b := setUp(t)
	code, body, header := b.call(http.MethodPost, "/v2/public-decrypt",
		`{"ciphertextHandles":["`+handleText(1)+`","`+handleText(2)+`"],"extraData":"0x00","somethingNew":1}`)
	require.Equal(t, http.StatusAccepted, code)
	require.JSONEq(t, `{"status":"queued","requestId":"job-1","result":{"jobId":"job-1"}}`, body)
	require.Equal(t, "1", header.Get("Retry-After"))
	require.Len(t, b.jobs.batch, 2)
	require.Nil(t, b.jobs.contract)

	code, _, _ = b.call(http.MethodPost, "/v2/public-decrypt",
		`{"ciphertextHandles":["`+handleText(1)+`"],"extraData":"0x00","callback":{"address":"0x00000000000000000000000000000000000000da"}}`)
	require.Equal(t, http.StatusAccepted, code)
	require.Equal(t, common.HexToAddress("0xda"), *b.jobs.contract)
}

func TestDecryptionsThatAreNoneAreRefused(t *testing.T) {
	b := setUp(t)
	good := `"ciphertextHandles":["` + handleText(1) + `"]`
	for name, c := range map[string]struct{ body, label string }{
		"no JSON":             {`{`, api.LabelMalformed},
		"another form":        {`{"ciphertextHandles":"0x"}`, api.LabelMalformed},
		"no handle":           {`{"ciphertextHandles":[],"extraData":"0x00"}`, api.LabelValidation},
		"a short handle":      {`{"ciphertextHandles":["0x00"],"extraData":"0x00"}`, api.LabelValidation},
		"a handle without 0x": {`{"ciphertextHandles":["` + handleText(1)[2:] + `"],"extraData":"0x00"}`, api.LabelValidation},
		"another chain":       {`{"ciphertextHandles":["` + strings.Replace(handleText(1), "7a69", "7a6a", 1) + `"],"extraData":"0x00"}`, api.LabelValidation},
		"a handle twice":      {`{"ciphertextHandles":["` + handleText(1) + `","` + handleText(1) + `"],"extraData":"0x00"}`, api.LabelValidation},
		"extra data":          {`{` + good + `,"extraData":"0x01"}`, api.LabelValidation},
		"no contract":         {`{` + good + `,"extraData":"0x00","callback":{"address":"0x01"}}`, api.LabelValidation},
		"too many handles":    {`{"ciphertextHandles":["` + strings.Repeat(`","`, 256) + `"],"extraData":"0x00"}`, api.LabelValidation},
	} {
		t.Run(name, func(t *testing.T) {
			code, body, _ := b.call(http.MethodPost, "/v2/public-decrypt", c.body)
			require.Equal(t, http.StatusBadRequest, code)
			require.Equal(t, c.label, b.label(body))
			require.Nil(t, b.jobs.batch)
		})
	}
	code, body, _ := b.call(http.MethodPost, "/v2/public-decrypt", `{"extraData":"`+strings.Repeat("0", 1<<20)+`"}`)
	require.Equal(t, http.StatusRequestEntityTooLarge, code)
	require.Equal(t, api.LabelTooLarge, b.label(body))
}

func TestJobsThatAreNotTakenSayWhy(t *testing.T) {
	for _, c := range []struct {
		err   error
		code  int
		label string
	}{
		{jobs.ErrBusy, 429, api.LabelRateLimited},
		{jobs.ErrNoCarrier, 400, api.LabelNotSupported},
		{jobs.ErrTooManyCarries, 400, api.LabelValidation},
		{jobs.ErrClosed, 503, api.LabelUnavailable},
		{io.ErrShortWrite, 500, api.LabelInternal},
	} {
		b := setUp(t)
		b.jobs.err = c.err
		code, body, _ := b.call(http.MethodPost, "/v2/public-decrypt", `{"ciphertextHandles":["`+handleText(1)+`"],"extraData":"0x00"}`)
		require.Equal(t, c.code, code)
		require.Equal(t, c.label, b.label(body))
		require.NotContains(t, body, io.ErrShortWrite.Error(), "what is inside stays inside")
	}
}

func TestAJobIsPresentedAsThePublishedClientsReadIt(t *testing.T) {
	b := setUp(t)
	contract := common.HexToAddress("0xda")
	b.jobs.known["working"] = &jobs.Job{ID: "working", State: jobs.Working}
	b.jobs.known["done"] = &jobs.Job{
		ID: "done", State: jobs.Succeeded,
		Result: &jobs.Result{
			RequestID: "ab", KeyID: "cd", Attempt: 1, Height: 9, Handles: []common.Hash{common.HexToHash(handleText(1))},
			Plaintext: []byte{0, 42}, Signatures: [][]byte{make([]byte, 65)}, Simulated: []string{"coprocessor"},
		},
		Carries: []jobs.Carry{{Contract: contract, State: jobs.CarrySucceeded, TxHash: common.Hash{1}, Block: 3}},
	}
	code, body, header := b.call(http.MethodGet, "/v2/public-decrypt/working", "")
	require.Equal(t, http.StatusAccepted, code)
	require.JSONEq(t, `{"status":"queued","requestId":"working"}`, body)
	require.Equal(t, "1", header.Get("Retry-After"))

	code, body, _ = b.call(http.MethodGet, "/v2/public-decrypt/done", "")
	require.Equal(t, http.StatusOK, code)
	var answer struct {
		Status, RequestID string
		Result            json.RawMessage
		TKMS              struct {
			CiphertextHandles []string
			DecryptionProof   string
			Simulated         []string
			Callbacks         []struct{ Address, State, TxHash string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	require.Equal(t, "succeeded", answer.Status)
	require.JSONEq(t, `{"signatures":["`+strings.Repeat("00", 65)+`"],"decryptedValue":"002a","extraData":"0x00"}`, string(answer.Result))
	require.Equal(t, []string{handleText(1)}, answer.TKMS.CiphertextHandles)
	require.Equal(t, "0x01"+strings.Repeat("00", 65), answer.TKMS.DecryptionProof)
	require.Equal(t, []string{"coprocessor"}, answer.TKMS.Simulated)
	require.Equal(t, "succeeded", answer.TKMS.Callbacks[0].State)

	code, body, _ = b.call(http.MethodGet, "/v2/public-decrypt/none", "")
	require.Equal(t, http.StatusNotFound, code)
	require.Equal(t, api.LabelNotFound, b.label(body))
}

func TestAFailedJobHasItsLabelAndStatus(t *testing.T) {
	b := setUp(t)
	for label, want := range map[string]int{
		jobs.LabelInvalid: 400, jobs.LabelRateLimited: 429, jobs.LabelNotReady: 503, jobs.LabelPaused: 503,
		jobs.LabelTimeout: 503, jobs.LabelRefused: 500, jobs.LabelHostHeaders: 500,
	} {
		b.jobs.known["x"] = &jobs.Job{ID: "x", State: jobs.Failed, Failure: &jobs.Failure{Label: label, Message: "why"}}
		code, body, _ := b.call(http.MethodGet, "/v2/public-decrypt/x", "")
		require.Equal(t, want, code, label)
		require.Equal(t, label, b.label(body))
	}
}

func TestTheKeyIsNamedAndServed(t *testing.T) {
	b := setUp(t)
	code, body, _ := b.call(http.MethodGet, "/v2/keyurl", "")
	require.Equal(t, http.StatusOK, code)
	require.JSONEq(t, `{"status":"succeeded","response":{"fheKeyInfo":[{"fhePublicKey":{"dataId":"0x0102","urls":["https://relayer.example/v1/keys/aabb"]}}],"crs":{}}}`, body)
	code, body, _ = b.call(http.MethodGet, "/v1/keys/aabb", "")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "key", body)
	code, body, _ = b.call(http.MethodGet, "/v1/keys/ccdd", "")
	require.Equal(t, http.StatusNotFound, code)
	require.Equal(t, api.LabelNotFound, b.label(body))
	b.keyErr = keys.ErrNoKey
	for _, path := range []string{"/v2/keyurl", "/v1/keys/aabb"} {
		code, body, _ = b.call(http.MethodGet, path, "")
		require.Equal(t, http.StatusServiceUnavailable, code)
		require.Equal(t, api.LabelUnavailable, b.label(body))
	}
}

func TestHealthAndMetricsAreServed(t *testing.T) {
	b := setUp(t)
	code, _, _ := b.call(http.MethodGet, "/health", "")
	require.Equal(t, http.StatusOK, code)
	b.health.Status = "degraded"
	code, body, _ := b.call(http.MethodGet, "/health", "")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, body, "degraded")
	_, body, _ = b.call(http.MethodGet, "/metrics", "")
	require.Contains(t, body, `tkms_relayer_http_requests_total{code="503",route="GET /health"} 1`)
}

func TestBrowsersOnOtherOriginsMayCall(t *testing.T) {
	b := setUp(t)
	code, _, header := b.call(http.MethodOptions, "/v2/public-decrypt", "")
	require.Equal(t, http.StatusNoContent, code)
	require.Equal(t, "*", header.Get("Access-Control-Allow-Origin"))
	require.Contains(t, header.Get("Access-Control-Allow-Methods"), "POST")
	code, body, _ := b.call(http.MethodGet, "/nowhere", "")
	require.Equal(t, http.StatusNotFound, code)
	require.Equal(t, api.LabelNotFound, b.label(body))
}
