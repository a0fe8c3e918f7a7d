// Package agree is how the members of a set E, fixed by the chain, come to hold the
// same signed vectors: shares, echo. Every party signs its vector; who holds a signed
// vector of every party of E signs an ECHO of all their roots, once; and n−t equal
// ECHOs name the vectors that count. Who lacks one of them fetches it from those that
// sent an ECHO.
//
// Guarantees against t malicious parties, provided that all honest parties are in E
// (excluded ones count against t): no two honest parties agree on different vectors,
// since two quorums share an honest party; and what they agree on was fixed before the
// first of them saw a quorum. A party that signed two vectors or two ECHOs is convicted
// by transcript.Equivocation; no honest party ever is.
//
// Not guaranteed: progress. One silent party of E stops it, Missing says who is waited
// for, and the chain excludes it. Nor that a vector is what it should be: the verdict
// is the caller's.
//
// The ECHO depends on what came in, so it is on disk before it leaves (Journal). The
// vector has to be a function of what survives a restart.
package agree
