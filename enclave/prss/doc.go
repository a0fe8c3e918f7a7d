// Package prss is pseudo-random secret sharing: after one set-up the parties draw
// sharings of common random values without a message.
//
// For each set A of n−t parties a key r_A is known to exactly its members; f_A is
// the polynomial of degree t with f_A(0)=1 that is 0 at the points of all others.
// A draw sums, over the sets that a party is in, pseudo-random values times
// f_A(α_i). Source: Cramer, Damgård, Ishai, "Share Conversion, Pseudorandom
// Secret-Sharing and Applications" (TCC 2005), sections 3 and 4.
//
// Randomness is addressed, never counted: a value is a function of the keys, the
// context (an epoch's or a session's id), the kind, and the position (item,
// sub-item, try). Two draws of one position are the same value; whoever uses a
// position for two different inputs gives their difference away, so callers take
// item ranges from the chain and never reuse one.
//
// Beyond 64 bits there are draws of the same kinds (DrawWide), and for both widths
// draws of noise for the keys of a scheme, which is small (DrawNoise): there each set
// adds a number of its own distribution, so what t parties do not know of the sum is
// that of one set at least, and the sum is wider by the square root of their number.
//
// Time and memory grow with the number of sets. Where they are too many the parties deal
// each other the same values (package vss); protocols that take either have a Randomness.
//
// Guarantees against t corrupt parties: drawn values are pseudo-random given all
// that the corrupt parties know, since one set contains none of them. It does not
// hide anything from t+1 parties: together they know every key. Keys, and all
// drawn from them, are key material of their epoch.
//
// The keys come from a Contribution of each party, committed to on the chain and
// opened to the members of each set by a Setup. Against t corrupt parties all
// honest ones get the same keys: what a member was not shown it complains about on
// the chain, where the answer is sealed to it alone (SealOpening); who answers
// wrong, or complains about a right answer, is convicted; and what nobody honest
// can have is left out by all. At least t+1 contribute to each key. The chain
// decides; this package says what is missing, opens and checks.
package prss
