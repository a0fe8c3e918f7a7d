package console

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAStepIsOneLineOffATerminal(t *testing.T) {
	var out bytes.Buffer
	c := New(&out)
	detail, took, err := c.Step("3", "a key is made", func() (string, error) {
		c.Progress("half of it")
		return "key 01", nil
	})
	require.NoError(t, err)
	require.Equal(t, "key 01", detail)
	require.Positive(t, took)
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
	require.Regexp(t, `^  3  a key is made +[0-9.]+ ms  ok      key 01\n$`, out.String())
}

func TestAFailedStepSaysSo(t *testing.T) {
	var out bytes.Buffer
	broken := errors.New("broken")
	_, _, err := New(&out).Step("", "it", func() (string, error) { return "", broken })
	require.ErrorIs(t, err, broken)
	require.True(t, strings.HasSuffix(out.String(), "FAILED\n"))
}

func TestATerminalShowsProgressAndErasesIt(t *testing.T) {
	var out bytes.Buffer
	c := &Console{out: &out, width: 40}
	c.Line("begin")
	stop := c.draw("1", "a name that is much longer than this terminal is wide", time.Now())
	stop()
	drawn := strings.TrimSuffix(strings.TrimPrefix(out.String(), "begin\n\r\x1b[K"), "\r\x1b[K")
	require.Len(t, []rune(drawn), 39)
	require.True(t, strings.HasSuffix(out.String(), "\r\x1b[K"))
}

func TestLongNamesAreCutAndShortOnesPadded(t *testing.T) {
	require.Equal(t, "ab…", pad("abcdef", 3))
	require.Equal(t, "é  ", pad("é", 3))
	require.Empty(t, strings.TrimSuffix(cut("abc", 0), "…"))
}

func TestDurationsHaveUnits(t *testing.T) {
	require.Equal(t, "1.50 ms", Duration(1500*time.Microsecond))
	require.Equal(t, "250 ms", Duration(250*time.Millisecond))
	require.Equal(t, "2.50 s", Duration(2500*time.Millisecond))
}
