// Package store keeps ciphertext bytes in the file system under their keccak256.
//
// It guarantees that a name never stands for other bytes than those that hash to
// it at the time of writing, that an interrupted write leaves nothing under a
// name, and that neither one object nor all together exceed their bounds.
//
// It does not guarantee that bytes stay: it is a carrier. Parties check the
// digest of what they fetch against the one that the host chain's state proves,
// so a store that lies or forgets can only be unavailable.
package store
