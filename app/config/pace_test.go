package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheDefaultsAreValid(t *testing.T) {
	require.NoError(t, Comet().ValidateBasic())
	require.False(t, Comet().Storage.DiscardABCIResponses)
	require.NoError(t, Server().ValidateBasic())
}

func TestBlocksFollowQuicklyWhileThereIsWork(t *testing.T) {
	consensus := Comet().Consensus
	pace := NewPace(consensus)
	pace.Executed(0)
	require.Equal(t, TimeoutCommit, consensus.TimeoutCommit)
	pace.Executed(1)
	for range QuickBlocks {
		require.Equal(t, QuickTimeoutCommit, consensus.TimeoutCommit)
		pace.Executed(0)
	}
	require.Equal(t, TimeoutCommit, consensus.TimeoutCommit)
}

func TestAnOperatorsShorterPauseIsKept(t *testing.T) {
	consensus := Comet().Consensus
	consensus.TimeoutCommit = time.Millisecond
	pace := NewPace(consensus)
	pace.Executed(1)
	require.Equal(t, time.Millisecond, consensus.TimeoutCommit)
}
