// Package seal keeps a party's secrets on disk so that only the same party's
// enclave reads them back, each only for what it was sealed for.
//
// Every object has a fresh data key under AES-256-GCM; the data key is wrapped
// by a Wrapper, which in production is a key-management service that releases it
// to an attested enclave only. Object and wrapped key are both bound to chain,
// party, key, epoch and kind: a file moved to another name, from another epoch
// or of another party is refused (ErrBinding), a changed one too (ErrDamaged).
// A write is atomic and durable when Put returns.
//
// Against whoever holds the disk this protects secrecy and integrity, and not
// freshness: an old file of the same binding opens. Hence epochs are part of the
// binding, and the caller takes the epoch that it expects from the chain, never
// from the disk. Nor does it keep anybody from deleting files.
//
// With the wrapper simulated-device the wrapping key derives from a file beside
// the data: that protects nothing and serves development only.
package seal
