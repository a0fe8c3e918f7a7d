// Package wide is arithmetic modulo 2^128 and in the Galois rings R_k = GR(2^k, d)
// with k up to 128: what package ring is for 64 bits. Noise squashing needs it.
//
// Everything is computed modulo 2^128; reducing mod 2^k is a ring homomorphism, so
// a caller keeps k bits of a coordinate (Reduce, AppendPacked) where the smaller
// ring is meant. Reduced mod 2^64 all results are those of package ring.
//
// A vector of elements is a flat []Word of d words an element, lowest power of Y
// first. A single element is an Elem; coordinates from d upwards are zero.
//
// No function branches on, or indexes by, the value of a word, but Inverse, which
// is asked of public constants, and Unpack, which refuses padding that everybody
// sees. Lengths are the caller's duty: vector functions panic where they disagree.
package wide
