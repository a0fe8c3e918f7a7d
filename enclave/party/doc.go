// Package party is the daemon of one MPC party: it follows the chain by proof,
// does the work that the chain records, and posts signed results.
//
// It acts only on records proven against headers that its light client verified;
// what a node says unproven is at most a hint where to look. Everything it has
// to do is derived from chain state, so that a restart at any point loses
// nothing; what it must not lose (identity, set-up, key shares, offline stock) is
// sealed before anything that depends on it leaves.
//
// Of what is decrypted for a user a party learns a share only, and that leaves it
// encrypted to the user's key. Whom it is for, the chain decides.
//
// Not guaranteed: progress, when no honest node or too few members can be
// reached.
package party
