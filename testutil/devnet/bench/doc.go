// Package bench measures what a user of TKMS waits for, on one machine: the
// parties' engine, a request on TKMS, and the way from a dApp's transaction to
// the plaintext in the dApp. It is behind 'tkmsd bench'.
//
// Requests come one at a time, at random moments with regard to both chains'
// blocks, and each value is checked. All processes share the machine, so that
// figures are worse than those of a network of machines, except for the links.
package bench
