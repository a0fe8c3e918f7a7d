// Package devnet brings up a whole TKMS network on one machine, as separate
// processes on loopback: validators, MPC parties, an fhEVM host chain and a
// relayer. It is behind 'tkmsd devnet', 'demo' and 'bench'.
//
// Simulated are the enclave device, the host chain's coprocessor and its
// validator network; everything else is what production runs. All keys lie
// unencrypted in one folder.
package devnet
