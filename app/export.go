package app

import (
	"encoding/json"
	"errors"
	"fmt"

	cmttypes "github.com/cometbft/cometbft/types"

	"github.com/cosmos/cosmos-sdk/crypto/keys/ed25519"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"

	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"

	cryptocodec "github.com/cosmos/cosmos-sdk/crypto/codec"
)

// ErrPartialExport refuses exports that the modules cannot honour.
var ErrPartialExport = errors.New("export takes the whole state at its height: --for-zero-height and --modules-to-export are not supported")

// Export returns the state of the last committed block as a genesis that continues at the next height. It
// is the upgrade path: stop at a halt height, export, start the new binary from the exported genesis, whose
// time must not be before that of the last block (ContinuesAt).
func (a *App) Export(forZeroHeight bool, modules []string) (servertypes.ExportedApp, error) {
	if forZeroHeight || len(modules) > 0 {
		return servertypes.ExportedApp{}, ErrPartialExport
	}
	ctx := a.NewContextLegacy(true, cmtproto.Header{Height: a.LastBlockHeight()})
	state, err := a.modules.ExportGenesis(ctx, a.cdc)
	if err != nil {
		return servertypes.ExportedApp{}, fmt.Errorf("export: %w", err)
	}
	if state[continuityKey], err = a.exportContinuity(ctx); err != nil {
		return servertypes.ExportedApp{}, fmt.Errorf("export: %w", err)
	}
	appState, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return servertypes.ExportedApp{}, err
	}
	all, err := a.PoA.AllValidators(ctx)
	if err != nil {
		return servertypes.ExportedApp{}, err
	}
	var validators []cmttypes.GenesisValidator
	for _, validator := range all {
		if !validator.IsActive() {
			continue
		}
		key, err := cryptocodec.ToCmtPubKeyInterface(&ed25519.PubKey{Key: validator.ConsensusPubkey})
		if err != nil {
			return servertypes.ExportedApp{}, err
		}
		validators = append(validators, cmttypes.GenesisValidator{
			Address: key.Address(), PubKey: key, Power: validator.Power, Name: validator.Moniker,
		})
	}
	return servertypes.ExportedApp{
		AppState:        appState,
		Validators:      validators,
		Height:          a.LastBlockHeight() + 1,
		ConsensusParams: a.GetConsensusParams(ctx),
	}, nil
}
