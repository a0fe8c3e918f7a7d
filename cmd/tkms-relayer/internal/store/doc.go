// Package store keeps ciphertext bytes under their keccak256, in the file system or in
// a bucket of an object store that speaks S3.
//
// It guarantees that a name never stands for other bytes than those that hash to it:
// the digest is checked when bytes come in and again each time they go out, so that what
// was damaged or exchanged is refused and not served. An interrupted write leaves nothing
// under a name, and neither one object nor all together exceed their bounds. Of a bucket,
// what other writers add is counted when the store is opened.
//
// It does not guarantee that bytes stay: it is a carrier. Parties check the digest of
// what they fetch against the one that the host chain's state proves, so a store that
// lies or forgets can only be unavailable.
package store
