package api_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/api"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/handover"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
	"github.com/tkms-network/tkms/x/kms/handles"
)

type open struct{}

func (open) Admit(*http.Request) error { return nil }

// FuzzBodies requires that a body is refused, or passed on as TKMS would take it.
func FuzzBodies(f *testing.F) {
	kinds := []jobs.Kind{jobs.PublicDecrypt, jobs.UserDecrypt, jobs.DelegatedUserDecrypt, jobs.InputProof}
	for i, kind := range kinds {
		f.Add(byte(i), bodies()[kind])
		f.Add(byte(i), "{}")
	}
	list := &jobList{}
	server := api.New(api.Config{
		HostChainID: hostChain, Jobs: list, Gate: open{}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Handover: func() *handover.Handover { return nil },
		Metrics:  api.NewMetrics(prometheus.NewRegistry()), Scrape: http.NotFoundHandler(), Health: func(context.Context) api.Health { return api.Health{} },
	})
	f.Fuzz(func(t *testing.T, which byte, body string) {
		kind := kinds[int(which)%len(kinds)]
		list.batch, list.user, list.input = nil, nil, nil
		answer := httptest.NewRecorder()
		server.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/v2/"+string(kind), strings.NewReader(body)))
		if answer.Code == http.StatusBadRequest {
			return
		}
		if answer.Code != http.StatusAccepted {
			t.Fatalf("%d %s", answer.Code, answer.Body)
		}
		raw := make([][]byte, len(list.batch))
		for i := range list.batch {
			raw[i] = list.batch[i][:]
		}
		if _, err := handles.ParseBatch(hostChain, raw); kind != jobs.InputProof && err != nil {
			t.Fatal(err)
		}
		if list.user == nil {
			return
		}
		if err := list.user.Authorization.Validate(); err != nil {
			t.Fatal(err)
		}
		if len(list.user.Contracts) != len(list.batch) {
			t.Fatal("a handle without contract")
		}
		for _, contract := range list.user.Contracts {
			if err := list.user.Authorization.CheckContract(contract[:]); err != nil {
				t.Fatal(err)
			}
		}
	})
}
