// Package hostchain carries signed plaintexts to contracts of one host chain.
//
// It guarantees that a call is simulated before gas is spent on it, and that a
// transaction is kept before it is sent. Whether a result is right is for the
// contract to check, against the signatures that come with it.
package hostchain
