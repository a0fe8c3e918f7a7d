// Package preproc is the offline phase: correlated randomness made before, or
// independently of, the inputs that it will serve.
//
// It makes shared random bits and products of shared random integers with a
// single opening of degree 2t over PRSS. Such an opening has no slack, so it is
// made as shares, echo, verdict: every party of a set E fixed by the chain signs
// its vector; who holds a signed vector of every party of E signs an ECHO of all
// their roots, once; and with n−t equal ECHOs, and a codeword of degree 2t at
// every index of the vectors that they name, the batch may be used.
//
// If the vectors that n−t equal ECHOs name fail, their lowest failing index is given
// up: each party of E shows what its keys gave for it, set by set, and what t+1
// members of a set say alike is right. Whoever's share is not what follows is a
// culprit (mpc.CulpritError), with WrongVector as evidence for others; a party that
// signed two vectors or two ECHOs is one by transcript.Equivocation. The batch is
// burnt: a Source of another context (Context) makes it anew without the culprits.
//
// Guarantees against t malicious parties, provided that all honest parties are in E
// (excluded ones count against t): all honest parties that use a batch use the same
// one; a batch with a wrong share is not used; one that is used is not revealed, nor
// the other way round, since both follow from the vectors of one quorum; all honest
// parties that blame find the same culprits, at least one, and no honest party is
// ever convicted. Nothing that depends on a batch leaves a party before its quorum.
//
// Where the randomness is no PRSS but was dealt (Dealt, package vss), each party of E shows
// instead the seed that it dealt from and is committed to, from which everybody computes
// what it and all others should have sent. That lays open all of the dealing, which is
// why a dealing serves one batch, or batches that are burnt together. Such culprits are
// named by all honest parties alike, without evidence for others, and a party that was
// absent cannot rebuild its shares.
//
// For keys there are sections whose openings are packed, four integers in a ring
// element: secret bits, samples of noise, which are added up from bits that nobody
// keeps, and the products of two vectors, whose factors all sections of a matrix share.
// They are made, blamed and proven like all others, over rings of up to 128 bits; what
// is burnt of a matrix is all of it. Only secret bits are rebuilt by absent parties.
//
// Not guaranteed: progress. One silent party of E stops the batch, Missing says who
// is waited for, and the chain excludes it. The others' claims are waited for as
// well: with fewer than t+1 honest members of some set in E blame does not end.
//
// A machine's vector is a function of keys, addresses and E, and so is what it
// reveals: a party that restarts sends the same again. What is drawn for an address
// must therefore not change within an epoch. The ECHO also depends on what came in,
// so it is on disk before it leaves (Journal). No session is run with two sets E.
package preproc
