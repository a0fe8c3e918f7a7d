// Package decrypt is the online phase of threshold decryption: LWE ciphertexts
// under a shared binary key are decrypted without the key, or the noise, ever
// being in one place.
//
// A block is switched to modulus 2^K (public, Blocks), its phase p is computed on
// shares, masked by K shared random bits r and opened: c = p − r. The carry of
// c + r into the top W bits is computed in a tree over R_W, one product of shares
// a node, and the top bits, and nothing else, are opened.
//
// Guarantees against t malicious parties out of n ≥ 3t+1: every opening is of
// degree t and accepted as soon as n−t shares lie on one polynomial, so that the
// values are right, silent parties do not matter, and whoever sends a wrong share
// is named, also after the result is known. More than t uncoordinated faults give
// no result. The opened c is uniform whatever the ciphertext is, provided that the
// items of the stock were never used before and that every honest party runs the
// session with the same ciphertexts: the session id must cover their digests.
//
// What a malformed ciphertext decrypts to is revealed like any other: W bits that
// depend on the key. Who may ask is decided on the chain.
//
// With n = 1 the block is decrypted in the clear, without messages.
package decrypt
