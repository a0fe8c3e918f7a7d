// Package cli holds the commands of x/parties that autocli cannot make: sending
// the registration that a party printed.
//
// It checks the registration as the chain does before it looks at state, and that
// the sender is its operator. Whether the attestation document is right, only the
// chain tells.
package cli
