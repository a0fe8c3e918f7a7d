package api_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/access"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/api"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/handover"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/keys"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/store"
	"github.com/tkms-network/tkms/x/kms/handles"
	"github.com/tkms-network/tkms/x/kms/material"
)

const hostChain = 31337

// jobList is jobs that a test wrote down.
type jobList struct {
	known    map[string]*jobs.Job
	batch    []handles.Handle
	contract *common.Address
	user     *jobs.UserRequest
	input    *jobs.Input
	err      error
	// waited is called by Wait for a job under way.
	waited func(context.Context)
}

// taken answers with the job that a test wrote down as "job-1", or with one under way.
func (l *jobList) taken() (*jobs.Job, error) {
	if l.err != nil {
		return nil, l.err
	}
	if job := l.known["job-1"]; job != nil {
		return job, nil
	}
	return &jobs.Job{ID: "job-1", State: jobs.Working}, nil
}

func (l *jobList) Submit(batch []handles.Handle, contract *common.Address) (*jobs.Job, error) {
	l.batch, l.contract = batch, contract
	return l.taken()
}

func (l *jobList) SubmitUser(_ context.Context, batch []handles.Handle, request *jobs.UserRequest) (*jobs.Job, error) {
	l.batch, l.user = batch, request
	return l.taken()
}

func (l *jobList) SubmitInput(input *jobs.Input) (*jobs.Job, error) {
	l.input = input
	return l.taken()
}

func (l *jobList) Wait(ctx context.Context, id string) (*jobs.Job, error) {
	job := l.known[id]
	if job == nil {
		return nil, jobs.ErrNotFound
	}
	if job.State == jobs.Working && l.waited != nil {
		l.waited(ctx)
	}
	return job, nil
}

type publicKey struct{ err error }

func (p publicKey) Current(context.Context) (keys.Current, error) {
	return keys.Current{KeyID: "0102", Digest: "aabb", Files: []material.File{serverKeyFile}}, p.err
}

// serverKeyBytes are a file beside the public key.
var (
	serverKeyBytes = bytes.Repeat([]byte("row "), 100_000)
	serverKeyFile  = material.File{Kind: "CompressedServerKey", Digest: material.DigestOf(serverKeyBytes), Size: int64(len(serverKeyBytes))}
)

func (p publicKey) File(_ context.Context, digest string) (*os.File, error) {
	if p.err != nil || digest != serverKeyFile.Digest.String() {
		return nil, errors.Join(p.err, keys.ErrUnknown)
	}
	file, err := os.CreateTemp("", "server-key")
	if err != nil {
		return nil, err
	}
	_, err = file.Write(serverKeyBytes)
	return file, errors.Join(err, os.Remove(file.Name()))
}

func (p publicKey) Bytes(_ context.Context, digest string) ([]byte, error) {
	if digest != "aabb" {
		return nil, keys.ErrUnknown
	}
	return []byte("key"), p.err
}

func (p publicKey) ClientBytes(ctx context.Context, digest string) ([]byte, error) {
	data, err := p.Bytes(ctx, digest)
	return append([]byte("client's "), data...), err
}

// bench is a server with its doubles.
type bench struct {
	*testing.T
	url    string
	jobs   *jobList
	health api.Health
	keyErr error
	// fileErr is of files beside the public key.
	fileErr error
	crs     *keys.CRS
	refuse  error // by the gate
	due     *handover.Handover
	server  *api.Server
}

// Admit implements api.Gate.
func (b *bench) Admit(*http.Request) error { return b.refuse }

// open makes the server anew, after a change of what it is configured with.
func (b *bench) open(ciphertexts *store.Store) {
	registry := prometheus.NewRegistry()
	b.server = api.New(api.Config{
		Handover:    func() *handover.Handover { return b.due },
		HostChainID: hostChain, PublicURL: "https://relayer.example", Store: ciphertexts, Jobs: b.jobs, Keys: lateKey{b}, CRS: b.crs, Gate: b,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Metrics: api.NewMetrics(registry),
		Scrape: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), Health: func(context.Context) api.Health { return b.health },
	})
}

func setUp(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, jobs: &jobList{known: map[string]*jobs.Job{}}, health: api.Health{Status: "ok"}}
	ciphertexts, err := store.Open(t.TempDir(), store.Limits{Object: 16, Total: 40})
	require.NoError(t, err)
	t.Cleanup(func() { ciphertexts.Close() })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.server.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	b.url = server.URL
	b.crs = &keys.CRS{Kind: keys.SinglePartyCRS, Digest: "ccdd", Bytes: []byte("a reference string")}
	b.open(ciphertexts)
	return b
}

