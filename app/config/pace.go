package config

import (
	"time"

	cmtcfg "github.com/cometbft/cometbft/config"
)

// Pace shortens the pause between blocks while there is work: state of height H is provable only under the
// header of H+1, and what follows a request (its results) comes soon after it.
//
// CometBFT reads the pause (timeout_commit) after it has executed a block, in the goroutine that executed
// it, so that a node with the application in its own process may change it then. Each node decides for
// itself, by the same rule; nothing depends on whether others do.
type Pace struct {
	consensus *cmtcfg.ConsensusConfig
	idle      time.Duration
	quick     int
}

// NewPace takes the configuration object that the node is started with. Its timeout_commit is the pause
// without work.
func NewPace(consensus *cmtcfg.ConsensusConfig) *Pace {
	return &Pace{consensus: consensus, idle: consensus.TimeoutCommit}
}

// Executed is to be called when a block was executed, with the number of its transactions and in the
// goroutine that executed it.
func (p *Pace) Executed(transactions int) {
	switch {
	case transactions > 0:
		p.quick = QuickBlocks
	case p.quick > 0:
		p.quick--
	}
	p.consensus.TimeoutCommit = p.idle
	if p.quick > 0 {
		p.consensus.TimeoutCommit = min(p.idle, QuickTimeoutCommit)
	}
}
