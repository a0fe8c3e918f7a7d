// Package tfhe reads and writes the keys and ciphertexts of the TFHE-rs library
// (release 1.7, safe_serialize format) and takes ciphertexts in for threshold
// decryption. It is pure Go and does no I/O but on readers and writers that it is
// given.
//
// [Parameters] describe a key set: its secret keys, and the [Part] that each
// published component is, down to what every row encrypts, where its mask comes
// from ([Masks]) and where its body lies in the published objects ([Layout]).
// All that generates, checks or uses a key set goes by that description.
//
// A ciphertext is a value before or after noise squashing, alone, in a compact list
// or in a compressed one; [Decode] makes one kind of view of all of them, LWE
// ciphertexts under one of the keys of [KeyKind].
//
// # What it guarantees
//
// Every decoder is strict: each version tag, modulus, dimension and metadata
// field must have the one value that the given [Parameters] prescribe, lengths
// are checked against the bytes that are really there before anything is
// allocated, and trailing bytes are refused. What a decoder accepts, the
// matching MarshalBinary writes again byte for byte. Consensus code and parties
// may therefore take the hash of the bytes for the identity of the object.
//
// [Decode] accepts a ciphertext only if its kind and its number of blocks are
// exactly those of the fhEVM type that the caller expects. TFHE-rs does not: it
// loads the bytes of a FheUint8 as a FheUint64, and ignores trailing bytes.
//
// [OpenKeySet] accepts an object only if everything in it but the bodies is what
// parameters and seed prescribe, without taking it into memory.
//
// The guarantee holds against whoever chooses the bytes.
//
// # What it does not guarantee
//
// The bodies of a key set that opens need not belong to one secret key: that shows
// when the key set is used, or by who holds the key.
//
// A ciphertext that decodes need not be an honest encryption: nothing here tells
// random words from a ciphertext, and the decryption of chosen words leaks bits
// of the key. Who may bind bytes to a handle is for the caller to decide.
// Zero-knowledge proofs of encryption are read for their form, never verified.
//
// [CompactPublicKey.Encrypt] does not branch or index on its coins, but Go gives
// no promise of constant time; it is meant for a client's own machine.
package tfhe
