package api_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/api"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
)

// known are the labels that the published client (relayer-sdk 0.4.3) accepts with a
// status; any other answer is to it no answer at all.
var known = map[int][]string{
	400: {"malformed_json", "request_error", "not_ready_for_decryption", "not_allowed_on_host_acl", "missing_fields", "validation_failed"},
	404: {"not_found"},
	429: {"rate_limited", "protocol_overload"},
	500: {"internal_server_error"},
	503: {"protocol_paused", "insufficient_balance", "insufficient_allowance", "gateway_not_reachable", "readiness_check_timed_out", "response_timed_out"},
}

// understood requires that the published client understands a refusal. It knows 429
// for what it posts only.
func (b *bench) understood(method string, code int, body string) api.Failure {
	b.Helper()
	var failure api.Failure
	require.NoError(b, json.Unmarshal([]byte(body), &failure), body)
	require.Equal(b, "failed", failure.Status)
	require.Contains(b, known[code], failure.Error.Label, "%d %s", code, body)
	require.NotEmpty(b, failure.Error.Message)
	require.False(b, method == http.MethodGet && code == http.StatusTooManyRequests)
	if failure.Error.Label == "missing_fields" || failure.Error.Label == "validation_failed" {
		require.NotEmpty(b, failure.Error.Details)
		for _, detail := range failure.Error.Details {
			require.NotEmpty(b, detail.Field)
			require.NotEmpty(b, detail.Issue)
		}
	}
	return failure
}

func TestEveryFailureOfAJobIsUnderstoodByThePublishedClient(t *testing.T) {
	b := setUp(t)
	for _, reason := range append(api.Failures(), "something new") {
		b.jobs.known["x"] = &jobs.Job{ID: "x", Kind: jobs.UserDecrypt, State: jobs.Failed, Failure: &jobs.Failure{Reason: reason, Message: "why"}}
		code, body, _ := b.call(http.MethodGet, "/v2/user-decrypt/x", "")
		failure := b.understood(http.MethodGet, code, body)
		require.Equal(t, reason, failure.Error.Reason)
		require.Equal(t, "why", failure.Error.Message)
		require.Equal(t, "x", failure.RequestID)
	}
}

func TestWhatTheHostChainDoesNotAllowIsToldFromFaults(t *testing.T) {
	b := setUp(t)
	for reason, want := range map[string]struct {
		code  int
		label string
	}{
		jobs.ReasonOwnerNotAllowed: {400, api.LabelNotAllowed}, jobs.ReasonContractNotAllowed: {400, api.LabelNotAllowed},
		jobs.ReasonNoDelegation: {400, api.LabelNotAllowed}, jobs.ReasonDelegationExpired: {400, api.LabelNotAllowed},
		jobs.ReasonSignature: {400, api.LabelValidation}, jobs.ReasonNoLongerValid: {400, api.LabelValidation},
		jobs.ReasonNotReady: {400, api.LabelNotReady}, jobs.ReasonNoDigest: {503, api.LabelReadiness},
		jobs.ReasonTimeout: {503, api.LabelTimeout}, jobs.ReasonFunds: {503, api.LabelBalance},
		jobs.ReasonPaused: {503, api.LabelPaused}, jobs.ReasonRefused: {500, api.LabelInternal},
	} {
		b.jobs.known["x"] = &jobs.Job{ID: "x", Kind: jobs.UserDecrypt, State: jobs.Failed, Failure: &jobs.Failure{Reason: reason, Message: "why"}}
		code, body, _ := b.call(http.MethodGet, "/v2/user-decrypt/x", "")
		require.Equal(t, want.code, code, reason)
		require.Equal(t, want.label, b.label(body), reason)
	}
}

// bodies are good bodies by kind.
func bodies() map[jobs.Kind]string {
	return map[jobs.Kind]string{
		jobs.PublicDecrypt: `{"ciphertextHandles":["` + handleText(1) + `"],"extraData":"0x00"}`,
		jobs.UserDecrypt:   userBody(nil), jobs.DelegatedUserDecrypt: delegatedBody(nil), jobs.InputProof: inputBody(nil),
	}
}

func TestEveryOperationIsTakenAsAJob(t *testing.T) {
	b := setUp(t)
	for kind, good := range bodies() {
		code, body, header := b.call(http.MethodPost, "/v2/"+string(kind), good)
		require.Equal(t, http.StatusAccepted, code, body)
		require.JSONEq(t, `{"status":"queued","requestId":"job-1","result":{"jobId":"job-1"}}`, body)
		require.Equal(t, "1", header.Get("Retry-After"))
	}
}

