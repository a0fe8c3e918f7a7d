// Package relayersdk runs the ecosystem's published client library, the npm packages
// @zama-fhe/relayer-sdk and node-tkms as they are, to check that a TKMS network serves
// them. It is for tests and demonstrations: it starts node processes.
//
// A [Session] is one process that does what a dApp's frontend does. What it answers is
// the library's own word: it has checked handles, signatures and thresholds against the
// host chain's contracts, and decrypted the shares itself.
//
// [MakeCRS] makes the common reference string that the library needs to start, by
// one party. Who uses it trusts that party not to have kept its secret.
package relayersdk

import "github.com/tkms-network/tkms/testutil/npm"

// Scripts are what drives the library.
var Scripts = npm.Here("@zama-fhe/relayer-sdk", "testutil/relayersdk/crs.sh")
