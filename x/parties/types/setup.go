package types

import "github.com/tkms-network/tkms/enclave/mpc"

// SetupID names one attempt of an epoch's set-up on a chain: SHA-256 over the
// domain "tkms/v1/epoch", the chain id, the epoch and the attempt, both as 8 bytes
// big-endian, each with its length before it.
func SetupID(chainID string, epoch uint64, attempt uint32) mpc.Digest {
	return mpc.Hash("tkms/v1/epoch", []byte(chainID), mpc.Uint64(epoch), mpc.Uint64(uint64(attempt)))
}
