// Package certificate makes and checks certificates that stand alone: what was decrypted,
// by whose leave, signed by whom, with the proofs by which somebody without any node
// convinces herself.
//
// # The file
//
// A certificate is the JSON encoding of tkms.kms.v1.ProvenCertificate: names as in the
// protobuf definition, bytes in base64, integers of 64 bits as strings. It holds records of
// the TKMS chain's state, each with its ICS-23 proof; the message by which the decryption
// was asked for, with the host chain's sealed header and the storage proofs; and the
// headers of the TKMS chain, with commits and validators, under which the records stand.
// It is encoded in one way only: another spelling of the same content is refused.
//
// # What Verify guarantees
//
// Against whoever made the file: if the TKMS header or validators that the verifier names
// are genuine, and fewer than a third of these validators are corrupt, the TKMS chain has
// the record of the request, its committee signed the result, and the host chain's
// validators, as TKMS knew them at acceptance, sealed a header under whose state the
// handles may be decrypted and belong to the ciphertexts that were. Everything that
// consensus checked of the proof is checked again. Each step is reported by itself.
//
// # What it does not
//
// A trusted header says nothing about earlier ones of other validators; and if it is
// older than the trusting period, nothing about later ones: validators who left could
// have signed anything. Whether the plaintext is right depends on the committee, and what
// the record calls simulated is.
//
// Of a user decryption it shows that the user authorized it and which shares were posted.
// What they say only she can tell.
package certificate
