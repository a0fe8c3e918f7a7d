package cmd

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/cmd/internal/diagnosis"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
	poatypes "github.com/tkms-network/tkms/x/poa/types"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// judged returns the levels of the findings that f makes.
func judged(f func(d *doctor)) (levels []diagnosis.Level, d *doctor) {
	d = &doctor{now: func() time.Time { return noon }, vaults: http.DefaultClient}
	f(d)
	for _, finding := range d.report.Findings {
		levels = append(levels, finding.Level)
	}
	return levels, d
}

func requireLevels(t *testing.T, name string, f func(d *doctor), want ...diagnosis.Level) {
	t.Helper()
	got, d := judged(f)
	require.Equal(t, want, got, "%s: %+v", name, d.report.Findings)
	for _, finding := range d.report.Findings {
		require.Equal(t, finding.Level == diagnosis.OK, finding.Hint == "", "whatever is not in order has a hint: %+v", finding)
	}
}

const ok, warn, fail = diagnosis.OK, diagnosis.Warn, diagnosis.Fail

func TestNodesAreComparedWithTheFurthest(t *testing.T) {
	best := &nodeSeen{address: "a", chain: "tkms-1", version: "1", height: 100, time: noon}
	judge := func(change func(n *nodeSeen)) func(d *doctor) {
		n := *best
		change(&n)
		return func(d *doctor) { d.judgeNodes([]*nodeSeen{best, &n}, best) }
	}
	requireLevels(t, "equal", judge(func(*nodeSeen) {}), ok, ok, ok)
	requireLevels(t, "a little behind", judge(func(n *nodeSeen) { n.height = 95 }), ok, ok, ok)
	requireLevels(t, "far behind", judge(func(n *nodeSeen) { n.height = 94 }), ok, warn, ok)
	requireLevels(t, "catching up", judge(func(n *nodeSeen) { n.catchingUp = true }), ok, warn, ok)
	requireLevels(t, "another version", judge(func(n *nodeSeen) { n.version = "2" }), ok, warn, ok)
	requireLevels(t, "another chain", judge(func(n *nodeSeen) { n.chain = "tkms-2" }), ok, fail, ok)
	best.time = noon.Add(-2 * time.Minute)
	requireLevels(t, "an old block", judge(func(*nodeSeen) {}), ok, ok, fail)
}

func TestPowerThatDoesNotSignIsSeen(t *testing.T) {
	params := poatypes.Params{LivenessWindow: 100, MaxMissedBlocks: 50}
	list := func(absent int) []poatypes.Validator {
		out := make([]poatypes.Validator, 4)
		for i := range out {
			out[i] = poatypes.Validator{OperatorAddress: string(rune('a' + i)), Power: 10, Status: poatypes.VALIDATOR_STATUS_ACTIVE}
			if i < absent {
				out[i].Status = poatypes.VALIDATOR_STATUS_ABSENT
			}
		}
		return out
	}
	judge := func(absent int, missed map[string]int64) func(d *doctor) {
		return func(d *doctor) { d.judgeValidators(list(absent), missed, params) }
	}
	requireLevels(t, "all", judge(0, map[string]int64{"a": 25}), ok, ok, ok, ok, ok)
	requireLevels(t, "one misses many", judge(0, map[string]int64{"a": 26}), warn, ok, ok, ok, ok)
	requireLevels(t, "one is absent", judge(1, nil), warn, ok, ok, ok, ok)
	requireLevels(t, "two are", judge(2, nil), warn, warn, ok, ok, fail)
}

func members(n int) (e *partiestypes.Epoch, parties []partiestypes.Party, seen []int64) {
	e = &partiestypes.Epoch{Id: 2, Status: partiestypes.EPOCH_STATUS_ACTIVE, T: uint32((n - 1) / 3)}
	for i := range n {
		e.Members = append(e.Members, partiestypes.Member{Index: uint32(i + 1), PartyId: uint64(i + 1)})
		parties, seen = append(parties, partiestypes.Party{Id: uint64(i + 1)}), append(seen, 5000)
	}
	return e, parties, seen
}

func TestTheMarginCountsMembersThatTheChainHearsOf(t *testing.T) {
	e, parties, seen := members(4)
	judge := func(d *doctor) { d.judgeMargin(e, parties, seen) }
	requireLevels(t, "all", judge, ok, ok, ok, ok, ok)
	seen[0] = 3999
	requireLevels(t, "one is silent", judge, warn, ok, ok, ok, warn)
	e.Absences = []partiestypes.Absence{{Index: 2, Excluded: true}}
	requireLevels(t, "and one excluded", judge, warn, warn, ok, ok, fail)
	e.Absences[0].Convicted, seen[0] = true, 5000
	requireLevels(t, "one convicted", judge, ok, warn, ok, ok, warn)
	e, parties, _ = members(1)
	seen = []int64{0}
	requireLevels(t, "a single party without work", judge, ok, ok)
}

