package types

import errorsmod "cosmossdk.io/errors"

// Errors of the module; the codes are part of the API and never change.
var (
	ErrUnauthorized      = errorsmod.Register(ModuleName, 2, "only governance may send this message")
	ErrInvalidValidator  = errorsmod.Register(ModuleName, 3, "invalid validator")
	ErrUnknownValidator  = errorsmod.Register(ModuleName, 4, "no validator of this operator")
	ErrKeyTaken          = errorsmod.Register(ModuleName, 5, "the consensus key belongs to another operator")
	ErrKeyDoubleSigned   = errorsmod.Register(ModuleName, 6, "the consensus key signed twice and cannot be appointed again")
	ErrLastValidator     = errorsmod.Register(ModuleName, 7, "the last active validator cannot be dismissed")
	ErrTooManyValidators = errorsmod.Register(ModuleName, 8, "the validator set is full")
	ErrNotAbsent         = errorsmod.Register(ModuleName, 9, "only a validator removed for its absence may rejoin")
	ErrRejoinTooEarly    = errorsmod.Register(ModuleName, 10, "the validator was removed too recently to rejoin")
	ErrInvalidParams     = errorsmod.Register(ModuleName, 11, "invalid parameters")
	ErrNotAVoter         = errorsmod.Register(ModuleName, 12, "only operators of active validators vote")
)
