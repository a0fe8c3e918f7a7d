// Package client talks to a TKMS chain from Go: it signs and broadcasts
// transactions, waits for their inclusion and reads records over CometBFT RPC. A
// [UserSession] is a user's side of user decryption: it authorizes, and reads the
// shares of the parties.
//
// What a node answers is taken on its word: whoever must not believe a node
// proves records with enclave/lightclient instead. A user believes the node about who
// the parties are; if that is right, up to t wrong shares change nothing, and nobody but
// her learns the value.
package client
