package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
)

const (
	// retryAfter is when a client should look again, in seconds.
	retryAfter = "1"
	// maxHold is how long the answer for a job under way is held back for its result:
	// clients wait a second between two looks, which is longer than a decryption takes.
	maxHold = 10 * time.Second
	// syncWait bounds a call of the synchronous interface.
	syncWait = time.Minute
)

// noExtraData is how the published clients write that there is none.
const noExtraData = "0x00"

// operation is one wish that clients post, in both versions of the interface.
type operation struct {
	kind jobs.Kind
	// limit bounds the body, in bytes.
	limit int64
	// submit reads a body and makes a job of it.
	submit func(ctx context.Context, body *json.Decoder) (*jobs.Job, error)
	// async is the body for a job that succeeded, sync that of the synchronous
	// interface, or a failure for what has no form there.
	async func(*jobs.Job) any
	sync  func(*jobs.Job) (any, *jobs.Failure)
}

// queued answers that a job is under way.
type queued struct {
	Status    string     `json:"status"` // "queued"
	RequestID string     `json:"requestId"`
	Result    *queuedJob `json:"result,omitempty"`
}

type queuedJob struct {
	JobID string `json:"jobId"`
}

// succeeded answers with a result.
type succeeded struct {
	Status    string `json:"status"` // "succeeded"
	RequestID string `json:"requestId"`
	Result    any    `json:"result"`
	// TKMS says where the result comes from and what became of it. Not in the
	// ecosystem's interface.
	TKMS any `json:"tkms,omitempty"`
}

// synchronous answers with a result in the first version of the interface.
type synchronous struct {
	Response any `json:"response"`
}

// invalid is what is wrong with a body.
type invalid struct {
	label   string
	message string
	details []Detail
}

// Error implements error.
func (i *invalid) Error() string { return i.message }

// take has a job made of a body, or answers why not.
func (s *Server) take(w http.ResponseWriter, r *http.Request, o operation) *jobs.Job {
	job, err := o.submit(r.Context(), json.NewDecoder(http.MaxBytesReader(w, r.Body, o.limit)))
	var wrong *invalid
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return job
	case errors.As(err, &tooLarge):
		answer(w, http.StatusBadRequest, Failure{Status: "failed", Error: FailureText{
			Label: LabelRequest, Message: "the body exceeds " + strconv.FormatInt(o.limit, 10) + " bytes", Reason: ReasonTooLarge}})
	case errors.As(err, &wrong):
		refuse(w, http.StatusBadRequest, wrong.label, wrong.message, wrong.details...)
	default:
		s.notTaken(w, err)
	}
	return nil
}

// read decodes a body.
func read(body *json.Decoder, into any) error {
	err := body.Decode(into)
	var tooLarge *http.MaxBytesError
	if err == nil || errors.As(err, &tooLarge) {
		return err
	}
	return &invalid{label: LabelMalformed, message: "the body is no JSON of the expected form: " + err.Error()}
}

// post takes a job.
func (s *Server) post(o operation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if job := s.take(w, r, o); job != nil {
			w.Header().Set("Retry-After", retryAfter)
			answer(w, http.StatusAccepted, queued{"queued", job.ID, &queuedJob{job.ID}})
		}
	}
}

// call takes a job and answers with its result.
func (s *Server) call(o operation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		job := s.take(w, r, o)
		if job == nil {
			return
		}
		job, err := s.hold(r.Context(), job.ID, syncWait)
		switch {
		case err != nil:
			s.notRead(w, err)
		case job.State == jobs.Working:
			fail(w, job.ID, &jobs.Failure{Reason: jobs.ReasonTimeout, Message: "there is no result yet; ask again"})
		case job.State == jobs.Failed:
			fail(w, job.ID, job.Failure)
		default:
			response, failure := o.sync(job)
			if failure != nil {
				fail(w, job.ID, failure)
				return
			}
			answer(w, http.StatusOK, synchronous{response})
		}
	}
}

// get says where a job stands.
func (s *Server) get(o operation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		job, err := s.hold(r.Context(), r.PathValue("job"), preferred(r))
		if err == nil && job.Kind != o.kind {
			err = jobs.ErrNotFound
		}
		switch {
		case err != nil:
			s.notRead(w, err)
		case job.State == jobs.Working:
			w.Header().Set("Retry-After", retryAfter)
			answer(w, http.StatusAccepted, queued{Status: "queued", RequestID: job.ID})
		case job.State == jobs.Failed:
			fail(w, job.ID, job.Failure)
		default:
			answer(w, http.StatusOK, o.async(job))
		}
	}
}

// hold waits for a job's outcome up to a time, or until the server stops.
func (s *Server) hold(ctx context.Context, id string, limit time.Duration) (*jobs.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	defer context.AfterFunc(s.released, cancel)()
	return s.cfg.Jobs.Wait(ctx, id)
}

// preferred is how long a client wants an answer to be held back: 'Prefer: wait=0'
// (RFC 7240) asks for one at once.
func preferred(r *http.Request) time.Duration {
	for _, value := range r.Header.Values("Prefer") {
		for preference := range strings.SplitSeq(value, ",") {
			name, seconds, _ := strings.Cut(strings.TrimSpace(preference), "=")
			if n, err := strconv.ParseUint(seconds, 10, 16); strings.EqualFold(name, "wait") && err == nil {
				return min(time.Duration(n)*time.Second, maxHold)
			}
		}
	}
	return maxHold
}

func (s *Server) notRead(w http.ResponseWriter, err error) {
	if errors.Is(err, jobs.ErrNotFound) {
		refuse(w, http.StatusNotFound, LabelNotFound, err.Error())
		return
	}
	s.cfg.Log.Error("a job was not read", "err", err)
	refuse(w, http.StatusInternalServerError, LabelInternal, "the job was not read")
}
