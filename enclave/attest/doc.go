// Package attest judges attestation documents: evidence, signed by the hardware
// vendor, that a program with known measurements runs in an enclave and vouches
// for 64 bytes of its choice.
//
// The chain and the parties use the same code. Verifiers are pure functions of
// their arguments: no wall clock, network, system trust store, environment or
// iteration order takes part, work is bounded before it is done, and no input
// makes them panic. So all validators come to one verdict. Every failure is the
// one error ErrAttestation with one text; why it failed is available to logs by
// Reason and belongs in no state, event or response.
//
// What an accepted document proves is as good as the vendor's root key, and says
// that a measured program had the bound keys at the stated time. It does not say
// that the program is free of faults, that the enclave still runs, or, for the
// type dev-nitro, anything at all: there the device is a simulation.
package attest
