// Package vss is verifiable secret sharing in batches: the parties deal each other the
// random sharings that pseudo-random secret sharing (package prss) would give them
// without a message, where that grows too dear. A Dealing makes what one following
// session draws, its Demand, and ends with a Source, which is a prss.Randomness.
//
// Every member of a set E, fixed by the chain, is a dealer. It expands a seed to
// polynomials of degree t with a random integer or element at 0, and of degree 2t with
// 0 there, and sends each member its values; it signs a list of commitments to what
// each of them gets, to a coin, and to the seed. The members agree on the lists
// (package agree). Then the coins are opened; together they choose 40 sums of random
// subsets of all that was dealt, each masked by a further sharing from every dealer.
// Each member signs its shares of these sums, the members agree on these, too, and look
// whether they are on polynomials of the right degree with the right kind of value at 0.
//
//   - If so, all that honest parties hold is right but with probability 2^−40 for each
//     kind: a sharing outside the module of right ones stays outside it in at least
//     every second sum. The coins were committed to before the first of them was shown,
//     so nobody dealt for a challenge it knew.
//   - If not, all of it is burnt: every dealer shows its seed, so that every party
//     computes what each dealer should have sent and each member should have answered.
//     A dealer whose list is not what its seed gives, and a member whose sums are not
//     what it was dealt, are culprits; all honest parties find the same, at least one.
//
// What is drawn are sums of dealings over the rows of a generator of a binary code of
// length |E| whose minimum distance exceeds t: every combination of outputs has a summand
// of an honest dealer, so to t parties the outputs are uniform, whatever these dealt.
// Since coefficients are 0 and 1 the sum of integers is an integer, as it would not be
// with a hyper-invertible matrix over the ring; the price is fewer outputs: 3, 4, 5, 5
// and 7 of 4, 7, 10, 13 and 16 dealers. The distance counts the dealers in E only: a
// party excluded as absent costs outputs, no secrecy.
//
// Who does not get its share complains; the dealer answers to everybody, sealed to a
// one-time key of the complaint, and everybody passes the answer on to the complainer.
// A wrong answer is shown by publishing the one-time key, which convicts the dealer, or
// the complainer if the answer is right.
//
// Guarantees against t malicious parties, provided that all honest ones are in E: shares
// of honest parties belong together as above; t parties know nothing of the values; no
// honest party is named as a culprit; a party that has done its part is not called
// missing because another one cheated it of its share. If a session that draws from the
// Source fails, the seeds are shown likewise (Reveal): all of what was dealt is then
// burnt, so a dealing must be for one session or for sessions that are burnt together.
//
// Not guaranteed: progress, as in package agree: one silent party of E stops it. Shares
// of corrupt parties may be wrong, which what is built on them has to bear: it does, as
// these parties can send wrong shares of anything. There is no noise of bounded size
// (ErrNoise): nothing proves that a dealer's is small; it is made of random bits or, where
// there is a set-up for them, of pseudo-random sharings (TakeNoise). A party that was not there has no
// shares, and cannot rebuild them. There is no transferable evidence but equivocation.
//
// Sources: eprint 2025/699, figures 59–63 (batched verification of dealings by a random
// combination with a public coin; it extracts with a hyper-invertible matrix, has t < n/4
// or dispute control, and challenges from an extension of the ring, where this has binary
// ones and starts anew without the culprit); Beerliová-Trubíniová and Hirt, "Perfectly-
// Secure MPC with Linear Communication Complexity" (TCC 2008), section 3, for sums of all
// dealers' sharings; Chor et al., "The Bit Extraction Problem or t-Resilient Functions"
// (FOCS 1985), for linear codes as extractors.
package vss
