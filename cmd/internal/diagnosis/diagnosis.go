// Package diagnosis is how the doctor commands say what they found: findings of three
// levels, each with what to do, on a terminal or as JSON.
package diagnosis

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Level says how bad a finding is.
type Level string

// Levels of findings.
const (
	// OK: nothing to do.
	OK Level = "ok"
	// Warn: it works, and something should be done.
	Warn Level = "warn"
	// Fail: something does not work.
	Fail Level = "fail"
)

// Errors of this package.
var (
	// ErrFailed reports findings of level Fail.
	ErrFailed = errors.New("something does not work")
	// ErrOutput reports an unknown format.
	ErrOutput = errors.New("--output is text or json")
)

// Finding is one thing that was looked at.
type Finding struct {
	Level Level `json:"level"`
	// About names what was looked at, the same whatever came of it.
	About string `json:"about"`
	// Text says what was found, Hint what to do about it; none if Level is OK.
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}

// Report collects findings in the order in which they are made.
type Report struct {
	Findings []Finding `json:"findings"`
}

// OK notes that something is as it should be.
func (r *Report) OK(about, format string, arguments ...any) {
	r.Findings = append(r.Findings, Finding{Level: OK, About: about, Text: fmt.Sprintf(format, arguments...)})
}

// Warn notes what should be done something about.
func (r *Report) Warn(about, hint, format string, arguments ...any) {
	r.Findings = append(r.Findings, Finding{Level: Warn, About: about, Text: fmt.Sprintf(format, arguments...), Hint: hint})
}

// Fail notes what does not work.
func (r *Report) Fail(about, hint, format string, arguments ...any) {
	r.Findings = append(r.Findings, Finding{Level: Fail, About: about, Text: fmt.Sprintf(format, arguments...), Hint: hint})
}

// Count returns how many findings have a level.
func (r *Report) Count(level Level) int {
	count := 0
	for _, f := range r.Findings {
		if f.Level == level {
			count++
		}
	}
	return count
}

// Write prints the report, as text or json, and returns ErrFailed if anything failed.
func (r *Report) Write(out io.Writer, output string) error {
	switch output {
	case "json":
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(r); err != nil {
			return err
		}
	case "text":
		for _, f := range r.Findings {
			fmt.Fprintf(out, "%-4s  %s: %s\n", f.Level, f.About, f.Text)
			if f.Hint != "" {
				fmt.Fprintf(out, "      hint: %s\n", f.Hint)
			}
		}
	default:
		return ErrOutput
	}
	if failed := r.Count(Fail); failed > 0 {
		return fmt.Errorf("%w: %d of %d findings failed, %d are warnings", ErrFailed, failed, len(r.Findings), r.Count(Warn))
	}
	return nil
}
