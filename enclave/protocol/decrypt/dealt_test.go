package decrypt_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/sharing"
)

func TestSixteenPartiesDecryptWithDealtRandomness(t *testing.T) {
	const n = 16
	lie := cheat{tap: func(e mpctest.Envelope) []mpctest.Envelope {
		e.Payload[0] ^= 1
		return only(e)
	}, signed: true}
	nothing := func(mpctest.Envelope) []mpctest.Envelope { return nil }
	silence := cheat{tap: nothing, root: nothing}
	for _, tc := range []struct {
		name  string
		shape preproc.Shape
		count int
		cheat cheat
		evil  sharing.Parties
		round int // that they cheat in, −1 for all
		named bool
	}{
		{"one block", production, 1, lie, 0, 1, false},
		{"32 blocks, a chain", chained, 32, lie, 0, 1, false},
		{"five wrong shares", production, 2, lie, sharing.PartiesOf(1, 4, 9, 15, 16), 1, true},
		{"one wrong share in a chain", chained, 1, lie, sharing.PartiesOf(7), 1, true},
		{"five silent", production, 2, silence, sharing.PartiesOf(2, 3, 5, 8, 13), -1, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorldOver(t, n, 5, 16, tc.shape)
			want := w.messages(tc.count)
			machines, got := w.start(t, w.encrypt(want, 1<<56), w.stock(t, tc.count))
			network := mpctest.Network{Seed: uint64(tc.count), Tap: w.liars(tc.cheat, tc.evil, tc.round)}
			if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
				t.Fatal(err)
			}
			for _, i := range sharing.AllParties(n).Without(tc.evil).List() {
				if named := got[i].Culprits(); !slices.Equal(got[i].Values(), want) || named != 0 && !tc.named || tc.named && named != tc.evil {
					t.Errorf("party %d got %v, not %v, and names %v", i, got[i].Values(), want, named)
				}
			}
			if tc.named {
				if convicted := w.judged(t, got[6]); convicted != tc.evil {
					t.Errorf("%v are convicted, not %v", convicted, tc.evil)
				}
			}
		})
	}
}

// Dealt and pseudo-random stock do the same.
func TestThirteenPartiesDecryptWithDealtRandomness(t *testing.T) {
	for _, n := range []int{7, 13} {
		t.Run(fmt.Sprintf("n=%d", n), func(t *testing.T) {
			w := newWorld(t, n, 16, production)
			w.sources = nil
			want := w.messages(3)
			machines, got := w.start(t, w.encrypt(want, 1<<56), w.stock(t, 3))
			var network mpctest.Network
			if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
				t.Fatal(err)
			}
			for i := 1; i <= n; i++ {
				if !slices.Equal(got[i].Values(), want) || got[i].Culprits() != 0 {
					t.Errorf("party %d got %v and names %v", i, got[i].Values(), got[i].Culprits())
				}
			}
		})
	}
}
