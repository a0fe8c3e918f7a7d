// Package enginebench measures the MPC engine alone, as parties of a network run
// it: each party is a process of its own, and they talk TLS 1.3 over the loopback
// interface, set pseudo-random secret sharing up among them or, if they are many, deal each
// other randomness, make offline material with its signatures and echo, and decrypt real ciphertexts of the production
// parameters. It is behind 'tkmsd bench engine'.
//
// A coordinator starts the processes, deals a key among them, and tells them over
// pipes what to run. The time of a run is from the moment the first party starts
// until n−t parties have the value, and each value is checked. All processes share
// the machine, and links cost nothing unless a round trip is asked for.
//
// The coordinator knows the key: like everything below testutil, this is no part
// of production code.
package enginebench
