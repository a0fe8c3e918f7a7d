package types

// Verified is what one accepted decryption proof established. Everything in it
// was read from a header sealed by the host chain's current validators or from
// state proven under that header; nothing is taken on the caller's word.
type Verified struct {
	// HeaderHash is the hash by which the host chain itself names the block.
	HeaderHash [32]byte
	// Height is the block's number on the host chain.
	Height uint64
	// Timestamp is the block's time in seconds since the epoch.
	Timestamp uint64
	// Digests holds keccak256 of the ciphertext bytes of each handle, in the
	// order in which the handles were given. Never zero.
	Digests [][32]byte
}
