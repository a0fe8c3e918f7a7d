// Package fault makes parties misbehave, for tests, for the debugging command and
// for networks on one machine. A faulty party runs the machines of the product and
// its own real keys; what they send is changed on its way out, and signed again
// where a signature is on it, so that only the protocol's own checks can find the
// lie.
//
// Faults act in the offline phase, in decryption and in key generation; those with
// wrong shares also hand them to users. In the
// set-up of pseudo-random secret sharing faulty parties are honest.
//
// Production code must not import this package (a lint rule sees to that).
package fault
