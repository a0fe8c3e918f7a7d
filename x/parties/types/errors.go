package types

import errorsmod "cosmossdk.io/errors"

// Errors of the module; the codes are part of the API and never change.
// ErrAttestation is the only one for whatever is wrong with a document: which
// check failed may depend on a library's version and must not be in consensus.
var (
	ErrUnauthorized       = errorsmod.Register(ModuleName, 2, "only governance may send this message")
	ErrInvalidMessage     = errorsmod.Register(ModuleName, 3, "invalid message")
	ErrInvalidParams      = errorsmod.Register(ModuleName, 4, "invalid parameters")
	ErrAttestation        = errorsmod.Register(ModuleName, 5, "the attestation document was refused")
	ErrUnknownBlock       = errorsmod.Register(ModuleName, 6, "not one of the last blocks of this chain")
	ErrKeysTaken          = errorsmod.Register(ModuleName, 7, "a key belongs to another party, or a registered party changed one")
	ErrNotNewer           = errorsmod.Register(ModuleName, 8, "the document is not newer than the one on record")
	ErrUnknownParty       = errorsmod.Register(ModuleName, 9, "no such party")
	ErrPartyRemoved       = errorsmod.Register(ModuleName, 10, "the party was removed")
	ErrAttestationLapsed  = errorsmod.Register(ModuleName, 11, "the party's attestation lapsed: register again with a new document")
	ErrUnknownEpoch       = errorsmod.Register(ModuleName, 12, "no such epoch")
	ErrEpochActive        = errorsmod.Register(ModuleName, 13, "an epoch is active")
	ErrNotMember          = errorsmod.Register(ModuleName, 14, "the party is no member of the epoch")
	ErrWrongStatus        = errorsmod.Register(ModuleName, 15, "not possible in the epoch's status")
	ErrWrongAttempt       = errorsmod.Register(ModuleName, 16, "not the current attempt of the set-up")
	ErrConflictingEntry   = errorsmod.Register(ModuleName, 17, "the member posted another digest in this attempt")
	ErrOldGeneration      = errorsmod.Register(ModuleName, 18, "the excluded set has changed: read the epoch again")
	ErrExcluded           = errorsmod.Register(ModuleName, 19, "the member is excluded")
	ErrReadyDigest        = errorsmod.Register(ModuleName, 20, "not the digest of the epoch's transcript and present generation")
	ErrRateLimited        = errorsmod.Register(ModuleName, 21, "the party's free transactions of this window are used up")
	ErrTooManyExcluded    = errorsmod.Register(ModuleName, 22, "t members are excluded already")
	ErrSimulated          = errorsmod.Register(ModuleName, 23, "only genesis can allow simulated enclave devices")
	ErrInvalidCommittee   = errorsmod.Register(ModuleName, 24, "invalid committee")
	ErrUnknownMeasurement = errorsmod.Register(ModuleName, 25, "no such measurement")
	ErrConvicted          = errorsmod.Register(ModuleName, 26, "the member was convicted and takes no further part in the epoch")
	ErrSpoken             = errorsmod.Register(ModuleName, 27, "the member confirmed or complained already in this attempt")
	ErrInvalidComplaint   = errorsmod.Register(ModuleName, 28, "invalid complaint")
	ErrUnknownComplaint   = errorsmod.Register(ModuleName, 29, "no such complaint that could be answered or revealed")
	ErrInvalidAnswer      = errorsmod.Register(ModuleName, 30, "the answer is not one to the complaint, or not of the member's commitments")
	ErrAnswered           = errorsmod.Register(ModuleName, 31, "the complaint was answered, or its key revealed, already")
	ErrInvalidEvidence    = errorsmod.Register(ModuleName, 32, "the evidence convicts nobody")
	ErrKnownEvidence      = errorsmod.Register(ModuleName, 33, "the member was convicted of this already")
	ErrBondTooLow         = errorsmod.Register(ModuleName, 34, "the party's bond is below the minimum")
	ErrBondLocked         = errorsmod.Register(ModuleName, 35, "the bond is locked: the party has a seat, or had one a short time ago")
	ErrInvalidBond        = errorsmod.Register(ModuleName, 36, "not an amount that can be added to or taken from the bond")
)
