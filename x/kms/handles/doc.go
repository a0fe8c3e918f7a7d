// Package handles reads fhEVM ciphertext handles and the plaintexts that belong
// to them, without a chain, a clock or I/O.
//
// It guarantees that a handle it accepts names a supported type on the stated
// host chain, that a plaintext it accepts has exactly the words of its types
// with every value in range, and that the id of a request depends on nothing
// but the host chain, the kind, the key and the handles in their order, and of a
// user decryption on their contracts and the user's words. It says nothing
// about whether a ciphertext exists for a handle, nor whether anybody may
// decrypt it: x/acl proves that.
//
// Layout of a handle, 32 bytes (fhEVM host contracts, FHEVMExecutor and
// InputVerifier): bytes 22..29 are the host chain's id, big endian, byte 30 the
// FheType, byte 31 the version, 0.
package handles
