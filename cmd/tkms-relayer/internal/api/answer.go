package api

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
)

// Labels of refusals: stable, for programs. Of the operations that the published
// clients know, an answer has a label that they accept with its status; error.reason
// says it more exactly.
const (
	LabelMalformed    = "malformed_json"
	LabelMissing      = "missing_fields"
	LabelValidation   = "validation_failed"
	LabelRequest      = "request_error"
	LabelNotReady     = "not_ready_for_decryption"
	LabelNotAllowed   = "not_allowed_on_host_acl"
	LabelNotFound     = "not_found"
	LabelRateLimited  = "rate_limited"
	LabelOverload     = "protocol_overload"
	LabelInternal     = "internal_server_error"
	LabelPaused       = "protocol_paused"
	LabelBalance      = "insufficient_balance"
	LabelUnreachable  = "gateway_not_reachable"
	LabelReadiness    = "readiness_check_timed_out"
	LabelTimeout      = "response_timed_out"
	LabelUnauthorized = "unauthorized"

	// Of the ciphertext store and the rest, which the published clients do not ask.
	LabelDigest      = "digest_mismatch"
	LabelTooLarge    = "too_large"
	LabelStoreFull   = "store_full"
	LabelUnavailable = "service_unavailable"
	LabelMethod      = "method_not_allowed"
)

// Reasons of refusals besides those of jobs, in error.reason.
const (
	ReasonTooLarge      = "too_large"
	ReasonBusy          = "too_many_jobs"
	ReasonStopping      = "relayer_stops"
	ReasonNoCarrier     = "no_callbacks"
	ReasonNoCoprocessor = "no_coprocessor"
)

// Failure is the body of every answer that is not 2xx.
type Failure struct {
	Status    string      `json:"status"` // "failed"
	RequestID string      `json:"requestId,omitempty"`
	Error     FailureText `json:"error"`
}

// FailureText says what went wrong, to programs and to people.
type FailureText struct {
	Label   string `json:"label"`
	Message string `json:"message"`
	// Reason is the exact one, if there is more to say than the label does. Not in
	// the ecosystem's interface.
	Reason string `json:"reason,omitempty"`
	// Details are there, if only one, for missing_fields and validation_failed.
	Details []Detail `json:"details,omitempty"`
}

// Detail points at one field of a request.
type Detail struct {
	Field string `json:"field"`
	Issue string `json:"issue"`
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, code int, label, message string, details ...Detail) {
	answer(w, code, Failure{Status: "failed", Error: FailureText{Label: label, Message: message, Details: details}})
}

// shown is how a job's failure is answered.
type shown struct {
	code  int
	label string
	// field of the request that is wrong, for validation_failed.
	field string
}

