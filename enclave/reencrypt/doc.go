// Package reencrypt is the form in which a party hands a user her share of a
// decryption, as the published clients of fhEVM read it: the user's key, the
// encryption and signature of a share, and the payload that carries it.
//
// A party's share of four blocks m₀ … m₃ is one element of GR(2^128, 4), its point on
// a polynomial of degree t through (m₀ + m₁Y + m₂Y² + m₃Y³)·2^123; a committee of one
// hands over the value's bytes instead. It is signed together with the user's address
// and key, and encrypted to that key by ML-KEM-512 and AES-256-GCM.
//
// Guarantees: who does not hold the user's private key learns nothing of a share but
// its length, and cannot change, redirect to another user, key or request, or pass off
// as another party's what a party made; 2t+1 right shares of n give the value, whatever
// up to t others say, and these are named. Decoders accept one encoding of a value each.
//
// It does not hide the handles, the type or who sent, and it does not make the sharing
// one of fresh randomness: that is the protocol's duty (package decrypt), without
// which shares tell the user more than the value. Nor does it know whether she may read.
//
// Sources: bytes as measured on the published clients, version 0.12.8; FIPS 203; eprint
// 2025/699 for the sharing. Signatures are ECDSA over secp256k1 with nonces of RFC 6979.
package reencrypt
