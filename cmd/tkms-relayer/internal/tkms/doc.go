// Package tkms is the relayer's hold on the TKMS chain: it reads records, sends
// transactions of one account and knows when a block was committed.
//
// It guarantees that transactions of concurrent callers never wait for each other
// (they are unordered, each with a time-out of its own), that a transaction is
// never signed twice with one time-out, and that a node that does not answer is
// left for the next.
//
// It believes the nodes it is given. A lying node can waste the account's gas and
// make a job fail; it cannot make anybody decrypt, since parties follow the chain
// by proof, nor forge a result, since the host chain checks the signatures.
package tkms
