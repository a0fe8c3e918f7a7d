package types

import errorsmod "cosmossdk.io/errors"

// Errors of the module; the codes are part of the API and never change. What a code depends on is
// decided by this module's own rules, never by the wording of a library's error.
var (
	ErrUnauthorized     = errorsmod.Register(ModuleName, 2, "only governance may send this message")
	ErrInvalidParams    = errorsmod.Register(ModuleName, 3, "invalid parameters")
	ErrInvalidHostChain = errorsmod.Register(ModuleName, 4, "invalid host chain record")
	ErrUnknownHostChain = errorsmod.Register(ModuleName, 5, "no such host chain")
	ErrHostChainExists  = errorsmod.Register(ModuleName, 6, "the host chain is registered already")
	ErrHostChainPaused  = errorsmod.Register(ModuleName, 7, "the host chain is paused")
	ErrHostChainFrozen  = errorsmod.Register(ModuleName, 8, "the host chain is frozen because it forked")
	ErrDomainTaken      = errorsmod.Register(ModuleName, 9, "the verifier domain belongs to another host chain")
	ErrValidatorsShared = errorsmod.Register(ModuleName, 10, "the validator set shares a quorum with another host chain, whose headers would pass for this one's")

	// Headers.
	ErrMalformedHeader   = errorsmod.Register(ModuleName, 11, "malformed header")
	ErrBadSeal           = errorsmod.Register(ModuleName, 12, "a seal is not a canonical signature or was given twice")
	ErrStranger          = errorsmod.Register(ModuleName, 13, "the header is sealed by a key that is no current validator")
	ErrNoQuorum          = errorsmod.Register(ModuleName, 14, "the header is sealed by fewer than a quorum of the current validators")
	ErrForeignValidators = errorsmod.Register(ModuleName, 15, "the header carries another validator set; submit the header that changed it first")
	ErrNoSuccession      = errorsmod.Register(ModuleName, 16, "the header's validator set may not succeed the current one")
	ErrStaleHeader       = errorsmod.Register(ModuleName, 17, "the header is too old; ask again with a newer one")
	ErrFutureHeader      = errorsmod.Register(ModuleName, 18, "the header's time is ahead of this chain's")
	ErrHeightTooLow      = errorsmod.Register(ModuleName, 19, "the header is from before the current validators are known")
	ErrConflictingHeader = errorsmod.Register(ModuleName, 20, "another block of this height was verified; submit the header to freeze the host chain")
	ErrNoFork            = errorsmod.Register(ModuleName, 21, "the headers are no evidence of a fork")

	// Proofs.
	ErrMalformedProof       = errorsmod.Register(ModuleName, 22, "malformed proof")
	ErrBadAccountProof      = errorsmod.Register(ModuleName, 23, "the account proof does not match the header's state root")
	ErrBadStorageProof      = errorsmod.Register(ModuleName, 24, "the storage proof does not match the account's storage root")
	ErrForeignCode          = errorsmod.Register(ModuleName, 25, "the contract's code is not the registered one")
	ErrForeignHandle        = errorsmod.Register(ModuleName, 26, "the handle belongs to another chain")
	ErrUnknownHandleVersion = errorsmod.Register(ModuleName, 27, "unknown handle version")
	ErrNotPermitted         = errorsmod.Register(ModuleName, 28, "the ACL does not permit public decryption of the handle")
	ErrNoDigest             = errorsmod.Register(ModuleName, 29, "no ciphertext is registered for the handle")
	ErrDigestMismatch       = errorsmod.Register(ModuleName, 30, "another ciphertext is registered for the handle than the one claimed")

	// User decryption.
	ErrOwnerNotAllowed    = errorsmod.Register(ModuleName, 31, "the ACL does not allow the handle to the user, or to the one who delegates")
	ErrContractNotAllowed = errorsmod.Register(ModuleName, 32, "the ACL does not allow the handle to the contract")
	ErrContractIsOwner    = errorsmod.Register(ModuleName, 33, "the contract and the handle's owner are one account")
	ErrNoDelegation       = errorsmod.Register(ModuleName, 34, "nothing is delegated to the user for the contract")
	ErrDelegationRevoked  = errorsmod.Register(ModuleName, 35, "the delegation was revoked")
	ErrDelegationExpired  = errorsmod.Register(ModuleName, 36, "the delegation has expired")
	ErrDelegationOff      = errorsmod.Register(ModuleName, 37, "the host chain has no delegated decryption")
	ErrStaleDelegation    = errorsmod.Register(ModuleName, 38, "the header is too old to show a delegation; ask again with a newer one")
	ErrUnknownWallet      = errorsmod.Register(ModuleName, 39, "no rule of the host chain tells how this wallet approves; sign with an account that has a key")
	ErrNotApproved        = errorsmod.Register(ModuleName, 40, "the wallet has not approved the message in its storage")

	// Signers.
	ErrNoVerifier   = errorsmod.Register(ModuleName, 41, "the host chain's record names no verifier: it follows a new epoch at once")
	ErrOtherSigners = errorsmod.Register(ModuleName, 42, "the host chain's verifier takes other signers, or another number of them")
)
