// Package access decides who may use the relayer, and how often: holders of API keys
// each within limits of their own, everybody else within limits of their address.
//
// It guarantees that what it remembers is bounded, whoever calls and from wherever,
// and that keys are compared and kept as digests only. A caller with many addresses
// gets as many shares of what is open to everybody; bounds on open jobs and on fees
// hold for all callers together and are other packages' business.
package access
