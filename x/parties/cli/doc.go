// Package cli holds the commands of x/parties that autocli cannot make: sending
// the registration that a party printed, proposing rotations, and looking ahead at
// what a proposal does to the committee.
//
// It checks what is sent as the chain does before it looks at state, and shows what
// will come of it as one node tells: for people, who decide. Costs beside the bytes of
// vectors are estimates. Whether an attestation document is right, and whether a
// rotation is taken when its vote is over, only the chain tells.
package cli
