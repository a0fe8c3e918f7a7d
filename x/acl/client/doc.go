// Package client gathers from a host chain's JSON-RPC node what TKMS asks for: a
// sealed header and proofs of what the ACL permits, the registry holds and the verifier
// takes under it.
//
// It guarantees that evidence it returns verifies against the host chain's record
// on TKMS, by the same pure packages that consensus uses: a node that lies, lags or
// speaks another dialect costs no gas. It does not judge freshness, which depends
// on the block time of TKMS, and it gives no authority to what it returns.
package client
