// Package hostchain runs an fhEVM host chain for tests and demonstrations: a real EVM with its
// state, transaction pool, proofs and JSON-RPC (go-ethereum), blocks sealed in Besu's QBFT header
// layout, the unmodified @fhevm/host-contracts 0.10.0, a ciphertext registry and a dApp built with
// the unmodified @fhevm/solidity 0.10.0.
//
// # What is real
//
// Headers, seals, state roots, Merkle proofs, transaction execution, the contracts' own checks.
// Every inserted block is executed again and its header and seals verified by the consensus engine
// of this package. States of all blocks are kept, so old blocks can be proven.
//
// # What is simulated
//
// The validator network: all validator keys live in one process, which seals by itself; there are
// no rounds and no votes, and successions of the validator set happen when the harness says so. The
// coprocessor: it signs every input and binds it in the registry, but verifies no zero-knowledge
// proof and computes nothing. Both say so in Info and in the health endpoint. The package protects
// nobody and must not carry value: whoever reaches its RPC port can have headers forged.
//
// # Differences from a Besu network
//
// Difficulty is 0, where Besu writes 1, since go-ethereum enables Cancun only then. Parent hashes
// cover the seals, where Besu's do not: commit seals are per header and unaffected, but the hash
// link between two headers is go-ethereum's. The rules are those of Cancun.
package hostchain
