// Package nitro verifies AWS Nitro attestation documents: untagged COSE_Sign1
// structures (RFC 9052) whose payload is a CBOR map signed by a certificate that
// chains, in the order of the document's own bundle, to a pinned root.
//
// It is stricter than the format: one signature algorithm (ES384), one curve
// (P-384), empty unprotected header, no unknown field, no trailing byte, no path
// building, and at most eight certificates above the leaf, so that a document
// costs at most nine signature checks. Signatures are not unique (ECDSA admits
// two, and the unprotected part is the sender's): never use a hash of a document
// as its identity.
//
// There is no revocation check: chain state is where a measurement or a party is
// withdrawn.
package nitro
