package preproc

import (
	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Context is the context of a Source for an epoch's items, made with one
// generation of the set of members that the chain does not exclude. What blame
// reveals in one generation is met in no other.
func Context(setup mpc.Digest, generation uint32) mpc.Digest {
	return mpc.Hash("tkms/v1/offline", setup[:], mpc.Uint64(uint64(generation)))
}

// Attempts calls make with E, all n parties at first, and again with the next
// generation and without the culprits as long as it fails with a CulpritError: at
// most t+1 times, since E keeps n−t members. It returns whom it left out. The
// chain plays this part in a network, and there all parties see the same culprits.
func Attempts(code *sharing.Code, make func(generation uint32, from sharing.Parties) error) (culprits sharing.Parties, err error) {
	all := sharing.AllParties(code.N())
	for generation := uint32(0); ; generation++ {
		err := make(generation, all.Without(culprits))
		found := mpc.Culprits(err).Without(culprits)
		if err == nil || found == 0 || (culprits|found).Count() > code.T() {
			return culprits, err
		}
		culprits |= found
	}
}
