// Package bench measures what a user of TKMS waits for, on one machine: the
// parties' engine, a request on TKMS, the way from a dApp's transaction to the
// plaintext in the dApp, the way of a private value to its user, and how many users
// can be served at a time. It is behind 'tkmsd bench' and 'tkmsd bench users'.
//
// In Run requests come one at a time, at random moments with regard to both chains'
// blocks; in RunUsers as fast as they are answered. Each value is checked. All
// processes share the machine, so that figures are worse than those of a network of
// machines, except for the links.
package bench
