// Package app wires the modules of the chain into one application.
//
// Consensus state is changed by x/auth, x/bank, x/consensus, x/gov and by the chain's own modules: x/poa
// (validators), x/parties (MPC parties, committees, epochs), x/acl (host chains and proofs) and x/kms
// (keys, requests, results). There is no staking and no inflation: validators are appointed by
// governance, and the supply is that of genesis. Package ante decides who pays for a transaction.
//
// The application does no I/O of its own and reads no clock: what a block does depends on the block and
// the state only.
package app
