// Package evmproof verifies Merkle proofs of accounts and storage slots of EVM
// chains, in the form that eth_getProof gives (EIP-1186).
//
// # What it guarantees
//
// Against whoever made the proof: a value is returned only if it stands at that
// address, or slot, in the state named by the root, as far as keccak256 has no
// collisions. A slot that holds nothing is proven too and is zero; an account that
// does not exist is [ErrNoAccount]. There is exactly one accepted proof for a root and
// key: the nodes from the root to the value, in that order, each once and none
// besides. Count and size of the nodes are bounded before anything is decoded.
//
// # What it does not
//
// It does not know whether the root is any chain's: that is the header verifier's
// work. It does not know what a slot means: package slots does.
package evmproof
