package enginebench

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestASilentPartySaysNothingAndTheOthersDecrypt(t *testing.T) {
	in := testInput(t)
	f := testFleet(t, 4, 0, in)
	j := job{Kind: jobOnline, Number: 1, Runs: 1, Blocks: 4, Last: 4, Batches: 1, Silent: 1}
	_, err := f.ask(func(int) *command { return &command{Prepare: &j} })
	require.NoError(t, err)
	ran, err := f.ask(func(int) *command { return &command{Run: &runCommand{At: time.Now().UnixNano()}} })
	require.NoError(t, err)
	totals, err := f.ask(func(int) *command { return &command{Finish: &finishCommand{}} })
	require.NoError(t, err)
	for i := range ran {
		require.Equal(t, *in.digest(&j), ran[i].Ran.Values, "who is silent still hears")
		require.Equal(t, i < 3, totals[i].Totals.Sent > 0)
	}
}

func TestSilenceIsMeasuredBesideAllParties(t *testing.T) {
	o := Options{Command: []string{os.Args[0], partyArgument}, Parties: []int{4}, Repeats: 1, Variant: Tree, Silent: 1}
	s, err := MeasureSilence(t.Context(), o)
	require.NoError(t, err)
	require.Len(t, s.Rows, len(rowBlocks))
	for _, r := range s.Rows {
		require.Equal(t, turns, r.Runs)
		require.Positive(t, r.AllP50)
		require.Positive(t, r.SomeP50)
	}
}

func TestTheTableOfSilenceComparesTheMedians(t *testing.T) {
	var out bytes.Buffer
	s := &Silence{Silent: 1, Rows: []SilenceRow{{Parties: 4, Blocks: 32, Runs: 200, AllP50: 2, AllP95: 4, SomeP50: 2.5, SomeP95: 4.5}}}
	require.NoError(t, s.WriteText(&out))
	require.Contains(t, out.String(), "with 1 of them silent")
	require.Regexp(t, `4 +32 +200 +\| +2\.00 +4\.00 +\| +2\.50 +4\.50 +\| +1\.25\n`, out.String())
}
