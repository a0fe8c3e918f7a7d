// Package genesis builds the first state of a network: consensus parameters, validators, balances,
// governance. It is used by the command that prepares local networks and by tests, so that both start from
// what a real network starts from.
package genesis

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	cmttypes "github.com/cometbft/cometbft/types"
	"github.com/cosmos/gogoproto/proto"

	"cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"

	"github.com/tkms-network/tkms/app/params"
	poatypes "github.com/tkms-network/tkms/x/poa/types"
)

// Validator of the first set.
type Validator struct {
	// Moniker is a name of 1..64 bytes.
	Moniker string
	// Operator votes in governance.
	Operator sdk.AccAddress
	// ConsensusKey is a raw Ed25519 key, 32 bytes.
	ConsensusKey []byte
	// Power is at least 1.
	Power int64
}

// Balance of an account at genesis.
type Balance struct {
	Address sdk.AccAddress
	Coins   sdk.Coins
}

// Governance are the periods and the deposit of proposals. ExpeditedVotingPeriod must be shorter than
// VotingPeriod.
type Governance struct {
	VotingPeriod          time.Duration
	ExpeditedVotingPeriod time.Duration
	MinDeposit            sdk.Coins
}

// DefaultGovernance is meant for networks of strangers.
func DefaultGovernance() Governance {
	return Governance{
		VotingPeriod:          48 * time.Hour,
		ExpeditedVotingPeriod: 12 * time.Hour,
		MinDeposit:            sdk.NewCoins(sdk.NewInt64Coin(params.Denom, 10_000_000)),
	}
}

// DevnetGovernance decides within seconds.
func DevnetGovernance() Governance {
	g := DefaultGovernance()
	g.VotingPeriod, g.ExpeditedVotingPeriod = 4*time.Second, 3*time.Second
	return g
}

// expeditedDepositFactor is how much more the deposit of an expedited proposal is.
const expeditedDepositFactor = 5

// State is the application's state by module name.
type State map[string]json.RawMessage

// Config of a network's first state.
type Config struct {
	ChainID    string
	Time       time.Time
	Validators []Validator
	Balances   []Balance
	Governance Governance
	// Modules, if not nil, changes the state of further modules last.
	Modules func(codec.JSONCodec, State) error
}

// Build returns a genesis that every module has validated.
func Build(cdc codec.JSONCodec, txs client.TxEncodingConfig, basics module.BasicManager, cfg Config) (*genutiltypes.AppGenesis, error) {
	if len(cfg.Validators) == 0 {
		return nil, errors.New("genesis: a network needs a validator")
	}
	state := State(basics.DefaultGenesis(cdc))
	steps := []func(codec.JSONCodec, State, Config) error{setGovernance, setAccounts, setBalances, setValidators}
	for _, step := range steps {
		if err := step(cdc, state, cfg); err != nil {
			return nil, fmt.Errorf("genesis: %w", err)
		}
	}
	if cfg.Modules != nil {
		if err := cfg.Modules(cdc, state); err != nil {
			return nil, fmt.Errorf("genesis: %w", err)
		}
	}
	if err := basics.ValidateGenesis(cdc, txs, state); err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	appState, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return nil, err
	}
	doc := genutiltypes.NewAppGenesisWithVersion(cfg.ChainID, appState)
	doc.AppName = params.Name
	doc.GenesisTime = cfg.Time.UTC()
	doc.InitialHeight = 1
	doc.Consensus = &genutiltypes.ConsensusGenesis{Params: ConsensusParams()}
	return doc, doc.ValidateAndComplete()
}

// ConsensusParams bound a block to 4 MiB and its gas to 300 million, and let evidence of double signing be
// submitted for two weeks: longer than light clients trust a header.
func ConsensusParams() *cmttypes.ConsensusParams {
	p := cmttypes.DefaultConsensusParams()
	p.Block.MaxBytes = 4 << 20
	p.Block.MaxGas = 300_000_000
	p.Evidence.MaxAgeDuration = 14 * 24 * time.Hour
	p.Evidence.MaxAgeNumBlocks = 1_000_000
	p.Evidence.MaxBytes = 256 << 10
	return p
}

// Edit decodes the state of one module, lets edit change it, and stores it again.
func Edit[S any, P interface {
	*S
	proto.Message
}](cdc codec.JSONCodec, state State, moduleName string, edit func(P) error) error {
	raw, ok := state[moduleName]
	if !ok {
		return fmt.Errorf("no module %q", moduleName)
	}
	decoded := P(new(S))
	if err := cdc.UnmarshalJSON(raw, decoded); err != nil {
		return fmt.Errorf("%s: %w", moduleName, err)
	}
	if err := edit(decoded); err != nil {
		return fmt.Errorf("%s: %w", moduleName, err)
	}
	encoded, err := cdc.MarshalJSON(decoded)
	state[moduleName] = encoded
	return err
}

func setGovernance(cdc codec.JSONCodec, state State, cfg Config) error {
	return Edit(cdc, state, govtypes.ModuleName, func(gov *govv1.GenesisState) error {
		p := gov.Params
		p.VotingPeriod, p.ExpeditedVotingPeriod = &cfg.Governance.VotingPeriod, &cfg.Governance.ExpeditedVotingPeriod
		p.MinDeposit = cfg.Governance.MinDeposit
		p.ExpeditedMinDeposit = cfg.Governance.MinDeposit.MulInt(math.NewInt(expeditedDepositFactor))
		return nil
	})
}

func setAccounts(cdc codec.JSONCodec, state State, cfg Config) error {
	return Edit(cdc, state, authtypes.ModuleName, func(auth *authtypes.GenesisState) error {
		accounts := make(authtypes.GenesisAccounts, 0, len(cfg.Balances))
		for _, balance := range cfg.Balances {
			accounts = append(accounts, authtypes.NewBaseAccount(balance.Address, nil, 0, 0))
		}
		packed, err := authtypes.PackAccounts(authtypes.SanitizeGenesisAccounts(accounts))
		auth.Accounts = packed
		return err
	})
}

func setBalances(cdc codec.JSONCodec, state State, cfg Config) error {
	return Edit(cdc, state, banktypes.ModuleName, func(bank *banktypes.GenesisState) error {
		for _, balance := range cfg.Balances {
			bank.Balances = append(bank.Balances, banktypes.Balance{Address: balance.Address.String(), Coins: balance.Coins})
			bank.Supply = bank.Supply.Add(balance.Coins...)
		}
		bank.DenomMetadata = []banktypes.Metadata{{
			Description: "The coin that pays for decryptions and gas.",
			DenomUnits:  []*banktypes.DenomUnit{{Denom: params.Denom}, {Denom: "tkms", Exponent: 6}},
			Base:        params.Denom, Display: "tkms", Name: "TKMS", Symbol: "TKMS",
		}}
		return nil
	})
}

func setValidators(cdc codec.JSONCodec, state State, cfg Config) error {
	return Edit(cdc, state, poatypes.ModuleName, func(poa *poatypes.GenesisState) error {
		for _, validator := range cfg.Validators {
			poa.Validators = append(poa.Validators, poatypes.Validator{
				OperatorAddress: validator.Operator.String(),
				Moniker:         validator.Moniker,
				ConsensusPubkey: validator.ConsensusKey,
				Power:           validator.Power,
				Status:          poatypes.VALIDATOR_STATUS_ACTIVE,
			})
		}
		return nil
	})
}
