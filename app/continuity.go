package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"cosmossdk.io/collections"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
)

// continuityKey is the place of continuity among the modules' states in a genesis.
const continuityKey = "continuity"

// ErrTimeGoesBack refuses a genesis that would begin before the state that it continues ended.
var ErrTimeGoesBack = errors.New("genesis_time is before the last block of the exported state")

// continuity is what a chain that continues an exported state must know and no module exports. Without it
// transactions that ran before the export could run again: unordered ones are told apart by their nonces
// only, and the nonces that were forgotten as too old are too old only if time does not go back.
type continuity struct {
	// LastBlockTime is the time of the last block before the export.
	LastBlockTime time.Time `json:"last_block_time"`
	// UnorderedNonces in the order of the store.
	UnorderedNonces []unorderedNonce `json:"unordered_nonces"`
}

// unorderedNonce names an unordered transaction that ran.
type unorderedNonce struct {
	// Timeout in nanoseconds since the epoch.
	Timeout int64          `json:"timeout,string"`
	Sender  sdk.AccAddress `json:"sender"`
}

// ContinuesAt returns the earliest genesis time for an application state: that of the last block before it was
// exported, or the zero time if it continues nothing.
func ContinuesAt(appState json.RawMessage) (time.Time, error) {
	var state struct {
		Continuity continuity `json:"continuity"`
	}
	if err := json.Unmarshal(appState, &state); err != nil {
		return time.Time{}, fmt.Errorf("app state of genesis: %w", err)
	}
	return state.Continuity.LastBlockTime, nil
}

func (a *App) exportContinuity(ctx sdk.Context) (json.RawMessage, error) {
	stores, ok := a.CommitMultiStore().(interface {
		GetCommitInfo(version int64) (*storetypes.CommitInfo, error)
	})
	if !ok {
		return nil, fmt.Errorf("%T does not know when it was committed", a.CommitMultiStore())
	}
	last, err := stores.GetCommitInfo(a.LastBlockHeight())
	if err != nil {
		return nil, err
	}
	c := continuity{LastBlockTime: last.Timestamp.UTC(), UnorderedNonces: []unorderedNonce{}}
	err = a.Accounts.UnorderedNonces.Walk(ctx, nil, func(key collections.Pair[int64, []byte]) (bool, error) {
		c.UnorderedNonces = append(c.UnorderedNonces, unorderedNonce{Timeout: key.K1(), Sender: key.K2()})
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(c)
}

// importContinuity does nothing for a genesis that continues no other chain.
func (a *App) importContinuity(ctx sdk.Context, raw json.RawMessage) error {
	if len(raw) == 0 {
		return nil
	}
	var c continuity
	if err := json.Unmarshal(raw, &c); err != nil {
		return fmt.Errorf("%s: %w", continuityKey, err)
	}
	if ctx.BlockTime().Before(c.LastBlockTime) {
		return fmt.Errorf("%w: set it to %s or later", ErrTimeGoesBack, c.LastBlockTime.Format(time.RFC3339Nano))
	}
	for _, nonce := range c.UnorderedNonces {
		if err := a.Accounts.TryAddUnorderedNonce(ctx, nonce.Sender, time.Unix(0, nonce.Timeout)); err != nil {
			return fmt.Errorf("%s: %w", continuityKey, err)
		}
	}
	return nil
}