// failures are the answers for each reason, with status and label among those that
// the published clients know for a job they poll. 429 is none of them.
var failures = map[string]shown{
	jobs.ReasonInvalid:            {http.StatusBadRequest, LabelValidation, "handles"},
	jobs.ReasonNotReady:           {http.StatusBadRequest, LabelNotReady, ""},
	jobs.ReasonNoDigest:           {http.StatusServiceUnavailable, LabelReadiness, ""},
	jobs.ReasonHostChain:          {http.StatusServiceUnavailable, LabelUnreachable, ""},
	jobs.ReasonHostHeaders:        {http.StatusServiceUnavailable, LabelReadiness, ""},
	jobs.ReasonPaused:             {http.StatusServiceUnavailable, LabelPaused, ""},
	jobs.ReasonRateLimited:        {http.StatusServiceUnavailable, LabelTimeout, ""},
	jobs.ReasonPrice:              {http.StatusServiceUnavailable, LabelBalance, ""},
	jobs.ReasonFunds:              {http.StatusServiceUnavailable, LabelBalance, ""},
	jobs.ReasonUnavailable:        {http.StatusServiceUnavailable, LabelUnreachable, ""},
	jobs.ReasonTimeout:            {http.StatusServiceUnavailable, LabelTimeout, ""},
	jobs.ReasonRefused:            {http.StatusInternalServerError, LabelInternal, ""},
	jobs.ReasonSignature:          {http.StatusBadRequest, LabelValidation, "signature"},
	jobs.ReasonNotYetValid:        {http.StatusBadRequest, LabelValidation, "startTimestamp"},
	jobs.ReasonNoLongerValid:      {http.StatusBadRequest, LabelValidation, "durationDays"},
	jobs.ReasonAuthorization:      {http.StatusBadRequest, LabelValidation, "signature"},
	jobs.ReasonContract:           {http.StatusBadRequest, LabelValidation, "contractAddresses"},
	jobs.ReasonTooMuch:            {http.StatusBadRequest, LabelValidation, "handleContractPairs"},
	jobs.ReasonNoUserDecryption:   {http.StatusBadRequest, LabelRequest, ""},
	jobs.ReasonDelegationOff:      {http.StatusBadRequest, LabelRequest, ""},
	jobs.ReasonUnknownWallet:      {http.StatusBadRequest, LabelRequest, ""},
	jobs.ReasonOwnerNotAllowed:    {http.StatusBadRequest, LabelNotAllowed, ""},
	jobs.ReasonContractNotAllowed: {http.StatusBadRequest, LabelNotAllowed, ""},
	jobs.ReasonNoDelegation:       {http.StatusBadRequest, LabelNotAllowed, ""},
	jobs.ReasonDelegationExpired:  {http.StatusBadRequest, LabelNotAllowed, ""},
	jobs.ReasonNotApproved:        {http.StatusBadRequest, LabelNotAllowed, ""},
	jobs.ReasonCoprocessor:        {http.StatusServiceUnavailable, LabelUnreachable, ""},
	jobs.ReasonInputRefused:       {http.StatusBadRequest, LabelRequest, ""},
}

// fail answers with a job's failure.
func fail(w http.ResponseWriter, id string, failure *jobs.Failure) {
	how, ok := failures[failure.Reason]
	if !ok {
		how = shown{http.StatusInternalServerError, LabelInternal, ""}
	}
	body := Failure{Status: "failed", RequestID: id, Error: FailureText{Label: how.label, Message: failure.Message, Reason: failure.Reason}}
	if how.field != "" {
		body.Error.Details = []Detail{{how.field, failure.Message}}
	}
	answer(w, how.code, body)
}

// refusals are the answers for wishes of which no job was made.
var refusals = []struct {
	err    error
	code   int
	label  string
	reason string
	field  string
}{
	{jobs.ErrBusy, http.StatusTooManyRequests, LabelOverload, ReasonBusy, ""},
	{jobs.ErrNoCarrier, http.StatusBadRequest, LabelValidation, ReasonNoCarrier, "callback"},
	{jobs.ErrTooManyCarries, http.StatusBadRequest, LabelValidation, "", "callback"},
	{jobs.ErrNoCoprocessor, http.StatusServiceUnavailable, LabelUnreachable, ReasonNoCoprocessor, ""},
	{jobs.ErrClosed, http.StatusServiceUnavailable, LabelUnreachable, ReasonStopping, ""},
}

// notTaken answers for a wish of which no job was made.
func (s *Server) notTaken(w http.ResponseWriter, err error) {
	var failure *jobs.Failure
	if errors.As(err, &failure) {
		fail(w, "", failure)
		return
	}
	for _, r := range refusals {
		if !errors.Is(err, r.err) {
			continue
		}
		text := FailureText{Label: r.label, Message: err.Error(), Reason: r.reason}
		if r.field != "" {
			text.Details = []Detail{{r.field, err.Error()}}
		}
		if r.code == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", retryAfter)
		}
		answer(w, r.code, Failure{Status: "failed", Error: text})
		return
	}
	s.cfg.Log.Error("a job was not taken", "err", err)
	refuse(w, http.StatusInternalServerError, LabelInternal, "the job was not taken")
}
