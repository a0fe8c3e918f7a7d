package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
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
	// Trouble is for people.
	Trouble []string `json:"trouble,omitempty"`
}

// Jobs takes wishes for plaintexts and keeps what became of them.
type Jobs interface {
	// Submit returns the job of a set of handles, whoever asked first.
	Submit(batch []handles.Handle, contract *common.Address) (*jobs.Job, error)
	// Get returns a job, or jobs.ErrNotFound.
	Get(id string) (*jobs.Job, error)
}

// Config of a server.
type Config struct {
	// HostChainID of the host chain that is served.
	HostChainID uint64
	// PublicURL is the base by which clients reach the server, without trailing slash.
	PublicURL string

	Store   *store.Store
	Jobs    Jobs
	Keys    PublicKeys
	Log     *slog.Logger
	Metrics *Metrics
	// Health reports whether both chains answer.
	Health func(context.Context) Health
	// Scrape serves the metrics.
	Scrape http.Handler
}

// Server answers HTTP requests.
type Server struct {
	cfg Config
	mux *http.ServeMux
}

// New returns a server.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, mux: http.NewServeMux()}
	s.route("POST /v1/ciphertexts", s.postCiphertext)
	s.route("PUT /v1/ciphertexts/{digest}", s.putCiphertext)
	s.route("GET /v1/ciphertexts/{digest}", s.getCiphertext)
	s.route("POST /v2/public-decrypt", s.postDecrypt)
	s.route("GET /v2/public-decrypt/{job}", s.getDecrypt)
	s.route("GET /v2/keyurl", s.keyURL)
	s.route("GET /v1/keys/{digest}", s.getKey)
	s.route("GET /health", s.health)
	s.mux.Handle("GET /metrics", cfg.Scrape)
	s.route("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, LabelNotFound, "no such path")
	})
	return s
}

func (s *Server) route(pattern string, handler http.HandlerFunc) {
	s.mux.HandleFunc(pattern, s.cfg.Metrics.observe(pattern, handler))
}

// ServeHTTP implements http.Handler. Browsers on other origins may call: there are
// no cookies and nothing here is for some callers only.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	if r.Method == http.MethodOptions {
		w.Header().Set("Access-Control-Allow-Methods", "GET, PUT, POST")
		w.Header().Set("Access-Control-Allow-Headers", "*")
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