// lateKey looks up at each call whether the key is there.
type lateKey struct{ b *bench }

func (k lateKey) Current(ctx context.Context) (keys.Current, error) {
	return publicKey{k.b.keyErr}.Current(ctx)
}

func (k lateKey) File(ctx context.Context, digest string) (*os.File, error) {
	if k.b.fileErr != nil {
		return nil, k.b.fileErr
	}
	return publicKey{k.b.keyErr}.File(ctx, digest)
}

func (k lateKey) Bytes(ctx context.Context, digest string) ([]byte, error) {
	return publicKey{k.b.keyErr}.Bytes(ctx, digest)
}

func (k lateKey) ClientBytes(ctx context.Context, digest string) ([]byte, error) {
	return publicKey{k.b.keyErr}.ClientBytes(ctx, digest)
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

func TestKeyAndCRSAreNamedAndServed(t *testing.T) {
	b := setUp(t)
	code, body, _ := b.call(http.MethodGet, "/v2/keyurl", "")
	require.Equal(t, http.StatusOK, code)
	require.JSONEq(t, `{"status":"succeeded","response":{
		"fheKeyInfo":[{"fhePublicKey":{"dataId":"0x0102","urls":["https://relayer.example/v1/keys/aabb?tfhe=1.4","https://relayer.example/v1/keys/aabb"]}}],
		"crs":{"2048":{"dataId":"0xccdd","urls":["https://relayer.example/v1/crs/ccdd"],"kind":"single-party-crs"}},
		"serverKeys":[{"dataId":"0x`+serverKeyFile.Digest.String()+`","urls":["https://relayer.example/v1/keys/`+serverKeyFile.Digest.String()+`"],
			"kind":"CompressedServerKey","size":400000}]}}`, body)
	code, body, _ = b.call(http.MethodGet, "/v1/keyurl", "")
	require.Equal(t, http.StatusOK, code)
	require.JSONEq(t, `{"response":{
		"fhe_key_info":[{"fhe_public_key":{"data_id":"0x0102","urls":["https://relayer.example/v1/keys/aabb?tfhe=1.4","https://relayer.example/v1/keys/aabb"]}}],
		"crs":{"2048":{"data_id":"0xccdd","urls":["https://relayer.example/v1/crs/ccdd"],"kind":"single-party-crs"}}}}`, body)
	for path, content := range map[string]string{"/v1/keys/aabb": "key", "/v1/keys/aabb?tfhe=1.4": "client's key", "/v1/crs/ccdd": "a reference string"} {
		code, body, header := b.call(http.MethodGet, path, "")
		require.Equal(t, http.StatusOK, code)
		require.Equal(t, content, body)
		require.Contains(t, header.Get("Cache-Control"), "immutable")
		require.Equal(t, "bytes", header.Get("Accept-Ranges"))
	}
	for _, path := range []string{"/v1/keys/ccdd", "/v1/keys/ccdd?tfhe=1.4", "/v1/crs/aabb"} {
		code, body, _ = b.call(http.MethodGet, path, "")
		require.Equal(t, http.StatusNotFound, code)
		require.Equal(t, api.LabelNotFound, b.label(body))
	}
	b.keyErr = keys.ErrNoKey
	for _, path := range []string{"/v2/keyurl", "/v1/keyurl", "/v1/keys/aabb"} {
		code, body, _ = b.call(http.MethodGet, path, "")
		require.Equal(t, http.StatusServiceUnavailable, code)
		require.Equal(t, api.LabelUnavailable, b.label(body))
	}
}

func TestTheFilesBesideThePublicKeyAreServedInParts(t *testing.T) {
	b := setUp(t)
	path := "/v1/keys/" + serverKeyFile.Digest.String()
	code, body, header := b.call(http.MethodGet, path, "")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, string(serverKeyBytes), body)
	require.Contains(t, header.Get("Cache-Control"), "immutable")
	request, err := http.NewRequest(http.MethodGet, b.url+path, nil)
	require.NoError(t, err)
	request.Header.Set("Range", "bytes=399996-")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusPartialContent, response.StatusCode)
	tail, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, "row ", string(tail))

	code, _, _ = b.call(http.MethodGet, path+"?tfhe=1.4", "")
	require.Equal(t, http.StatusNotFound, code, "only the public key has other tags")
	b.fileErr = keys.ErrFetching
	code, body, header = b.call(http.MethodGet, path, "")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, api.LabelUnavailable, b.label(body))
	require.Equal(t, "5", header.Get("Retry-After"))
	b.fileErr = keys.ErrUnavailable
	code, _, header = b.call(http.MethodGet, path, "")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Empty(t, header.Get("Retry-After"))
}

