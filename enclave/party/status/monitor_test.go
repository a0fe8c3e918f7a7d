package status

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// clock plays margins to a monitor, a second apart.
type clock struct {
	monitor
	now          time.Time
	all          []Warning
	raised, over []Warning // so far
}

func (c *clock) play(seconds int, epochs ...Epoch) {
	for range seconds {
		c.now = c.now.Add(time.Second)
		all, raised, over := c.observe(c.now, epochs)
		c.all, c.raised, c.over = all, append(c.raised, raised...), append(c.over, over...)
	}
}

func seven(margin int) Epoch {
	return Epoch{ID: 3, State: StateActive, Index: 1, N: 7, T: 2, Margin: margin}
}

func TestAMarginIsWarnedOfBeforeItIsGone(t *testing.T) {
	var c clock
	c.play(10, seven(2))
	require.Empty(t, c.raised)
	c.play(10, seven(1))
	require.Equal(t, []Warning{{3, LevelWarning, "epoch 3: 6 of 7 members are connected: 1 more may fail"}}, c.all)
	c.play(10, seven(0))
	require.Equal(t, []Warning{{3, LevelCritical, "epoch 3: 5 of 7 members are connected: if one more fails, requests wait"}}, c.all)
	require.Len(t, c.raised, 2, "each is told once")
	c.play(1, seven(-1))
	require.Len(t, c.raised, 2, "it is as critical as before")
	require.Equal(t, "epoch 3: 4 of 7 members are connected, and a decryption needs 5: requests wait", c.all[0].Text)
	require.Empty(t, c.over)
}

func TestALinkThatBreaksForAMomentIsNoWarning(t *testing.T) {
	var c clock
	for range 20 {
		c.play(3, seven(0))
		c.play(1, seven(2))
	}
	require.Empty(t, c.raised)
}

func TestAWarningIsOverWhenTheMarginHasLasted(t *testing.T) {
	var c clock
	c.play(10, seven(0))
	require.Len(t, c.all, 1)
	for range 5 { // a link that comes and goes
		c.play(20, seven(2))
		c.play(2, seven(1))
	}
	require.Equal(t, LevelCritical, c.all[0].Level)
	require.Len(t, c.raised, 1)
	c.play(20, seven(2))
	require.Empty(t, c.over)
	c.play(20, seven(2))
	require.Empty(t, c.all)
	require.Len(t, c.over, 1)
}

func TestACommitteeWithAllItsMembersIsNoWarning(t *testing.T) {
	var c clock
	c.play(60, Epoch{ID: 1, State: StateActive, N: 1, T: 0, Margin: 0}, Epoch{ID: 2, State: StateActive, N: 4, T: 1, Margin: 1})
	require.Empty(t, c.raised)
	c.play(10, Epoch{ID: 2, State: StateActive, N: 4, T: 1, Margin: 0})
	require.Equal(t, LevelCritical, c.all[0].Level)
}

func TestAnEpochThatDoesNotServeIsNotWatched(t *testing.T) {
	var c clock
	idle := seven(-3)
	idle.State = "committing"
	c.play(60, idle)
	require.Empty(t, c.raised)
	draining := seven(0)
	draining.State = StateDraining
	c.play(10, draining)
	require.Len(t, c.all, 1)
	c.play(1)
	require.Empty(t, c.all)
	require.Len(t, c.over, 1, "the epoch has ended")
	require.Empty(t, c.epochs, "and is forgotten")
}
