package tfhe

import "errors"

// Every decoding error wraps exactly one of these. They name the reason; the
// text around them gives the field and the offset.
var (
	// ErrTruncated reports that the bytes end before the object does.
	ErrTruncated = errors.New("tfhe: truncated")
	// ErrTrailing reports that bytes are left after the object.
	ErrTrailing = errors.New("tfhe: trailing bytes")
	// ErrHeader reports that the bytes do not start with a safe_serialize header of a known
	// format version.
	ErrHeader = errors.New("tfhe: not a safe_serialize object of a supported format")
	// ErrKind reports that the object is of another kind than expected (its type name differs).
	ErrKind = errors.New("tfhe: another kind of object")
	// ErrVersion reports that a version tag differs from that of TFHE-rs 1.7.
	ErrVersion = errors.New("tfhe: unsupported version tag")
	// ErrParameters reports that a dimension, modulus, noise bound or other parameter differs
	// from the parameter set.
	ErrParameters = errors.New("tfhe: parameters differ from the parameter set")
	// ErrMalformed reports that a field has a value that no object of this kind has.
	ErrMalformed = errors.New("tfhe: malformed")
	// ErrType reports that the kind or number of blocks is not that of the fhEVM type.
	ErrType = errors.New("tfhe: ciphertext is not of the expected type")
	// ErrUnknownType reports that the number names no supported fhEVM type.
	ErrUnknownType = errors.New("tfhe: unknown fhEVM type")
	// ErrUnknownParameters reports that no parameter set has this name.
	ErrUnknownParameters = errors.New("tfhe: unknown parameter set")
	// ErrRange reports that a value to encrypt does not fit its type.
	ErrRange = errors.New("tfhe: value out of range of its type")
)
