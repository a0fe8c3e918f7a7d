package vss_test

import (
	"fmt"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/vss"
)

var (
	session = mpc.Hash("vss test session")
	context = mpc.Hash("vss test context")
)

// world is the parties of a dealing.
type world struct {
	code       *sharing.Code
	from       sharing.Parties
	identities []*mpc.Identity
}

func newWorld(t testing.TB, n int, absent ...int) world {
	t.Helper()
	code, err := sharing.New(n, sharing.Threshold(n), sharing.DegreeFor(n))
	if err != nil {
		t.Fatal(err)
	}
	return world{code, sharing.AllParties(n).Without(sharing.PartiesOf(absent...)), mpctest.Identities(t, n)}
}

func (w world) config(i int, demand []prss.Demand) vss.Config {
	return vss.Config{
		Code: w.code, Session: session, Context: context, From: w.from, Identity: w.identities[i],
		Secret: mpc.Hash("secret", []byte{byte(i)}), Demand: demand,
	}
}

// dealings returns the machines of all members of E, by party.
func (w world) dealings(t testing.TB, demand []prss.Demand) (map[int]mpc.Machine, []*vss.Dealing) {
	t.Helper()
	machines, out := map[int]mpc.Machine{}, make([]*vss.Dealing, w.code.N()+1)
	for _, i := range w.from.List() {
		m, err := vss.New(w.config(i, demand))
		if err != nil {
			t.Fatal(err)
		}
		machines[i], out[i] = m, m
	}
	return machines, out
}

// demandOf is one of each kind in several rings.
func demandOf(count int) []prss.Demand {
	var out []prss.Demand
	for _, k := range []uint{1, 5, 17, 64, 100, 128} {
		out = append(out, prss.Demand{
			Address: prss.Address{Kind: "test", K: k, Sub: 3, First: 1000}, Layout: prss.Layout{Integers: 2, Elements: 1, Zeros: 2}, Count: count,
		})
	}
	return out
}

// drawn returns a party's shares of a demand, integers, elements and zeros one after another.
func drawn(t testing.TB, s prss.Randomness, q prss.Demand) [][]wide.Word {
	t.Helper()
	d := s.Code().Degree()
	total := q.Integers + q.Elements + q.Zeros
	out, narrow := make([][]wide.Word, total), make([][]uint64, total)
	for i := range out {
		out[i], narrow[i] = make([]wide.Word, q.Count*d), make([]uint64, q.Count*d)
	}
	if q.K > 64 {
		v := prss.WideVectors{Integers: out[:q.Integers], Elements: out[q.Integers:][:q.Elements], Zeros: out[q.Integers+q.Elements:]}
		if err := s.DrawWide(q.Address, v); err != nil {
			t.Fatal(err)
		}
		return out
	}
	v := prss.Vectors{Integers: narrow[:q.Integers], Elements: narrow[q.Integers:][:q.Elements], Zeros: narrow[q.Integers+q.Elements:]}
	if err := s.Draw(q.Address, v); err != nil {
		t.Fatal(err)
	}
	for i := range out {
		for j, x := range narrow[i] {
			out[i][j].Lo = x
		}
	}
	return out
}

// checkSharings looks whether what the parties draw is what it should be, and returns the
// values at 0 by vector.
func (w world) checkSharings(t testing.TB, sources []*vss.Source, q prss.Demand) [][]wide.Word {
	t.Helper()
	d, all := w.code.Degree(), make([][][]wide.Word, w.code.N()+1)
	for _, i := range w.from.List() {
		all[i] = drawn(t, sources[i], q)
	}
	values := make([][]wide.Word, q.Integers+q.Elements+q.Zeros)
	for v := range values {
		degree := w.code.T()
		if v >= q.Integers+q.Elements {
			degree *= 2
		}
		vectors := make([][]wide.Word, w.code.N()+1)
		for _, i := range w.from.List() {
			vectors[i] = all[i][v]
		}
		values[v] = make([]wide.Word, q.Count*d)
		if at := w.code.OpenAllWide(values[v], degree, w.from, vectors, q.K); at >= 0 {
			t.Fatalf("K=%d vector %d: item %d is on no polynomial of degree %d", q.K, v, at, degree)
		}
		for i, x := range values[v] {
			if x != (wide.Word{}) && (v < q.Integers && i%d != 0 || v >= q.Integers+q.Elements) {
				t.Fatalf("K=%d vector %d: word %d of the values is %v", q.K, v, i, x)
			}
		}
	}
	return values
}

func sourcesOf(t testing.TB, w world, machines []*vss.Dealing) []*vss.Source {
	t.Helper()
	out := make([]*vss.Source, w.code.N()+1)
	for _, i := range w.from.List() {
		if !machines[i].Done() || machines[i].Wrong() != 0 || machines[i].Missing() != 0 {
			t.Fatalf("party %d: done=%v wrong=%v missing=%v", i, machines[i].Done(), machines[i].Wrong(), machines[i].Missing())
		}
		out[i] = machines[i].Source()
	}
	return out
}

func TestPartiesDrawSharingsOfWhatWasDemanded(t *testing.T) {
	for _, n := range []int{4, 7, 10, 13, 16} {
		for _, absent := range [][]int{nil, {2}} {
			t.Run(fmt.Sprintf("n=%d without %v", n, absent), func(t *testing.T) {
				w := newWorld(t, n, absent...)
				demand := demandOf(131)
				machines, dealings := w.dealings(t, demand)
				network := mpctest.Network{Seed: uint64(n)}
				if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
					t.Fatal(err)
				}
				sources := sourcesOf(t, w, dealings)
				for _, q := range demand {
					values := w.checkSharings(t, sources, q)
					for v, list := range values[:q.Integers+q.Elements] {
						odd := 0
						for i := 0; i < len(list); i += w.code.Degree() {
							odd += int(list[i].Lo & 1)
						}
						if odd < q.Count/4 || odd > q.Count*3/4 {
							t.Errorf("K=%d: %d of %d values of vector %d are odd", q.K, odd, q.Count, v)
						}
					}
				}
			})
		}
	}
}
