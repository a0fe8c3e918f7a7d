package mpctest

import (
	"crypto/ed25519"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
)

// Identities returns fixed signing identities of n parties, by party.
func Identities(t testing.TB, n int) []*mpc.Identity {
	t.Helper()
	keys, public := make([]ed25519.PrivateKey, n), make([]ed25519.PublicKey, n)
	for i := range n {
		seed := make([]byte, ed25519.SeedSize)
		seed[0] = byte(i + 1)
		keys[i] = ed25519.NewKeyFromSeed(seed)
		public[i] = keys[i].Public().(ed25519.PublicKey)
	}
	out := make([]*mpc.Identity, n+1)
	for i := range n {
		id, err := mpc.NewIdentity(i+1, keys[i], public)
		if err != nil {
			t.Fatal(err)
		}
		out[i+1] = id
	}
	return out
}
