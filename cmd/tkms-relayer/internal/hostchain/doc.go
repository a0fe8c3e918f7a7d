// Package hostchain gathers from one host chain's JSON-RPC node what TKMS asks
// for, and carries signed plaintexts to contracts there.
//
// It guarantees that evidence it returns verifies against the host chain's record
// on TKMS, by the same pure packages that consensus uses: a node that lies, lags or
// speaks another dialect costs no gas. It does not judge freshness, which depends
// on the block time of TKMS, and it gives no authority to what it returns.
package hostchain
