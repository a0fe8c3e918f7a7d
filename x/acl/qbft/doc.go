// Package qbft decodes and verifies block headers of chains that run QBFT in
// the layout of Hyperledger Besu.
//
// # What it guarantees
//
// A header that [Header.Verify] accepts was sealed by a quorum, ceil(2n/3), of
// distinct members of the validator set that the *caller* trusts, over exactly
// the bytes that were decoded. As long as fewer than a third of those validators
// are corrupt, no other block of that height can be sealed by the same set, and
// the header's state root and timestamp are the chain's. Decoding is strict:
// canonical RLP, bounded counts, no trailing bytes; every accepted header
// re-encodes to the bytes that were given.
//
// # What it does not
//
//   - It takes no validator set from the header. [Header.VerifySuccession] returns a
//     new set only when a quorum of the new set *and* more than a third of the
//     trusted one sealed the header that carries it.
//   - It does not replay the chain: neither the parent link nor the transition rules
//     of Besu (difficulty, gas, base fee, vote tally) are checked. The seals stand for
//     them.
//   - A header names no chain id. Two chains that share a quorum of validator keys
//     cannot be told apart here; the caller must keep such chains apart.
//   - There is no clock: freshness is the caller's.
//
// Sources: the QBFT specification (github.com/ConsenSys/qbft-formal-spec-and-verification),
// Besu's QbftExtraDataCodec and BftBlockHashing for the layout and the two hashes.
package qbft
