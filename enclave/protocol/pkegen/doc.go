// Package keygen generates a TFHE key that nobody ever holds: shares of the
// secret bits of its three keys and, opened jointly, the compact public key.
//
// It has two stages. Stage A (NewGeneration) makes shared random bits, for the
// secrets and for the noise, with the echo of package preproc; the parties post
// its digest on the chain. Stage B (NewOpening) starts when n−t equal digests are
// recorded: it opens the seed of the public mask a, and then the body
// b = a·rev(s) + e in Z/2^64[X]/(X^N+1), with openings of degree t.
//
// Guarantees against t malicious parties: every secret coefficient is a uniform
// bit, every noise sample is TUniform(bound), both independent of what the corrupt
// parties choose; nothing but seed and body is revealed; the body is right and
// whoever sends a wrong share in stage B is named, and convicted before others if it
// signed it. A key that was not completed is never continued under another session:
// an attempt has a session id, and so randomness, of its own.
//
// It does not prove to outsiders that the public key is well formed, and it does
// not check it by use: the caller decrypts a fresh encryption before the key
// becomes active (NewEncryption makes one without a bootstrapping key).
package keygen
