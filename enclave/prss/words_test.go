package prss_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/sharing"
)

func TestSharesRecomputedFromTheWordsOfAllSetsAreThoseDrawn(t *testing.T) {
	for _, n := range []int{1, 4, 7, 10, 13} {
		for _, d := range []int{4, 5} {
			sources := mpctest.Sources(t, n, d, 3, mpctest.Epoch)
			code := sources[1].Code()
			for _, k := range []uint{1, 5, 17, 31, 64} {
				t.Run(fmt.Sprintf("n=%d d=%d k=%d", n, d, k), func(t *testing.T) {
					checkWords(t, code, sources, k)
				})
			}
		}
	}
}

func checkWords(t *testing.T, code *sharing.Code, sources []*prss.Source, k uint) {
	const count, item = 200, 131
	layout := prss.Layout{Integers: 3, Elements: 1, Zeros: 2}
	a := prss.Address{Kind: "words", K: k, Sub: 9, Try: 1, First: 77}
	at := a
	at.First += item
	known := map[sharing.Parties][]uint64{}
	for i := code.N(); i >= 1; i-- { // every party has its words from another
		sets, err := prss.SharingSets(code, i)
		if err != nil {
			t.Fatal(err)
		}
		words, err := sources[i].Words(at, layout)
		if err != nil {
			t.Fatal(err)
		}
		for q, set := range sets {
			if known[set] == nil {
				known[set] = words[q]
			}
		}
	}
	parties := sharing.PartiesOf(1, code.N())
	for _, i := range parties.List() {
		v := vectors(layout, count*code.Degree())
		if err := sources[i].Draw(a, v); err != nil {
			t.Fatal(err)
		}
		sets, _ := prss.SharingSets(code, i)
		var words [][]uint64
		for _, set := range sets {
			words = append(words, known[set])
		}
		got, err := prss.Recompute(code, i, k, layout, words)
		if err != nil {
			t.Fatal(err)
		}
		for g, group := range [][][]uint64{v.Integers, v.Elements, v.Zeros} {
			for q, want := range group {
				share := [][]ring.Elem{got.Integers, got.Elements, got.Zeros}[g][q]
				if share != code.Ring().ReduceElem(code.Ring().At(want, item), k) {
					t.Fatalf("party %d: vector %d of group %d differs", i, q, g)
				}
			}
		}
		if _, err := prss.Recompute(code, i, k, layout, words[1:]); !errors.Is(err, prss.ErrParameters) {
			t.Error(err)
		}
		words[0] = words[0][1:]
		if _, err := prss.Recompute(code, i, k, layout, words); !errors.Is(err, prss.ErrParameters) {
			t.Error(err)
		}
	}
}

func vectors(l prss.Layout, words int) prss.Vectors {
	group := func(n int) [][]uint64 {
		out := make([][]uint64, n)
		for i := range out {
			out[i] = make([]uint64, words)
		}
		return out
	}
	return prss.Vectors{Integers: group(l.Integers), Elements: group(l.Elements), Zeros: group(l.Zeros)}
}
