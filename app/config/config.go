// Package config holds the chain's own defaults for config.toml and app.toml. They are passed to the SDK
// explicitly: left alone it would rewrite CometBFT's default commit time-out to five seconds.
package config

import (
	"time"

	cmtcfg "github.com/cometbft/cometbft/config"

	serverconfig "github.com/cosmos/cosmos-sdk/server/config"

	"github.com/tkms-network/tkms/app/params"
)

// Pace of consensus; see Pace for when blocks follow quickly. On networks with round trips above some 50 ms
// raise TimeoutPropose and the vote time-outs to several round trips, and TimeoutCommit to one; all
// validators should agree.
const (
	TimeoutPropose      = 300 * time.Millisecond
	TimeoutProposeDelta = 50 * time.Millisecond
	TimeoutVote         = 100 * time.Millisecond
	TimeoutVoteDelta    = 50 * time.Millisecond
	// TimeoutCommit is the pause after a block while there is no work.
	TimeoutCommit = 150 * time.Millisecond
	// QuickTimeoutCommit is the pause after a block with transactions and after the QuickBlocks - 1 that
	// follow it. It is long enough for the votes of slower validators to enter the next block.
	QuickTimeoutCommit = 25 * time.Millisecond
	QuickBlocks        = 8
)

// MaxTxBytes bounds a transaction in the mempool; ciphertexts never travel in transactions.
const MaxTxBytes = 1 << 20

// Comet returns the default config.toml.
func Comet() *cmtcfg.Config {
	cfg := cmtcfg.DefaultConfig()
	c := cfg.Consensus
	c.TimeoutPropose, c.TimeoutProposeDelta = TimeoutPropose, TimeoutProposeDelta
	c.TimeoutPrevote, c.TimeoutPrevoteDelta = TimeoutVote, TimeoutVoteDelta
	c.TimeoutPrecommit, c.TimeoutPrecommitDelta = TimeoutVote, TimeoutVoteDelta
	c.TimeoutCommit = TimeoutCommit
	c.SkipTimeoutCommit = false
	c.CreateEmptyBlocks = true
	c.CreateEmptyBlocksInterval = 0
	c.PeerGossipSleepDuration = 5 * time.Millisecond
	cfg.P2P.FlushThrottleTimeout = time.Millisecond
	cfg.Mempool.MaxTxBytes = MaxTxBytes
	cfg.RPC.MaxBodyBytes = 2 << 20
	cfg.RPC.PprofListenAddress = ""
	// Parties and relayers read every height's results from their cursor on.
	cfg.Storage.DiscardABCIResponses = false
	return cfg
}

// Server returns the default app.toml. The node's own minimum gas price is zero because consensus has one.
func Server() *serverconfig.Config {
	cfg := serverconfig.DefaultConfig()
	cfg.MinGasPrices = "0" + params.Denom
	cfg.QueryGasLimit = 100_000_000
	cfg.IAVLCacheSize = 100_000
	cfg.API.Enable = true
	cfg.API.Swagger = true
	cfg.API.RPCMaxBodyBytes = 2 << 20
	cfg.GRPCWeb.Enable = false
	return cfg
}