func TestEpochsUnderWayAndFailedOnesAreSaid(t *testing.T) {
	active := partiestypes.Epoch{Id: 2, Status: partiestypes.EPOCH_STATUS_ACTIVE}
	judge := func(epochs ...partiestypes.Epoch) func(d *doctor) {
		return func(d *doctor) { d.judgeEpochs(epochs, 100) }
	}
	requireLevels(t, "none", judge(), fail)
	requireLevels(t, "one", judge(active), ok)
	requireLevels(t, "an old one drains", judge(partiestypes.Epoch{Id: 1, Status: partiestypes.EPOCH_STATUS_DRAINING}, active), warn, ok)
	requireLevels(t, "a new one is made", judge(active, partiestypes.Epoch{Id: 3, Status: partiestypes.EPOCH_STATUS_RESHARING}), ok, ok)
	requireLevels(t, "it is the proven one", func(d *doctor) { d.proven = 2; judge(active)(d) }, ok)
	requireLevels(t, "another is proven", func(d *doctor) { d.proven = 3; judge(active)(d) }, ok, fail)
	failed := partiestypes.Epoch{Id: 3, Status: partiestypes.EPOCH_STATUS_FAILED}
	requireLevels(t, "the latest failed", judge(active, failed), ok, warn)
	failed.Id = 1
	requireLevels(t, "one before it had failed", judge(failed, active), ok)
}

func TestAttestationsAboutToLapseAreSaid(t *testing.T) {
	params := &partiestypes.Params{AttestationLifetime: 7 * 24 * time.Hour}
	for left, want := range map[time.Duration]diagnosis.Level{48 * time.Hour: ok, 23 * time.Hour: warn, -time.Hour: fail} {
		requireLevels(t, left.String(), func(d *doctor) {
			d.judgeStanding(&partiestypes.Party{AttestedUntil: noon.Add(left)}, params)
		}, want)
	}
}

func TestAVaultWithoutAFileIsSaid(t *testing.T) {
	digest := "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	mux := http.NewServeMux()
	mux.HandleFunc("GET /keys/"+digest, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 300)) })
	server := httptest.NewServer(mux)
	defer server.Close()
	judge := func(files ...file) func(d *doctor) {
		return func(d *doctor) { d.examineVault(t.Context(), "p1", server.URL+"/keys", files) }
	}
	requireLevels(t, "all", judge(file{digest, 300}), ok)
	requireLevels(t, "another size", judge(file{digest, 301}), warn)
	requireLevels(t, "no such file", judge(file{digest, 300}, file{digest[:62] + "00", 300}), warn)
}

func TestHostChainsThatCannotAskAreSaid(t *testing.T) {
	chain := acltypes.HostChain{Id: 1, Freshness: acltypes.Freshness{MaxAgeSeconds: 60}}
	headers := []acltypes.VerifiedHeader{{Timestamp: uint64(noon.Unix()) - 10}, {Timestamp: uint64(noon.Unix()) - 100}}
	epoch := kmstypes.QueryHostEpochResponse{EpochId: 2}
	judge := func(d *doctor) { d.judgeHostChain(&chain, headers, &epoch) }
	requireLevels(t, "in order", judge, ok)
	epoch.NextEpochId = 3
	requireLevels(t, "signers behind", judge, warn, ok)
	chain.Paused = true
	requireLevels(t, "and paused", judge, warn, warn, ok)
	chain.Paused, epoch.NextEpochId = false, 0
	headers = headers[1:]
	requireLevels(t, "an old header", judge, warn)
	headers = nil
	requireLevels(t, "no header", judge, ok)
	chain.Frozen = true
	requireLevels(t, "frozen", judge, fail)
}

func TestEscrowThatIsNotCoveredFails(t *testing.T) {
	totals := &kmstypes.Totals{Escrow: 100}
	coin := func(n int64) *sdk.Coin { return &sdk.Coin{Denom: "utkms", Amount: math.NewInt(n)} }
	requireLevels(t, "covered", func(d *doctor) { d.judgeFees(totals, coin(100)) }, ok)
	requireLevels(t, "short", func(d *doctor) { d.judgeFees(totals, coin(99)) }, fail)
	requireLevels(t, "nothing", func(d *doctor) { d.judgeFees(totals, nil) }, fail)
}

func TestADoctorWithoutANodeFailsWithAHint(t *testing.T) {
	code, stdout, stderr := run("doctor", "--nodes", "http://127.0.0.1:1")
	require.Equal(t, 1, code)
	require.Contains(t, stdout, "fail  nodes: none of 1 answers")
	require.Contains(t, stderr, "error: something does not work")
	require.Contains(t, stderr, "hint: ")
	code, _, stderr = run("doctor", "--trusted-height", "3")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "come together")
}
