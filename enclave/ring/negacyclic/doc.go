// Package negacyclic multiplies public polynomials by shares of secret ones, and by
// other public ones, modulo X^N+1 and 2^64 or 2^128, exactly.
//
// A product over the integers is computed modulo as many primes as its size asks for,
// with number-theoretic transforms, and put together again. No result is rounded or
// may be wrong with some probability: the bounds are those of the worst operands, and
// tests compare with products by definition at those.
//
// Key generation opens four values at a time (package sharing opens elements), so
// [Secret] and [WideSecret] yield products in this form and compute no more than it
// takes: all transforms have a quarter of the size.
//
// The transforms are those of lattigo, whose reductions end in a conditional
// subtraction; whether that compiles to a branch is up to the compiler. The
// values are shares, each uniform by itself.
package negacyclic
