// Package eip712 makes and checks the signatures of MPC parties: the
// EIP-712 message PublicDecryptVerification that a host chain's KMSVerifier
// accepts, UserDecryptResponseVerification that the published clients check,
// KeyVerification, the parties' word on a generated key, and EpochVerification,
// their word on the signers that follow them. It also has the messages in which a
// user authorizes a decryption, and the link that ties shares to one.
//
// It guarantees that a signature it accepts was made over exactly the stated
// domain and message by the holder of the stated address, that digests are those
// of the unmodified fhEVM contracts, and that no second encoding of a signature
// passes (65 bytes, low s, v 27 or 28). It does not know who may sign: x/kms
// asks the registry of parties.
//
// The package is pure and does not depend on the Cosmos SDK, so that parties,
// relayers and contracts' tests can use it alone.
package eip712
