package ante

import (
	"errors"

	sdk "github.com/cosmos/cosmos-sdk/types"
	authante "github.com/cosmos/cosmos-sdk/x/auth/ante"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	txsigning "github.com/cosmos/cosmos-sdk/x/tx/signing"
)

// Options are what the handler needs; all are required.
type Options struct {
	Accounts        authante.AccountKeeper
	Bank            authtypes.BankKeeper
	GasPrices       GasPriceKeeper
	Parties         PartyKeeper
	SignModeHandler *txsigning.HandlerMap
	Lanes           Lanes
}

// NewHandler chains one decorator per concern.
func NewHandler(o Options) (sdk.AnteHandler, error) {
	if o.Accounts == nil || o.Bank == nil || o.GasPrices == nil || o.Parties == nil || o.SignModeHandler == nil {
		return nil, errors.New("ante: missing option")
	}
	return sdk.ChainAnteDecorators(
		authante.NewSetUpContextDecorator(), // must be the first: it sets the gas meter
		authante.NewExtensionOptionsDecorator(nil),
		authante.NewValidateBasicDecorator(),
		authante.NewTxTimeoutHeightDecorator(),
		authante.NewValidateMemoDecorator(o.Accounts),
		NewPartyShape(o.Lanes),
		authante.NewConsumeGasForTxSizeDecorator(o.Accounts),
		authante.NewDeductFeeDecorator(o.Accounts, o.Bank, nil, NewFeeChecker(o.Lanes, o.GasPrices)),
		authante.NewSetPubKeyDecorator(o.Accounts), // must precede everything that looks at signatures
		authante.NewValidateSigCountDecorator(o.Accounts),
		authante.NewSigGasConsumeDecorator(o.Accounts, authante.DefaultSigVerificationGasConsumer),
		authante.NewSigVerificationDecorator(o.Accounts, o.SignModeHandler),
		NewPartyOnly(o.Lanes, o.Parties),
		authante.NewIncrementSequenceDecorator(o.Accounts),
	), nil
}
