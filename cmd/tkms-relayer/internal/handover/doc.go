// Package handover brings a host chain over to the signers of a new epoch: it gives the
// owner of the host chain's verifier their certified addresses, watches the verifier,
// and shows TKMS when it takes them.
//
// It guarantees that the signers it hands over were certified, epoch by epoch from the
// one that serves the host chain, by 2t+1 members of the epoch before, and that it shows
// TKMS nothing that the host chain's state does not prove.
//
// It believes its TKMS node who the members of the epoch were that serves the host chain
// now. The owner need not: they are the signers that the verifier takes already.
package handover
