// Package transcript fixes what a party signs about the shares that it sends, so
// that a single share can be shown to anybody later.
//
// What is sent is a list of runs, each a vector of elements of one ring packed for
// the wire. Every run is cut into leaves of LeafItems elements, which are whole
// bytes for every ring; a Merkle tree stands over the leaves of all runs, and the
// party signs its root in a Statement that also names the session, what is signed
// and the layout. A Share is an element's leaf with its path and that signature.
//
// A signature on another layout, session or phase convinces nobody. Two statements
// about one session, batch and phase convict the signer (Equivocation), so a party
// has a root on disk, or can compute it again from what it has on disk, before it
// leaves. So does a share that misses the polynomial of n−t others (WrongOpening).
// An honest party that does this is never convicted by any t others; a guilty one is
// not convicted by what it did not sign: silence, lateness and shares that went to
// one party only, unsigned, prove nothing to anybody.
package transcript
