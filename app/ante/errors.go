package ante

import errorsmod "cosmossdk.io/errors"

// Codespace of the errors of this package.
const Codespace = "lane"

// Errors of the lanes; the codes are part of the API and never change.
var (
	ErrMixedLanes       = errorsmod.Register(Codespace, 2, "party messages and others may not share a transaction")
	ErrNotAParty        = errorsmod.Register(Codespace, 3, "the signer is not the account of a registered party")
	ErrNotUnordered     = errorsmod.Register(Codespace, 4, "party transactions must be unordered")
	ErrTimeoutTooFar    = errorsmod.Register(Codespace, 5, "the time-out of a party transaction is missing or too far away")
	ErrPartyTxTooLarge  = errorsmod.Register(Codespace, 6, "the party transaction is too large")
	ErrPartyGasTooHigh  = errorsmod.Register(Codespace, 7, "the gas limit of the party transaction is too high")
	ErrPartyTxPays      = errorsmod.Register(Codespace, 8, "party transactions pay no fee and name no payer")
	ErrManySigners      = errorsmod.Register(Codespace, 9, "party transactions have exactly one signer")
	ErrFeeTooLow        = errorsmod.Register(Codespace, 10, "the fee is below the minimum gas price")
	ErrWrongFeeDenom    = errorsmod.Register(Codespace, 11, "fees are paid in the base denomination only")
	ErrGasLimitOverflow = errorsmod.Register(Codespace, 12, "the gas limit is too high")
)
