package tfhe

import "errors"

// Every decoding error wraps exactly one of these. They name the reason; the
// text around them gives the field and the offset.
var (
	// ErrTruncated: the bytes end before the object does.
	ErrTruncated = errors.New("tfhe: truncated")
	// ErrTrailing: bytes are left after the object.
	ErrTrailing = errors.New("tfhe: trailing bytes")
	// ErrHeader: the bytes do not start with a safe_serialize header of a known
	// format version.
	ErrHeader = errors.New("tfhe: not a safe_serialize object of a supported format")
	// ErrKind: the object is of another kind than expected (its type name differs).
	ErrKind = errors.New("tfhe: another kind of object")
	// ErrVersion: a version tag differs from that of TFHE-rs 1.7.
	ErrVersion = errors.New("tfhe: unsupported version tag")
	// ErrParameters: a dimension, modulus, noise bound or other parameter differs
	// from the parameter set.
	ErrParameters = errors.New("tfhe: parameters differ from the parameter set")
	// ErrMalformed: a field has a value that no object of this kind has.
	ErrMalformed = errors.New("tfhe: malformed")
	// ErrType: the kind or number of blocks is not that of the fhEVM type.
	ErrType = errors.New("tfhe: ciphertext is not of the expected type")
	// ErrUnknownType: the number names no supported fhEVM type.
	ErrUnknownType = errors.New("tfhe: unknown fhEVM type")
	// ErrUnknownParameters: no parameter set has this name.
	ErrUnknownParameters = errors.New("tfhe: unknown parameter set")
	// ErrRange: a value to encrypt does not fit its type.
	ErrRange = errors.New("tfhe: value out of range of its type")
)