func TestWishesThatAreNotTakenSayWhy(t *testing.T) {
	for _, c := range []struct {
		err    error
		code   int
		label  string
		reason string
	}{
		{jobs.ErrBusy, 429, api.LabelOverload, api.ReasonBusy},
		{jobs.ErrNoCarrier, 400, api.LabelValidation, api.ReasonNoCarrier},
		{jobs.ErrTooManyCarries, 400, api.LabelValidation, ""},
		{jobs.ErrNoCoprocessor, 503, api.LabelUnreachable, api.ReasonNoCoprocessor},
		{jobs.ErrClosed, 503, api.LabelUnreachable, api.ReasonStopping},
		{io.ErrShortWrite, 500, api.LabelInternal, ""},
		{&jobs.Failure{Reason: jobs.ReasonSignature, Message: "why"}, 400, api.LabelValidation, jobs.ReasonSignature},
	} {
		b := setUp(t)
		b.jobs.err = c.err
		for kind, good := range bodies() {
			for _, version := range []string{"/v1/", "/v2/"} {
				code, body, _ := b.call(http.MethodPost, version+string(kind), good)
				failure := b.understood(http.MethodPost, code, body)
				require.Equal(t, c.code, code)
				require.Equal(t, c.label, failure.Error.Label)
				require.Equal(t, c.reason, failure.Error.Reason)
				require.NotContains(t, body, io.ErrShortWrite.Error(), "what is inside stays inside")
			}
		}
	}
}

func TestBodiesOfEveryOperationAreBounded(t *testing.T) {
	b := setUp(t)
	huge := make([]byte, 3<<20)
	for i := range huge {
		huge[i] = '0'
	}
	for kind := range bodies() {
		code, body, _ := b.call(http.MethodPost, "/v2/"+string(kind), `{"extraData":"`+string(huge)+`"}`)
		require.Equal(t, api.ReasonTooLarge, b.understood(http.MethodPost, code, body).Error.Reason)
		code, body, _ = b.call(http.MethodPost, "/v2/"+string(kind), `{`)
		require.Equal(t, api.LabelMalformed, b.understood(http.MethodPost, code, body).Error.Label)
	}
}

func TestAJobIsFoundUnderItsOwnOperationOnly(t *testing.T) {
	b := setUp(t)
	for kind := range bodies() {
		b.jobs.known["x"] = &jobs.Job{ID: "x", Kind: kind, State: jobs.Working}
		for other := range bodies() {
			code, body, _ := b.call(http.MethodGet, "/v2/"+string(other)+"/x", "")
			if other == kind {
				require.Equal(t, http.StatusAccepted, code)
				require.JSONEq(t, `{"status":"queued","requestId":"x"}`, body)
				continue
			}
			require.Equal(t, http.StatusNotFound, code)
			require.Equal(t, api.LabelNotFound, b.understood(http.MethodGet, code, body).Error.Label)
		}
	}
}

// holding has Wait return when the context ends, and reports how long it might wait.
func (b *bench) holding() chan time.Duration {
	limits := make(chan time.Duration, 1)
	b.jobs.waited = func(ctx context.Context) {
		deadline, _ := ctx.Deadline()
		limits <- time.Until(deadline)
		<-ctx.Done()
	}
	return limits
}

func TestAnAnswerIsHeldBackUntilThereIsAResult(t *testing.T) {
	b := setUp(t)
	limits := b.holding()
	b.jobs.known["x"] = &jobs.Job{ID: "x", Kind: jobs.UserDecrypt, State: jobs.Working}
	answered := make(chan int)
	go func() {
		code, _, _ := b.call(http.MethodGet, "/v2/user-decrypt/x", "")
		answered <- code
	}()
	require.Greater(t, <-limits, 5*time.Second)
	b.server.Release()
	require.Equal(t, http.StatusAccepted, <-answered, "who waits is sent away when the server stops")
}

func TestAClientMayAskForAnAnswerAtOnce(t *testing.T) {
	b := setUp(t)
	limits := b.holding()
	b.jobs.known["x"] = &jobs.Job{ID: "x", Kind: jobs.UserDecrypt, State: jobs.Working}
	for _, preference := range []string{"wait=0", "respond-async, wait=0"} {
		request, err := http.NewRequest(http.MethodGet, b.url+"/v2/user-decrypt/x", nil)
		require.NoError(t, err)
		request.Header.Set("Prefer", preference)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		response.Body.Close()
		require.Equal(t, http.StatusAccepted, response.StatusCode)
		require.LessOrEqual(t, <-limits, time.Duration(0))
	}
}

func TestTheSynchronousInterfaceGivesUpInTheEnd(t *testing.T) {
	b := setUp(t)
	b.jobs.known["job-1"] = &jobs.Job{ID: "job-1", State: jobs.Working}
	for kind, good := range bodies() {
		code, body, _ := b.call(http.MethodPost, "/v1/"+string(kind), good)
		require.Equal(t, http.StatusServiceUnavailable, code)
		require.Equal(t, api.LabelTimeout, b.understood(http.MethodPost, code, body).Error.Label)
	}
	b.jobs.known["job-1"] = &jobs.Job{ID: "job-1", State: jobs.Failed, Failure: &jobs.Failure{Reason: jobs.ReasonPaused, Message: "why"}}
	code, body, _ := b.call(http.MethodPost, "/v1/user-decrypt", userBody(nil))
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, api.LabelPaused, b.label(body))
}
