// Package hostchain is the relayer's hold on one host chain through nodes that it does
// not trust: it knows the newest sealed block, gathers evidence, reads events, and carries
// signed plaintexts to contracts.
//
// It guarantees that a block counts once its seals are verified, that evidence verifies
// as package client says, and that no event of a sealed block is left out. A node that
// lies, lags, goes back or is silent is left for the next: it costs delay. A contract's
// call is simulated before gas is spent on it, and a transaction is kept before it is
// sent.
//
// Nodes are believed about what concerns the relayer's own account: the price of gas, its
// nonce, the receipts of its transactions. Whether a result is right is for the contract
// to check, against the signatures that come with it.
package hostchain
