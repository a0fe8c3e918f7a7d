// Package keygen generates a TFHE key set that nobody ever holds: shares of the
// secret bits of all its keys and, opened jointly, the bodies of everything that is
// published, under masks expanded from a jointly opened seed.
//
// An Attempt is a list of steps. The offline ones (secrets, products, noise) are
// sessions of package preproc; they are independent of each other. When all are
// done their ECHOs have one digest, which the parties post on the chain. Only after
// Agree with what n−t of them posted does anything leave a party that depends on
// them: the seed, the masked factors of the products, and then the rows, all opened
// at degree t, so that n−t parties suffice and whoever sends a wrong share is named.
//
// Everything opened is packed: element i of a vector shows four integers, those
// numbered 4i … 4i+3, as its coordinates. A sharing of degree t shows nothing beyond
// its value given t shares, whatever that value consists of; those of degree 2t are
// masked over the whole ring.
//
// Rows. A row's body is ⟨mask, key⟩ + noise + message, linear in shares of the bits
// except where the message is a product s_i·S_j of two secret ones. For these an
// outer product x_i·y_j of pseudo-random integers is made offline: with ε = s − x and
// ρ = S − y opened, and δ = x·y − z known,
// s_i·S_j = δ_ij + z_ij + ε_i·S_j + ρ_j·(s_i − ε_i), linear in shares. K bits of it
// suffice where the gadget scales it by 2^(width−K) at least.
//
// Guarantees against t malicious parties: every secret coefficient is a uniform bit
// and, in mode Exact, every noise sample of a component over 64 bits is TUniform of
// its bound, independent of what the corrupt parties choose; nothing but what is
// published is revealed, apart from ε, ρ, and δ, which are independent of the
// secrets; what is published is right. Noise of mode PRSS, and that of all components
// over 128 bits, is a sum of a TUniform sample for each set of n−t parties: t parties
// know all of these but one at least, so that the noise they do not know is TUniform.
//
// A machine's messages are a function of keys, addresses, and agreed values. A party
// that restarts runs unfinished steps again and sends the same bytes, and one that
// has finished a step can make its machine again for a party that has not. What a
// step made is kept before the step counts as done; what is damaged is made again.
// Nothing of an attempt is of use to another one: its randomness has a context of
// its own.
//
// Not guaranteed: that the key is fit for use. Whoever activates it decrypts
// something that was computed with it first.
package keygen
