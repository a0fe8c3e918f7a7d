// Package decrypt is the online phase of threshold decryption: LWE ciphertexts
// under a shared binary key are decrypted without the key, or the noise, ever
// being in one place.
//
// When a block, mod 2^64 or 2^128, is taken in it is switched to modulus 2^K, which is
// public, and its phase p is computed on shares (Phases). A session masks the phases by K shared
// random bits r and opens c = p − r. The carry of c + r into the top W bits is found
// by digits: with the opened c a digit's carry is an entry of a table that the
// offline phase made of its bits. The digits' carries are joined in a tree or in one
// step (preproc.Shape), and the top bits, and nothing else, are opened.
//
// Guarantees against t malicious parties out of n ≥ 3t+1: every opening is of
// degree t and accepted as soon as n−t shares lie on one polynomial, so that the
// values are right, silent parties do not matter, and whoever sends a wrong share
// is named, also after the result is known. More than t uncoordinated faults give
// no result. The opened c is uniform whatever the ciphertext is, provided that the
// items of the stock were never used before and that every honest party runs the
// session with the same ciphertexts: the session id must cover their digests and
// the items.
//
// With the values known, each party signs one root over all that it sent, and who
// finds a party wrong shows its root to the others. A wrong share under a signature,
// or two roots of one party, convict it before anybody (Evidence). A party that signs
// nothing, or not what it sent, is named here and convicted of nothing. All that a
// party sends follows from its keys, the items and the ciphertexts, so an honest one
// that runs a session again signs the same root.
//
// A session may keep the values: it then ends with each party's shares of them, for
// somebody who collects these, and what it opens last is hidden by uniform elements
// that the parties draw (Config.Keep). Of the values a party learns nothing, and who
// collects the shares nothing but the values, even with t parties: all shares follow
// from the values and any t of them. Every honest party has the right ones, whatever
// others sent.
//
// Values found over a ring that is too small for who reads their shares are lifted, for
// one more round, with the tables of an item of another shape (Config.Lift).
//
// Blocks mod 2^128, whose noise is far below half a step, can instead be decrypted in one
// round and without offline items (Flooding): what is opened is the phase, to which
// every set of n−t parties has added noise of its own. Honest noise then hides that of
// the ciphertext up to a distance of 2^−40 a block, if this is at most 2^70, as real
// ciphertexts are quieter: the other way is perfect, and for every ciphertext. The noise
// is drawn in a context of the blocks, so that no two inputs ever meet the same, and the
// guarantees about wrong shares are those of the sessions above.
//
// What a malformed ciphertext decrypts to is revealed like any other: W bits that
// depend on the key, of a flooded one some 12 more. Who may ask is decided on the chain.
//
// With n = 1 the block is decrypted in the clear, without messages.
package decrypt
