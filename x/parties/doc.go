// Package parties is the chain module that knows the MPC parties.
//
// It guarantees that whoever is registered showed a document, signed by the
// enclave's vendor, of an image that governance accepted, vouching for exactly
// the registered keys on exactly this chain; that an epoch becomes active only on
// one set-up that n-t members confirmed; that who is excluded as absent is one fact
// for all parties, proven by state; and that only a member that lied is convicted,
// by what it signed or by a set-up answer that anybody can check. It guarantees so
// against operators, against up to t members and against anybody who sends
// transactions.
//
// It does not say that an image is free of faults, that an enclave still runs, nor
// who is to blame for what nobody can prove. With simulated devices, which only
// genesis can allow, a document proves nothing; then records and answers say so.
package parties
