package preproc

import "github.com/tkms-network/tkms/enclave/mpc"

// Context is the context of a Source for an epoch's items, made with one
// generation of the set of members that the chain does not exclude. What blame
// reveals in one generation is met in no other.
func Context(setup mpc.Digest, generation uint32) mpc.Digest {
	return mpc.Hash("tkms/v1/offline", setup[:], mpc.Uint64(uint64(generation)))
}
