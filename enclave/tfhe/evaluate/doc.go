// Package evaluate computes on ciphertexts with a published key set, as a coprocessor
// does with TFHE-rs: it expands compact lists, bootstraps, re-randomizes, compresses and
// decompresses, squashes noise and packs the result, and draws random bits. The parties
// try a key set with it before they call it active: [Check] has a use for every
// component.
//
// Results are ciphertexts that TFHE-rs reads, with no more noise than its own: where it
// multiplies polynomials by transforms of floating-point numbers, this package works with
// integers, so that the same operands give the same bytes on every machine.
//
// A key set is read from its file as it is needed, once for each operation whatever the
// number of ciphertexts, and some megabytes of it are in memory at a time. That takes
// longer than a coprocessor would: this is for trying keys, and for tests.
//
// Everything here is public: keys, ciphertexts, and, to whoever chose the coins, what
// they encrypt. Nothing is constant-time. A key set with wrong contents gives wrong
// ciphertexts, never an error: who decrypts them sees it. Operands must be what the
// functions say; their plaintexts and noise cannot be seen.
package evaluate
