package preproc_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// shiftElement adds a ring element to element at of a run of the party's vector.
func shiftElement(t *testing.T, m *preproc.Machine, run, at int, add wide.Elem) func([]byte) {
	t.Helper()
	r, of := m.Source.Code().WideRing(), m.Layout().Runs[run]
	return func(vector []byte) {
		lo, hi := preproc.RunBytes(m, run)
		words := make([]wide.Word, of.Count*r.Degree())
		if err := wide.Unpack(words, vector[lo:hi], of.K); err != nil {
			t.Fatal(err)
		}
		r.Set(words, at, r.Add(r.At(words, at), add))
		copy(vector[lo:hi], wide.AppendPacked(nil, words, of.K))
	}
}

func TestImpossiblePackedValuesAreRefusedEvenIfEveryVectorIsACodeword(t *testing.T) {
	// With one party of four excluded, three points are always on a polynomial of
	// degree 2, so a cheat chooses what is opened; of the four numbers none may be odd,
	// and there is no fifth.
	from := sharing.PartiesOf(1, 2, 4)
	for _, d := range []int{4, 5} {
		c := newCluster(t, 4).degree(t, d)
		code := c.sources[1].Code()
		r := code.WideRing()
		inverse, err := r.Inverse(code.LagrangeWide(from, 0)[2])
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []preproc.Section{
			{Kind: "bit", K: 17, Count: 10, Packed: true}, {Kind: "bit", K: 128, Count: 10, Packed: true}, {Kind: "noise", K: 64, Count: 10, Noise: 5},
		} {
			for p := range d {
				var odd, even wide.Elem
				odd[p].Lo, even[p].Lo = 1, 2
				for add, bad := range map[wide.Elem]bool{odd: true, even: p == preproc.Pack, {}: false} {
					machines, got := c.start(t, from, []preproc.Section{s})
					run := preproc.Runs(got[4]) - 1
					machines[4] = liar{got[4], shiftElement(t, got[4], run, 2, r.Mul(inverse, add))}
					var network mpctest.Network
					errs := network.Run(machines, 4)
					if errors.Is(errs[1], preproc.ErrBatchBad) != bad || got[1].Done() == bad || bad && mpc.Culprits(errs[1]) != sharing.PartiesOf(4) {
						t.Errorf("d=%d %s over R_%d, %v: done=%v, %v", d, s.Kind, s.K, add, got[1].Done(), errs[1])
					}
				}
			}
		}
	}
}

func TestTheLowestWrongElementOfTheLowestOpeningIsBlamed(t *testing.T) {
	c := newCluster(t, 4)
	one := wide.Elem{{Lo: 1}}
	for name, tc := range map[string]struct {
		section preproc.Section
		wrong   [][2]int // run and element
		want    string
	}{
		"an earlier opening in a later part":    {preproc.Section{Kind: "n", K: 64, Count: 4800, Noise: 4}, [][2]int{{2, 3}, {1, 1100}}, "opening 1, item 1100"},
		"an earlier opening a few hundred on":   {preproc.Section{Kind: "n", K: 64, Count: 4800, Noise: 4}, [][2]int{{2, 3}, {1, 400}, {3, 0}}, "opening 1, item 400"},
		"an earlier element of the same one":    {preproc.Section{Kind: "n", K: 64, Count: 4800, Noise: 4}, [][2]int{{2, 1100}, {2, 400}}, "opening 2, item 400"},
		"bits":                                  {preproc.Section{Kind: "b", K: 64, Count: 4801, Packed: true}, [][2]int{{0, 1200}, {0, 1100}}, "item 1100"},
		"wide bits":                             {preproc.Section{Kind: "b", K: 65, Count: 4800, Packed: true}, [][2]int{{0, 1199}, {0, 150}}, "item 150"},
		"products of the second of three rows":  {preproc.Section{Kind: "o", K: 23, Count: 4800, Outer: preproc.Outer{Rows: 9, Columns: 1600, First: 5}}, [][2]int{{0, 1199}, {0, 401}}, "item 401"},
		"wide products of the last of the rows": {preproc.Section{Kind: "o", K: 72, Count: 480, Outer: preproc.Outer{Rows: 9, Columns: 160, First: 5}}, [][2]int{{0, 119}}, "item 119"},
	} {
		machines, got := c.start(t, sharing.AllParties(4), []preproc.Section{tc.section})
		machines[3] = liar{got[3], func(vector []byte) {
			for _, at := range tc.wrong {
				shiftElement(t, got[3], at[0], at[1], one)(vector)
			}
		}}
		got[2].Workers = concurrently
		var network mpctest.Network
		errs := network.Run(machines, 4)
		for i := 1; i <= 4; i++ {
			if mpc.Culprits(errs[i]) != sharing.PartiesOf(3) || !strings.Contains(fmt.Sprint(errs[i]), tc.want+" (") || !preproc.Erased(got[i]) {
				t.Errorf("%s: party %d: erased=%v, %v", name, i, preproc.Erased(got[i]), errs[i])
			}
			c.convicts(t, got[i].Evidence(), sharing.PartiesOf(3))
		}
	}
}

