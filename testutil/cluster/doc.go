// Package cluster runs n parties in one process, connected by real mutual TLS
// over the loopback interface, and decrypts with a TFHE-rs client key that it
// deals among them, or with a key that they generate. Single parties can be made
// faulty.
//
// It is for tests, benchmarks and the debugging command: a dealt key is known to
// its dealer, and all shares of a generated one are in this process. Production
// code must not import this package (a lint rule sees to that). Between the parties it is the
// real thing: the same machines, router, mesh and wire encodings that tkms-party
// runs.
package cluster
