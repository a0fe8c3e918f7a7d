// Package client talks to a TKMS chain from Go: it signs and broadcasts
// transactions, waits for their inclusion and reads records over CometBFT RPC.
//
// What a node answers is taken on its word: whoever must not believe a node
// proves records with enclave/lightclient instead.
package client
