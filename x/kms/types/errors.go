package types

import (
	"errors"

	errorsmod "cosmossdk.io/errors"
)

// Errors of the module. The codes are part of the API and never change.
var (
	ErrUnauthorized       = errorsmod.Register(ModuleName, 2, "the sender may not send this message")
	ErrMalformed          = errorsmod.Register(ModuleName, 3, "malformed message")
	ErrPaused             = errorsmod.Register(ModuleName, 4, "messages of this kind are paused by governance")
	ErrUnknownHostChain   = errorsmod.Register(ModuleName, 5, "unknown host chain")
	ErrUnknownKey         = errorsmod.Register(ModuleName, 6, "unknown key")
	ErrKeyNotActive       = errorsmod.Register(ModuleName, 7, "the key is not active")
	ErrKeyOfOther         = errorsmod.Register(ModuleName, 8, "the key belongs to another host chain")
	ErrHostChainHasKey    = errorsmod.Register(ModuleName, 9, "the host chain has a key; only governance may ask for an additional one")
	ErrUnknownParams      = errorsmod.Register(ModuleName, 10, "unknown parameter set")
	ErrFeeTooLow          = errorsmod.Register(ModuleName, 11, "the price exceeds max_fee")
	ErrTooManyHandles     = errorsmod.Register(ModuleName, 12, "too many handles for one request")
	ErrTooManyBlocks      = errorsmod.Register(ModuleName, 13, "too many ciphertext blocks for one request")
	ErrRateLimited        = errorsmod.Register(ModuleName, 14, "the host chain used up its ciphertext blocks of this window")
	ErrInvalidHandle      = errorsmod.Register(ModuleName, 15, "invalid handle")
	ErrDigestMismatch     = errorsmod.Register(ModuleName, 16, "a digest differs from the one that is bound to the handle")
	ErrNoEpoch            = errorsmod.Register(ModuleName, 17, "no epoch holds the key now")
	ErrUnknownRequest     = errorsmod.Register(ModuleName, 18, "unknown request")
	ErrNotMember          = errorsmod.Register(ModuleName, 19, "the account is not a party of the epoch")
	ErrWrongAttempt       = errorsmod.Register(ModuleName, 20, "another attempt is current")
	ErrWrongEpoch         = errorsmod.Register(ModuleName, 21, "the request is pinned to another epoch")
	ErrClosed             = errorsmod.Register(ModuleName, 22, "too late: fulfilled and paid, or past its deadline")
	ErrDuplicate          = errorsmod.Register(ModuleName, 23, "the party's word is in already")
	ErrInvalidPlaintext   = errorsmod.Register(ModuleName, 24, "the plaintext does not fit the types of the handles")
	ErrInvalidSignature   = errorsmod.Register(ModuleName, 25, "not signed by the party's registered key over this content")
	ErrNoEchoQuorum       = errorsmod.Register(ModuleName, 26, "too few equal echoes are on chain")
	ErrInvalidParams      = errorsmod.Register(ModuleName, 27, "invalid parameters")
	ErrInvalidGenesis     = errorsmod.Register(ModuleName, 28, "invalid genesis")
	ErrNotFulfilled       = errorsmod.Register(ModuleName, 29, "the request is not fulfilled")
	ErrInvalidCertificate = errorsmod.Register(ModuleName, 30, "invalid certificate")

	// User decryption.
	ErrNoUserDecryption      = errorsmod.Register(ModuleName, 31, "the host chain has no user decryption")
	ErrInvalidPublicKey      = errorsmod.Register(ModuleName, 32, "the user's public key is not a serialized ML-KEM-512 key")
	ErrInvalidDuration       = errorsmod.Register(ModuleName, 33, "an authorization holds for 1 to 365 days")
	ErrTooManyContracts      = errorsmod.Register(ModuleName, 34, "an authorization names 1 to 10 contracts")
	ErrUnsupportedExtraData  = errorsmod.Register(ModuleName, 35, "extra data other than none or 0x00")
	ErrContractNotAuthorized = errorsmod.Register(ModuleName, 36, "the authorization does not name the handle's contract")
	ErrContractIsOwner       = errorsmod.Register(ModuleName, 37, "the handle's contract and its owner are one address")
	ErrNotYetValid           = errorsmod.Register(ModuleName, 38, "the authorization does not hold yet")
	ErrNoLongerValid         = errorsmod.Register(ModuleName, 39, "the authorization has expired")
	ErrNotSignedByUser       = errorsmod.Register(ModuleName, 40, "the authorization is not what the user signed for this host chain")
	ErrTooManyBits           = errorsmod.Register(ModuleName, 41, "too many plaintext bits for one user decryption")
	ErrCommitteeTooLarge     = errorsmod.Register(ModuleName, 42, "clients cannot put the shares of this epoch together: it has more than 15 members, tolerates fewer corruptions than so many can, or its randomness is dealt")
	ErrWrongKind             = errorsmod.Register(ModuleName, 43, "a plaintext for a user decryption, or a share for a public one")
	ErrInvalidShare          = errorsmod.Register(ModuleName, 44, "the share is not the party's for this request")

	// Generation of keys.
	ErrFailureTooLikely = errorsmod.Register(ModuleName, 45, "under the key operations would come out wrong too often")
	ErrUnsupportedNoise = errorsmod.Register(ModuleName, 46, "keys of these parameters are not generated with this noise by so many parties")
	ErrTooSoon          = errorsmod.Register(ModuleName, 47, "the party's last word on its progress is too recent")

	// Changes of the committee.
	ErrEpochNotActive = errorsmod.Register(ModuleName, 48, "another epoch is active")
)

// CodeOf returns the code of an error of this module, 1 for any other error and
// 0 for none.
func CodeOf(err error) uint32 {
	if err == nil {
		return 0
	}
	var coded *errorsmod.Error
	if errors.As(err, &coded) && coded.Codespace() == ModuleName {
		return coded.ABCICode()
	}
	return 1
}
