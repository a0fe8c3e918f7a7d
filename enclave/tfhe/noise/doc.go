// Package noise is the written model of the noise in keys that parties generate,
// and of what it does to the ciphertexts computed on with them.
//
// All figures are variances in units of the ciphertext's last place: 2^-64 of the
// torus for the 64-bit components, 2^-128 for the two of noise squashing. Sums of
// many independent parts are taken for normally distributed.
//
// # Keys
//
// A sample of TUniform(b) has variance V(b) = (2^(2b+1) + 1)/6. Made [Exact], from
// shared random bits, it is one such sample. Made [PRSS], it is the sum of one of
// TUniform(b) from each of the C(n,t) keys of the pseudo-random secret sharing:
// variance C(n,t)·V(b), at most C(n,t)·2^b in size. Any t parties know all summands
// but one at least, so that to them the noise is no less than TUniform(b): what is
// lost is correctness, not secrecy. The 128-bit components are always made so.
//
// # Operations
//
// With n, k, N, B = 2^BaseLog, L as in [tfhe.Parameters], q the modulus, V the
// variance of a key's noise and binary secret keys (mean 1/2, second moment 1/2):
//
//	fresh encryption  V(b)·(2·n/2 + 1)                     n the public key's dimension
//	key switch        + n·L·(B²+2)/12·V  + n·(q²/(24·B^2L) + 1/48)
//	bootstrap         n·[L·(k+1)·N·(B²+2)/12·V + (q²/B^2L − 1)/24 + (k·N/2)·(q²/(24·B^2L) + 1/48) + F]
//	packing of m      + m·n·L·(B²+2)/12·V + n·(q²/(24·B^2L) + 1/48)
//	switch to w       + n·s²/24 + s²/12                     s = q/w, a coefficient of a stored list
//	centered switch   + n·(s²/48 + 1/24)                    before a bootstrap, w = 2N; rounding the
//	                                                        body moves nothing across a bound
//
// F is the floating-point transform of TFHE-rs, 0.00705 · 2^(2·max(0, log q − m)) ·
// B² · L^1.01827 · k^1.22003 · N^2.22003 · (k+1)^1.01827 with a mantissa of m = 53
// bits, or 104 for noise squashing: a coprocessor adds it, package evaluate does not.
// The formulas are those by which TFHE-rs' parameters were chosen (its module
// noise_formulas; Bergerat et al., "Parameter optimization and larger precision for
// (T)FHE", Journal of Cryptology 36, 2023), and with them come out the two numbers
// that it publishes for the production set: 2^-129.581 for the bootstrap of a sum of
// variance 5² (its maximal noise level), 2^-129.275 if what is summed comes from
// decompression.
//
// # What is refused
//
// An operation fails when noise exceeds half a step. [Model.Check] refuses a key
// whose worst operation fails with more than 2^-128, or 2^-40 under a parameter set
// that is insecure and for tests; and one whose squashed ciphertexts exceed 2^70,
// which decryption by flooding relies on, with more than 2^-40, the statistical
// security of its masks.
//
// Nobody's secrets are in this package, and nothing that it says is secret. Its
// floating-point numbers may differ between machines in their last digits: what
// must be equal everywhere, [Milli], is a table of integers.
package noise
