package command

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/internal/diagnosis"
	"github.com/tkms-network/tkms/enclave/party/status"
)

func examined() *status.Party {
	return &status.Party{
		Moniker: "p1", ID: 1, Height: 319, BlockTime: time.Date(2026, 11, 22, 9, 23, 20, 0, time.UTC), LagMillis: 412,
		Epochs: []status.Epoch{
			{ID: 1, State: status.StateDraining, Index: 1, N: 4, T: 1, Margin: -1, Peers: []status.Peer{{Index: 2, Connected: true}, {Index: 3}, {Index: 4}}, Keys: []string{"aa"}},
			{ID: 2, State: status.StateActive, Index: 5, N: 7, T: 2, Margin: 1, Excluded: []int{3, 4}, Convicted: []int{2}, StockItems: 4096, SharesOnly: true},
		},
		Warnings: []status.Warning{{Epoch: 1, Level: status.LevelCritical, Text: "requests wait"}},
		Trouble:  []string{"member 3 is not connected"},
	}
}

func TestTheStatusShowsEverySeat(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, printStatus(&out, examined()))
	require.Equal(t, `party        p1 (id 1)
verified     block 319 of 2026-11-22T09:23:20Z, 400ms ago
epoch        1, draining, index 1 of 4, of whom 1 may be corrupt
  keys       shares of 1
  stock      0 offline items
  peers      1 of 3 connected, not 3, 4
  margin     -1: too few for a decryption, which takes 3
epoch        2, active, index 5 of 7, of whom 2 may be corrupt
  restored   shares only: counts as absent until the next epoch
  keys       shares of 0
  stock      4096 offline items
  peers      0 of 0 connected
  margin     1 more may fail
  excluded   3, 4: not waited for until counted again
  convicted  2: out for the rest of the epoch
critical     requests wait
trouble      member 3 is not connected
`, out.String())
	out.Reset()
	require.NoError(t, printStatus(&out, &status.Party{Moniker: "p9"}))
	require.Equal(t, "party     p9 (id 0)\nverified  no block yet\nepoch     none: not a member of a live epoch yet\n", out.String())
}

func TestTheDoctorTakesOverWhatTheRunningPartyFound(t *testing.T) {
	var r diagnosis.Report
	judgeStatus(examined(), &r)
	require.Equal(t, 2, r.Count(diagnosis.Fail), "too few are connected, and the margin says it: %+v", r.Findings)
	require.Equal(t, 2, r.Count(diagnosis.Warn), "%+v", r.Findings)

	healthy := &status.Party{Height: 5, LagMillis: 10, Epochs: []status.Epoch{{ID: 1, State: status.StateActive, N: 4, T: 1, Margin: 1}}}
	r = diagnosis.Report{}
	judgeStatus(healthy, &r)
	require.Equal(t, len(r.Findings), r.Count(diagnosis.OK), "%+v", r.Findings)
	for name, change := range map[string]func(p *status.Party){
		"no block":          func(p *status.Party) { p.Height = 0 },
		"an old block":      func(p *status.Party) { p.LagMillis = 61_000 },
		"its own trouble":   func(p *status.Party) { p.Trouble, p.Failing = []string{"no node"}, true },
		"too few connected": func(p *status.Party) { p.Epochs = []status.Epoch{{State: status.StateActive, Margin: -1}} },
	} {
		sick := *healthy
		change(&sick)
		r = diagnosis.Report{}
		judgeStatus(&sick, &r)
		require.Equal(t, 1, r.Count(diagnosis.Fail), name)
	}
	r = diagnosis.Report{}
	judgeStatus(&status.Party{Height: 5}, &r)
	require.Equal(t, 1, r.Count(diagnosis.Warn), "no seat")
}
