package api

import (
	"encoding/json"
	"net/http"
)

// Labels of refusals: stable, for programs.
const (
	LabelMalformed    = "malformed_json"
	LabelValidation   = "validation_failed"
	LabelNotFound     = "not_found"
	LabelDigest       = "digest_mismatch"
	LabelTooLarge     = "too_large"
	LabelStoreFull    = "store_full"
	LabelRateLimited  = "rate_limited"
	LabelUnavailable  = "service_unavailable"
	LabelInternal     = "internal_server_error"
	LabelMethod       = "method_not_allowed"
	LabelNotSupported = "not_supported"
)

// Failure is the body of every answer that is not 2xx.
type Failure struct {
	Status    string      `json:"status"` // "failed"
	RequestID string      `json:"requestId,omitempty"`
	Error     FailureText `json:"error"`
}

// FailureText says what went wrong, to programs and to people.
type FailureText struct {
	Label   string   `json:"label"`
	Message string   `json:"message"`
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
