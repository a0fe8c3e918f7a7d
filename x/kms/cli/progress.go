package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/tkms-network/tkms/x/kms/types"
)

// barWidth is the width of a bar, in characters.
const barWidth = 30

// progressLine is what a program reads about a key being generated.
type progressLine struct {
	Status  string `json:"status"`
	Attempt uint32 `json:"attempt"`
	// Percent is how far the slowest party is that the key has to wait for.
	Percent float64 `json:"percent"`
	// ETASeconds is 0 while nothing is known.
	ETASeconds int64           `json:"eta_seconds"`
	Failure    string          `json:"last_failure,omitempty"`
	Parties    []partyProgress `json:"parties"`
}

type partyProgress struct {
	Index   uint32  `json:"index"`
	Stage   string  `json:"stage"`
	Percent float64 `json:"percent"`
}

// progress shows how far the parties are: bars on a terminal, else one JSON object a
// line when something changed.
type progress struct {
	out      io.Writer
	terminal bool
	now      func() time.Time

	lines int // drawn before
	said  progressLine
	// attempt and where and when it was seen first, for the rate.
	attempt uint32
	began   time.Time
	from    float64
}

func newProgress(out io.Writer, now func() time.Time) *progress {
	file, ok := out.(*os.File)
	return &progress{out: out, terminal: ok && term.IsTerminal(int(file.Fd())), now: now}
}

// show tells what a record says.
func (p *progress) show(key *types.Key) {
	line := p.line(key)
	if p.terminal {
		p.draw(line)
		return
	}
	same := line
	same.ETASeconds = 0 // it changes with the clock
	if reflect.DeepEqual(same, p.said) {
		return
	}
	p.said = same
	if raw, err := json.Marshal(line); err == nil {
		fmt.Fprintln(p.out, string(raw))
	}
}

// line sums a record up.
func (p *progress) line(key *types.Key) progressLine {
	line := progressLine{Status: statusText(key.Status), Attempt: key.Attempt, Parties: partiesOf(key)}
	if key.Failure != types.KEY_FAILURE_UNSPECIFIED {
		line.Failure = failureText(key.Failure)
	}
	line.Percent = overall(line.Parties, int(key.Threshold))
	if key.Status == types.KEY_STATUS_ACTIVE {
		line.Percent = 100
	}
	if p.began.IsZero() || p.attempt != key.Attempt {
		p.attempt, p.began, p.from = key.Attempt, p.now(), line.Percent
	}
	if gained := line.Percent - p.from; gained > 0 && line.Percent < 100 {
		took := p.now().Sub(p.began).Seconds()
		line.ETASeconds = int64(took/gained*(100-line.Percent) + 0.5)
	}
	return line
}

// partiesOf returns who said something in this attempt, by index.
func partiesOf(key *types.Key) []partyProgress {
	list := []partyProgress{}
	for _, c := range key.Contributions {
		list = append(list, partyProgress{c.Index, "done", 100})
	}
	for _, c := range key.Progress {
		if !slices.ContainsFunc(list, func(p partyProgress) bool { return p.Index == c.Index }) {
			list = append(list, partyProgress{c.Index, stageText(c.Stage), rounded(100 * float64(c.Done) / float64(max(c.Total, 1)))})
		}
	}
	slices.SortFunc(list, func(a, b partyProgress) int { return int(a.Index) - int(b.Index) })
	return list
}

// overall is how far the first threshold parties all are.
func overall(list []partyProgress, threshold int) float64 {
	if threshold == 0 || len(list) < threshold {
		return 0
	}
	percents := make([]float64, len(list))
	for i, p := range list {
		percents[i] = p.Percent
	}
	slices.Sort(percents)
	return percents[len(percents)-threshold]
}

func rounded(percent float64) float64 { return float64(int(percent*10)) / 10 }

func statusText(status types.KeyStatus) string {
	return strings.TrimPrefix(status.String(), "KEY_STATUS_")
}

func stageText(stage types.KeyStage) string {
	return strings.ToLower(strings.TrimPrefix(stage.String(), "KEY_STAGE_"))
}

// draw replaces what was drawn before.
func (p *progress) draw(line progressLine) {
	var b strings.Builder
	if p.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", p.lines)
	}
	head := fmt.Sprintf("%s, attempt %d  %s %5.1f %%", line.Status, line.Attempt, bar(line.Percent), line.Percent)
	if line.ETASeconds > 0 {
		head += fmt.Sprintf("  about %s left", time.Duration(line.ETASeconds)*time.Second)
	}
	rows := []string{head}
	if line.Failure != "" {
		rows = append(rows, "  the attempt before failed: "+line.Failure)
	}
	for _, party := range line.Parties {
		rows = append(rows, fmt.Sprintf("  party %-3d %s %5.1f %%  %s", party.Index, bar(party.Percent), party.Percent, party.Stage))
	}
	for len(rows) < p.lines {
		rows = append(rows, "") // what is gone is wiped
	}
	for _, row := range rows {
		b.WriteString("\x1b[K" + row + "\n")
	}
	p.lines = len(rows)
	_, _ = io.WriteString(p.out, b.String())
}

func bar(percent float64) string {
	full := min(barWidth, max(0, int(percent*barWidth/100)))
	return strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
}
