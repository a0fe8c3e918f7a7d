// Package api is the relayer's HTTP interface: ciphertext bytes by digest, public
// decryptions as the published fhEVM clients ask for them, the public key, health
// and metrics.
//
// It guarantees that a body is bounded before it is read, that an input it passes
// on is well formed, and that each refusal carries a stable label. It authenticates
// nobody: what it hands out is public, and what it accepts is worth only what the
// chains verify. Who may reach it is the operator's reverse proxy's business.
package api
