// Package lightclient gives a party verified headers and proven state of the
// TKMS chain without trusting any node.
//
// Nodes are only carriers: of several the first to deliver a header that
// verifies moves the client on, and none can hold it up. From a header fixed at
// provisioning, each next one must be signed by more than two thirds of the
// validators that its predecessor names (adjacent), or by more than a third of
// known ones and two thirds of its own (catching up). Values are proven by ICS-23
// against the application hash, which stands in the next height's header. A node
// that forges a value, proof, header, commit, chain id or age is refused and
// named; the others serve on.
//
// The client relies on fewer than a third of the validators of the last trusting
// period being corrupt. Two conflicting headers that both verify break that
// assumption: the client stops with ErrFork and keeps both as evidence. It also
// relies on the injected clock not running behind by as much as the trusting
// period, and on its store's integrity. It cannot tell a silent network from a
// silent chain: the caller watches the age of the latest header.
package lightclient
