// Package authorize says whether a host chain's state permits a decryption, and whose
// signatures under its result the host chain takes, given the chain's record, a header
// that its validators sealed, and a proof.
//
// # What it guarantees
//
// Against whoever makes the proof: an answer is given only if the header is fresh, the
// registered contracts, recognized by address and code, hold at the slots of exactly
// these handles, accounts and contracts what the kind of decryption demands, and the
// registry holds a digest for each handle; and signers are those of the verifier only if
// it holds exactly them, in their order, and their threshold. Every node of a proof is
// needed; each reason for refusal has a registered error of x/acl.
//
// It is pure: consensus and those who verify a certificate later ask it the same question.
//
// # What it does not
//
// It does not look at seals: who calls Prove has verified the header. It does not know
// whether a user signed anything.
package authorize