func TestWithoutACRSNoneIsNamed(t *testing.T) {
	b := setUp(t)
	b.crs = nil
	b.open(nil)
	_, body, _ := b.call(http.MethodGet, "/v2/keyurl", "")
	require.Contains(t, body, `"crs":{}`)
	code, _, _ := b.call(http.MethodGet, "/v1/crs/ccdd", "")
	require.Equal(t, http.StatusNotFound, code)
}

func TestAPartOfAnObjectMayBeAskedFor(t *testing.T) {
	b := setUp(t)
	request, err := http.NewRequest(http.MethodGet, b.url+"/v1/crs/ccdd", nil)
	require.NoError(t, err)
	request.Header.Set("Range", "bytes=2-10")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusPartialContent, response.StatusCode)
	require.Equal(t, "reference", string(raw))
}

func TestCallsThatCostSomethingPassTheGate(t *testing.T) {
	b := setUp(t)
	costly := map[string]string{
		"/v1/ciphertexts": http.MethodPost, "/v1/ciphertexts/" + strings.Repeat("0", 64): http.MethodPut,
		"/v2/public-decrypt": http.MethodPost, "/v2/user-decrypt": http.MethodPost, "/v2/delegated-user-decrypt": http.MethodPost, "/v2/input-proof": http.MethodPost,
		"/v1/public-decrypt": http.MethodPost, "/v1/user-decrypt": http.MethodPost, "/v1/delegated-user-decrypt": http.MethodPost, "/v1/input-proof": http.MethodPost,
	}
	for path, method := range costly {
		b.refuse = &access.Limited{After: 1200 * time.Millisecond}
		code, body, header := b.call(method, path, "{}")
		require.Equal(t, http.StatusTooManyRequests, code, path)
		require.Equal(t, api.LabelRateLimited, b.label(body))
		require.Equal(t, "2", header.Get("Retry-After"))
		for _, err := range []error{access.ErrNoKey, access.ErrUnknownKey} {
			b.refuse = err
			code, body, _ = b.call(method, path, "{}")
			require.Equal(t, http.StatusUnauthorized, code, path)
			require.Equal(t, api.LabelUnauthorized, b.label(body))
		}
	}
	for _, path := range []string{"/v2/keyurl", "/v1/crs/ccdd", "/health", "/openapi.json", "/metrics"} {
		code, _, _ := b.call(http.MethodGet, path, "")
		require.Equal(t, http.StatusOK, code, path)
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
	require.Contains(t, header.Get("Access-Control-Allow-Headers"), "Authorization")
	require.Equal(t, "Retry-After", header.Get("Access-Control-Expose-Headers"), "clients wait as long as it says")
	code, body, _ := b.call(http.MethodGet, "/nowhere", "")
	require.Equal(t, http.StatusNotFound, code)
	require.Equal(t, api.LabelNotFound, b.label(body))
}

func TestWhatTheHostChainsOwnerHasToDoIsServedWhileItIsDue(t *testing.T) {
	b := setUp(t)
	d := b.document()
	check := func(want int) {
		t.Helper()
		code, text, _ := b.call(http.MethodGet, "/v1/handover", "")
		require.Equal(t, want, code)
		var value any
		require.NoError(t, json.Unmarshal([]byte(text), &value))
		schema := d.Paths["/v1/handover"]["get"].Responses[strconv.Itoa(code)].Content["application/json"].Schema
		require.Empty(t, d.mismatch(schema, value, "handover"), text)
	}
	check(http.StatusNotFound)
	signers := []common.Address{{1}, {2}}
	b.due = &handover.Handover{
		Network: "tkms", HostChainID: 31337, Serving: 1, Epoch: 2, Signers: signers, Threshold: 1,
		Call: handover.Call{To: common.Address{3}, Method: "m()", Data: []byte{1}},
		Steps: []handover.Step{{Epoch: 2, Signers: signers, Threshold: 1, By: 1, Needed: 1, Vouchers: []handover.Voucher{
			{Index: 1, Signer: common.Address{4}, Signature: make([]byte, 65)},
		}}},
	}
	check(http.StatusOK)
}
