// Package cli holds the commands of x/kms that autocli cannot make: requesting a
// decryption from a file with its proof, reading values as a user, and waiting for
// the outcome.
//
// What a node answers is taken on its word; whoever must not believe a node
// verifies the certificate.
package cli
