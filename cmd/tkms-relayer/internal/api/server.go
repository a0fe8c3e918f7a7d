package api

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/access"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/handover"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/keys"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/store"
	"github.com/tkms-network/tkms/x/kms/handles"
)

// noTime leaves Last-Modified out: objects have no history.
var noTime time.Time

// Health is the answer of the health endpoint.
type Health struct {
	// Status is "ok", or "degraded" when a chain does not answer.
	Status string `json:"status"`
	// TKMSHeight and HostHeight are the last blocks seen, 0 for none.
	TKMSHeight int64  `json:"tkmsHeight"`
	HostHeight uint64 `json:"hostHeight"`
	// HostChainID is the host chain that this relayer serves; Registered says
	// whether x/acl knows it.
	HostChainID uint64 `json:"hostChainId"`
	Registered  bool   `json:"registered"`
	// CRS names the kind of the CRS that clients are given, "none" if there is none;
	// Coprocessor says whether inputs are taken.
	CRS         string `json:"crs"`
	Coprocessor bool   `json:"coprocessor"`
	// Trouble is for people.
	Trouble []string `json:"trouble,omitempty"`
}

// Jobs takes wishes and keeps what became of them.
type Jobs interface {
	// Submit returns the job of a set of handles, whoever asked first.
	Submit(batch []handles.Handle, contract *common.Address) (*jobs.Job, error)
	// SubmitUser returns the job of a user's request.
	SubmitUser(ctx context.Context, batch []handles.Handle, request *jobs.UserRequest) (*jobs.Job, error)
	// SubmitInput returns the job of an encrypted input.
	SubmitInput(input *jobs.Input) (*jobs.Job, error)
	// Wait returns a job once it has an outcome or the context ends, or
	// jobs.ErrNotFound.
	Wait(ctx context.Context, id string) (*jobs.Job, error)
}

// Gate admits calls that cost something.
type Gate interface {
	// Admit returns nil, access.ErrNoKey, access.ErrUnknownKey or an *access.Limited.
	Admit(r *http.Request) error
}

// Config of a server.
type Config struct {
	// HostChainID of the host chain that is served.
	HostChainID uint64
	// PublicURL is the base by which clients reach the server, without trailing slash.
	PublicURL string

	Store *store.Store
	Jobs  Jobs
	Keys  PublicKeys
	// CRS that clients are given, or nil.
	CRS     *keys.CRS
	Gate    Gate
	Log     *slog.Logger
	Metrics *Metrics
	// Health reports whether both chains answer.
	Health func(context.Context) Health
	// Handover returns what the host chain's owner has to do about its verifier, nil if
	// nothing is due.
	Handover func() *handover.Handover
	// Scrape serves the metrics.
	Scrape http.Handler
}

// Server answers HTTP requests.
type Server struct {
	cfg    Config
	mux    *http.ServeMux
	routes []string
	// released ends when answers are no longer held back.
	released context.Context
	release  context.CancelFunc
}

// New returns a server.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, mux: http.NewServeMux()}
	s.released, s.release = context.WithCancel(context.Background())
	s.route("POST /v1/ciphertexts", s.admitted(s.postCiphertext))
	s.route("PUT /v1/ciphertexts/{digest}", s.admitted(s.putCiphertext))
	s.route("GET /v1/ciphertexts/{digest}", s.getCiphertext)
	for _, o := range []operation{
		s.publicDecrypt(), s.userDecrypt(jobs.UserDecrypt), s.userDecrypt(jobs.DelegatedUserDecrypt), s.inputProof(),
	} {
		path := string(o.kind)
		s.route("POST /v2/"+path, s.admitted(s.post(o)))
		s.route("GET /v2/"+path+"/{job}", s.get(o))
		s.route("POST /v1/"+path, s.admitted(s.call(o)))
	}
	s.route("GET /v2/keyurl", s.keyURL)
	s.route("GET /v1/keyurl", s.keyURL1)
	s.route("GET /v1/keys/{digest}", s.getKey)
	s.route("GET /v1/crs/{digest}", s.getCRS)
	s.route("GET /v1/handover", s.handover)
	s.route("GET /openapi.json", openAPI)
	s.route("GET /health", s.health)
	s.route("GET /metrics", cfg.Scrape.ServeHTTP)
	s.handle("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, LabelNotFound, "no such path")
	})
	return s
}

// Release has answers that are held back go out as they are: the server stops.
func (s *Server) Release() { s.release() }

// Routes are the patterns that the server answers, such as "GET /health".
func (s *Server) Routes() []string { return s.routes }

func (s *Server) route(pattern string, handler http.HandlerFunc) {
	s.routes = append(s.routes, pattern)
	s.handle(pattern, handler)
}

func (s *Server) handle(pattern string, handler http.HandlerFunc) {
	s.mux.HandleFunc(pattern, s.cfg.Metrics.observe(pattern, handler))
}

// admitted lets calls through that the gate admits.
func (s *Server) admitted(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := s.cfg.Gate.Admit(r)
		var limited *access.Limited
		switch {
		case err == nil:
			next(w, r)
		case errors.As(err, &limited):
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(limited.After.Seconds()))))
			refuse(w, http.StatusTooManyRequests, LabelRateLimited, err.Error())
		default:
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, http.StatusUnauthorized, LabelUnauthorized, err.Error())
		}
	}
}

// ServeHTTP implements http.Handler. Browsers on other origins may call: there are
// no sessions, and what costs something is for the gate to admit.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Access-Control-Expose-Headers", "Retry-After")
	if r.Method == http.MethodOptions {
		w.Header().Set("Access-Control-Allow-Methods", "GET, PUT, POST")
		// The wildcard leaves Authorization out.
		w.Header().Set("Access-Control-Allow-Headers", "*, Authorization")
		w.Header().Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	s.mux.ServeHTTP(w, r)
}

func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	health := s.cfg.Health(r.Context())
	code := http.StatusOK
	if health.Status != "ok" {
		code = http.StatusServiceUnavailable
	}
	answer(w, code, health)
}

func (s *Server) handover(w http.ResponseWriter, _ *http.Request) {
	due := s.cfg.Handover()
	if due == nil {
		refuse(w, http.StatusNotFound, LabelNotFound, "nothing is due: the host chain takes the signatures of the parties, or theirs are not certified yet")
		return
	}
	answer(w, http.StatusOK, due)
}
