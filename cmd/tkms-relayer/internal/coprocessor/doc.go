// Package coprocessor hands encrypted inputs to the host chain's coprocessor, who
// verifies the proofs in them, takes the ciphertexts over and names their handles.
//
// It guarantees that an answer is bounded, has the form that the published clients
// expect, and names handles of the host chain that was asked about. It does not
// judge the input, nor the signatures in the answer: the client compares handles with
// its own, and the host chain's InputVerifier checks the signatures.
package coprocessor
