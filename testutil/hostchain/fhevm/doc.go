// Package fhevm states the published facts of an fhEVM host chain that its tests and clients
// need: addresses baked into @fhevm/host-contracts 0.10.0, the ACL's and the ciphertext
// registry's storage slots, the layout of handles, the EIP-712 messages of coprocessors and of
// KMS signers, and the proof encodings of the verifier contracts.
//
// Everything here is a pure function. Handles and slots are computed independently of the code
// that verifies them on TKMS, so that a test comparing the two compares two derivations; the
// tests of package hostchain check both against the unmodified contracts.
package fhevm
