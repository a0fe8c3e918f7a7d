// Package api is the relayer's HTTP interface, that of the published fhEVM clients in
// both versions: public and user decryptions, inputs, the public key and the CRS; and
// besides it ciphertext bytes by digest, health, metrics and a description of it all.
//
// It guarantees that a body is bounded before it is read, that an input it passes
// on is well formed, that what costs something passed the gate, and that each refusal
// of an operation that the published clients know has a status and a label that they
// accept. What it hands out is public, or encrypted to the user who asked; what it
// accepts is worth only what the chains verify.
package api
