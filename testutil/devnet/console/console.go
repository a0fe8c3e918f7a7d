// Package console prints the steps of a long run for a person: one line a step
// with its latency, and on a terminal what a running step waits for.
//
// Off a terminal it prints finished lines only, so that a log stays readable.
package console

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// tick is how often a running step's line is drawn again.
const tick = 100 * time.Millisecond

// defaultWidth is assumed of a terminal that does not tell its own.
const defaultWidth = 80

// nameWidth is the width of the column of names, in characters.
const nameWidth = 72

// Console prints to one writer. It is not safe for concurrent use, but for
// Progress within a step.
type Console struct {
	out io.Writer
	// width of the terminal in characters, 0 off a terminal.
	width int

	mu   sync.Mutex
	note string
}

// New returns a console. It draws running steps if out is a terminal.
func New(out io.Writer) *Console {
	c := &Console{out: out}
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		c.width = defaultWidth
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			c.width = width
		}
	}
	return c
}

// Line prints a line as it is.
func (c *Console) Line(format string, args ...any) { fmt.Fprintf(c.out, format+"\n", args...) }

// Progress says what the running step waits for. It may be called from anywhere
// within the step.
func (c *Console) Progress(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note = fmt.Sprintf(format, args...)
}

// Step runs do and prints one line about it. label comes before the name.
func (c *Console) Step(label, name string, do func() (detail string, err error)) (detail string, took time.Duration, err error) {
	c.Progress("")
	start := time.Now()
	stop := c.draw(label, name, start)
	detail, err = do()
	took = time.Since(start)
	stop()
	mark := "ok"
	if err != nil {
		mark = "FAILED"
	}
	fmt.Fprintln(c.out, strings.TrimRight(line(label, name, took, mark, detail), " "))
	return detail, took, err
}

func line(label, name string, took time.Duration, mark, detail string) string {
	return fmt.Sprintf("%3s  %s %10s  %-6s  %s", label, pad(name, nameWidth), Duration(took), mark, detail)
}

// draw keeps the line of a running step up to date until the returned function is
// called, which erases it.
func (c *Console) draw(label, name string, start time.Time) func() {
	if c.width == 0 {
		return func() {}
	}
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(tick)
		defer ticker.Stop()
		for {
			c.mu.Lock()
			note := c.note
			c.mu.Unlock()
			// A line that wraps could not be erased.
			fmt.Fprintf(c.out, "\r\x1b[K%s", cut(line(label, name, time.Since(start), "…", note), c.width-1))
			select {
			case <-end:
				fmt.Fprint(c.out, "\r\x1b[K")
				return
			case <-ticker.C:
			}
		}
	}()
	return func() { close(end); <-done }
}

// pad fills text with spaces to a width in characters; longer text is cut.
func pad(text string, width int) string {
	text = cut(text, width)
	return text + strings.Repeat(" ", width-utf8.RuneCountInString(text))
}

// cut shortens text to a width in characters.
func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:max(width-1, 0)]) + "…"
}

// Duration writes a duration with three or four digits and its unit.
func Duration(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.2f ms", d.Seconds()*1000)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1000)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}
