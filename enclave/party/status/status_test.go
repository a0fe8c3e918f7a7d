package status_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/party/status"
)

func get(t *testing.T, board *status.Board, path string, into any) int {
	recorder := httptest.NewRecorder()
	board.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
	require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), into))
	return recorder.Code
}

func TestTroubleOfItsOwnMakesAPartyUnhealthy(t *testing.T) {
	board := status.NewBoard(time.Now)
	var health struct {
		OK      bool
		Trouble []string
	}
	require.Equal(t, http.StatusOK, get(t, board, "/health", &health))
	require.True(t, health.OK)
	board.Update(func(p *status.Party) { p.Trouble = []string{"member 3 is not connected"} })
	require.Equal(t, http.StatusOK, get(t, board, "/health", &health), "others' trouble is no reason to restart this party")
	board.Update(func(p *status.Party) { p.Trouble, p.Failing = []string{"no node answers"}, true })
	require.Equal(t, http.StatusServiceUnavailable, get(t, board, "/health", &health))
	require.False(t, health.OK)
	require.Equal(t, []string{"no node answers"}, health.Trouble)
}

func TestARequestIsRememberedWithItsRefusal(t *testing.T) {
	board := status.NewBoard(time.Now)
	var request status.Request
	require.Equal(t, http.StatusNotFound, get(t, board, "/requests/aa", &map[string]string{}))
	board.Request("aa", func(r *status.Request) { r.State, r.Reason = status.StateRefused, status.ReasonDigest })
	require.Equal(t, http.StatusOK, get(t, board, "/requests/aa", &request))
	require.Equal(t, status.ReasonDigest, request.Reason)
}

func TestTheBoardForgetsTheOldestRequestsFirst(t *testing.T) {
	board := status.NewBoard(time.Now)
	for i := range 5000 {
		board.Request(fmt.Sprint(i), func(r *status.Request) { r.State = status.StatePosted })
	}
	require.Equal(t, http.StatusNotFound, get(t, board, "/requests/0", &map[string]string{}))
	require.Equal(t, http.StatusOK, get(t, board, "/requests/4999", &status.Request{}))
}

func TestAMarginThatIsGoneDegradesHealthButIsNotThisPartysFailure(t *testing.T) {
	now := time.Now()
	board := status.NewBoard(func() time.Time { return now })
	epochs := []status.Epoch{{ID: 1, State: status.StateDraining}, {ID: 2, State: status.StateActive, N: 4, T: 1, Margin: 0}, {ID: 3, State: "resharing"}}
	board.SetEpochs(epochs)
	now = now.Add(time.Minute)
	raised, over := board.SetEpochs(epochs)
	require.Len(t, raised, 1)
	require.Empty(t, over)
	var health struct {
		OK, Degraded bool
		Warnings     []status.Warning
	}
	require.Equal(t, http.StatusOK, get(t, board, "/health", &health))
	require.True(t, health.OK && health.Degraded)
	require.Equal(t, raised, health.Warnings)
	party := board.Party()
	require.EqualValues(t, 2, party.Main().ID)
	party.Epochs = party.Epochs[2:]
	require.EqualValues(t, 3, party.Main().ID, "none is active: the newest")
	party.Epochs = nil
	require.Zero(t, party.Main())
}

func TestTheLagIsThatOfTheMomentOfAsking(t *testing.T) {
	now := time.Now()
	board := status.NewBoard(func() time.Time { return now })
	require.Zero(t, board.Party().LagMillis, "no block was verified")
	board.Update(func(p *status.Party) { p.BlockTime = now })
	now = now.Add(90 * time.Second)
	require.EqualValues(t, 90_000, board.Party().LagMillis)
}
