package qbft

import "errors"

// Errors of this package. Callers match them with errors.Is; the texts around them
// are for people and carry no meaning.
var (
	// ErrMalformed means that bytes are not a canonical header or extraData.
	ErrMalformed = errors.New("qbft: malformed header")
	// ErrInvalidSet means that a list of addresses is no validator set.
	ErrInvalidSet = errors.New("qbft: invalid validator set")
	// ErrBadSeal means that a seal is no well-formed low-s signature, or that one
	// validator sealed twice.
	ErrBadSeal = errors.New("qbft: bad seal")
	// ErrStranger means that a seal was made by a key outside the trusted set.
	ErrStranger = errors.New("qbft: sealed by a stranger")
	// ErrNoQuorum means that too few validators sealed the header.
	ErrNoQuorum = errors.New("qbft: seals below quorum")
	// ErrForeignSet means that the header carries another validator set than the trusted one.
	ErrForeignSet = errors.New("qbft: header carries another validator set")
	// ErrNoSuccession means that the header's set may not succeed the trusted one.
	ErrNoSuccession = errors.New("qbft: validator set may not succeed")
	// ErrNoFork means that two headers are no evidence of a fork.
	ErrNoFork = errors.New("qbft: no fork")
)
