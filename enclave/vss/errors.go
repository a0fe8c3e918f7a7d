package vss

import "errors"

// Errors of this package.
var (
	// ErrConfig reports parties and keys that do not fit each other.
	ErrConfig = errors.New("vss: configuration does not fit the parties")
	// ErrDemand reports a demand outside its bounds.
	ErrDemand = errors.New("vss: the demand cannot be dealt")
	// ErrNotDealt reports a draw at an address that nobody dealt for.
	ErrNotDealt = errors.New("vss: nothing was dealt for this address")
	// ErrNoise reports a draw of noise: nothing would prove that what a dealer adds to it is
	// small. Noise is made of random bits instead.
	ErrNoise = errors.New("vss: noise cannot be dealt, make it of random bits")
	// ErrBad reports a dealing that does not pass its check. All of it is burnt; the error
	// is a mpc.CulpritError.
	ErrBad = errors.New("vss: the dealing does not pass its check, it is burnt")
	// ErrDispute reports a complaint whose answer, or itself, was false. The error is a
	// mpc.CulpritError.
	ErrDispute = errors.New("vss: a party did not deal a share, or complained about a right one")
	// ErrEncoding reports bytes that are not the encoding of what was asked for.
	ErrEncoding = errors.New("vss: malformed encoding")
)
