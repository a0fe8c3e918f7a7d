package types

import "context"

// Verifier is what x/acl offers to modules that act on proofs of a host chain's state.
type Verifier interface {
	// VerifyPublicDecryption checks in consensus that a registered host chain's ACL lets
	// anybody have the plaintexts of the handles, and returns which ciphertext bytes
	// belong to them. Handles are 1 or more, distinct, in the order of the proof's
	// storage proofs. claimed is empty or one digest a handle: the bytes that the
	// requester holds. Each reason for refusal has a registered error of its own; on
	// error nothing was written.
	VerifyPublicDecryption(ctx context.Context, hostChainID uint64, proof DecryptionProof, handles, claimed [][32]byte) (Verified, error)
	// VerifyUserDecryption checks in consensus that a registered host chain's ACL lets
	// a user have the plaintexts of the handles, and returns which ciphertext bytes
	// belong to them. Storage proofs are in the order that DecryptionProof names. Each
	// reason for refusal has a registered error of its own; on error nothing was written.
	VerifyUserDecryption(ctx context.Context, hostChainID uint64, proof DecryptionProof, access UserAccess) (Verified, error)
	// VerifySigners checks in consensus that a registered host chain's verifier takes the
	// signatures of exactly these signers, in this order, and that a result needs threshold
	// of them. It returns the height of the header that showed it. Each reason for refusal
	// has a registered error of its own; on error nothing was written.
	VerifySigners(ctx context.Context, hostChainID uint64, proof SignersProof, signers [][20]byte, threshold uint32) (uint64, error)
	// HostChain returns a host chain's record, or ErrUnknownHostChain.
	HostChain(ctx context.Context, hostChainID uint64) (HostChain, error)
}
