// Package ring is arithmetic in the Galois rings R_k = GR(2^k, d) =
// Z/2^k[Y]/F_d(Y) with F_4 = Y^4+Y+1 and F_5 = Y^5+Y^2+1.
//
// Everything is computed in R_64, whose coordinates are machine words: reducing
// mod 2^k is a ring homomorphism, so a caller works in R_64 and keeps k bits of
// a coordinate (Reduce, Pack) where the smaller ring is meant.
//
// Package wide is the same for up to 128 bits.
//
// A vector of elements is a flat []uint64 of d words an element, lowest power of
// Y first. A single element is an Elem; coordinates from d upwards are zero.
//
// No function branches on, or indexes by, the value of an element or scalar, but
// Inverse, which is asked of public constants: time depends on lengths, k and d
// only. A test reads the code of this package, and of those that handle shares with
// it, for conditions, indices, bounds, divisions and shifts that depend on words of
// vectors; its list of exceptions says which of them are public. Lengths are the
// caller's duty: vector functions panic where they disagree.
//
// Sums of multiples by constants, which is what drawing and opening sharings are,
// are taken in Lanes: where k is small one multiplication serves several coordinates,
// and up to k = 5 it is that of two elements.
//
// Source: eprint 2025/699, section 2 (Galois rings, exceptional sets).
package ring
