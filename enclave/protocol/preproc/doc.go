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
// Guarantees against t malicious parties: all honest parties that use a batch use
// the same one; a batch with a wrong share is not used, provided that all honest
// parties are in E (excluded parties count against t). Nothing that depends on a
// batch leaves a party before its quorum.
//
// Not guaranteed: progress. One silent party of E stops the batch until the chain
// excludes it. A bad batch is burnt (its positions are never used again) and
// nobody is blamed for it here.
//
// A machine's messages are a function of keys, addresses and E, so a party that
// restarts sends the same vector again; the ECHO also depends on what came in. The
// caller persists what it signed before it leaves (Machine.Root), and never runs one
// session with two sets E.
package preproc