func TestMoreFaultsThanAreToleratedGiveNoAnswer(t *testing.T) {
	for _, n := range []int{4, 7} {
		c := newCluster(t, n)
		evil := sharing.AllParties(n).Without(sharing.AllParties(n - sharing.Threshold(n) - 1))
		_, any := c.start(t, sharing.AllParties(n), packed(1))
		for run := range preproc.Runs(any[1]) {
			machines, got := c.start(t, sharing.AllParties(n), packed(1))
			for _, i := range evil.List() {
				machines[i] = liar{got[i], shiftElement(t, got[i], run, 0, wide.Elem{{Lo: uint64(i)}})}
			}
			var network mpctest.Network
			errs := network.Run(machines, n)
			for _, i := range sharing.AllParties(n).Without(evil).List() {
				if got[i].Done() || got[i].Material() != nil || mpc.Culprits(errs[i]).Without(evil) != 0 {
					t.Errorf("n=%d, run %d: party %d: done=%v, %v", n, run, i, got[i].Done(), errs[i])
				}
			}
		}
	}
}

func TestAPartySendsTheSameAgainHoweverItWorks(t *testing.T) {
	c := newCluster(t, 4)
	var first [][]byte
	for _, workers := range []func(int, func(int)){nil, concurrently, func(n int, f func(int)) {
		for i := range n {
			f(n - 1 - i)
		}
	}} {
		machines, got := c.start(t, sharing.AllParties(4), packed(700))
		for i := 1; i <= 4; i++ {
			if workers != nil {
				got[i].Workers = workers
			}
		}
		var sent [][]byte
		network := mpctest.Network{InOrder: true, Tap: func(e mpctest.Envelope) []mpctest.Envelope {
			if e.From == 1 {
				sent = append(sent, bytes.Clone(e.Payload))
			}
			return []mpctest.Envelope{e}
		}}
		if err := mpctest.FirstError(network.Run(machines, 4)); err != nil {
			t.Fatal(err)
		}
		sent = append(sent, got[1].Opened())
		if first == nil {
			first = sent
		}
		if len(sent) != 7 || len(sent) != len(first) {
			t.Fatalf("%d messages", len(sent))
		}
		for i := range sent {
			if !bytes.Equal(sent[i], first[i]) {
				t.Errorf("message %d is another", i)
			}
		}
	}
}

func TestNoTwoSectionsShareRandomness(t *testing.T) {
	// Were the four numbers of a pack, chunks, rows, matrices, bits of a sample or
	// samples at other places drawn from one place, their vectors would agree.
	c := newCluster(t, 4)
	vectors := map[string]string{}
	matrix := preproc.Section{Kind: "m", K: 64, Count: 8, Outer: preproc.Outer{Rows: 4, Columns: 8}}
	with := func(s preproc.Section, change func(s *preproc.Section)) preproc.Section { change(&s); return s }
	bits := preproc.Section{Kind: "m", K: 64, Count: 4, Packed: true}
	for name, s := range map[string]preproc.Section{
		"bits":            bits,
		"later bits":      with(bits, func(s *preproc.Section) { s.First = 4 }),
		"another try":     with(bits, func(s *preproc.Section) { s.Try = 1 }),
		"another sub":     with(bits, func(s *preproc.Section) { s.Sub = 9 }),
		"wider bits":      with(bits, func(s *preproc.Section) { s.K = 72 }),
		"widest bits":     with(bits, func(s *preproc.Section) { s.K = 128 }),
		"a row":           matrix,
		"another row":     with(matrix, func(s *preproc.Section) { s.Outer.First = 1 }),
		"another matrix":  with(matrix, func(s *preproc.Section) { s.Sub = 1 }),
		"a wider matrix":  with(matrix, func(s *preproc.Section) { s.K = 72 }),
		"noise":           {Kind: "m", K: 64, Count: 4, Noise: 9},
		"other noise":     {Kind: "m", K: 64, Count: 4, Noise: 10},
		"noise elsewhere": {Kind: "m", K: 64, First: 4, Count: 4, Noise: 9},
	} {
		_, got := c.start(t, sharing.AllParties(4), []preproc.Section{s})
		out, err := got[1].Start()
		if err != nil {
			t.Fatal(err)
		}
		for at := 64; at+24 <= len(out[0].Payload); at += 32 { // an element, less its end
			element := string(out[0].Payload[at : at+24])
			if before, ok := vectors[element]; ok {
				t.Errorf("%s has an element of %s", name, before)
			}
			vectors[element] = name
		}
	}
}
