package preproc_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/sharing"
)

var session = mpc.Hash("preproc test")

// sections of every kind that the protocols use.
func sections(count int) []preproc.Section {
	return []preproc.Section{
		{Kind: "bit", K: 1, First: 3, Count: count},
		{Kind: "bit", K: 2, First: 3, Count: count},
		{Kind: "bit", K: 17, First: 3, Count: count},
		{Kind: "bit", K: 64, First: 3, Count: count},
		{Kind: "product", K: 5, First: 3, Count: count, Products: 1},
		{Kind: "product", K: 5, First: 3, Count: count, Products: 2, Sub: 1},
		{Kind: "product", K: 64, First: 3, Count: count, Products: 2},
	}
}

type cluster struct {
	n          int
	keys       []*prss.Keys
	sources    []*prss.Source
	identities []*mpc.Identity
	dealt      []prss.Randomness // instead of sources
}

// source returns what a party draws from.
func (c cluster) source(i int) prss.Randomness {
	if c.dealt != nil {
		return c.dealt[i]
	}
	return c.sources[i]
}

func newCluster(t testing.TB, n int) cluster {
	t.Helper()
	c := cluster{n: n, keys: mpctest.Keys(t, n, 7), sources: make([]*prss.Source, n+1), identities: mpctest.Identities(t, n)}
	code, err := sharing.New(n, sharing.Threshold(n), 4)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= n; i++ {
		if c.sources[i], err = prss.NewSource(c.keys[i], code, preproc.Context(mpctest.Epoch, 0)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// honest returns what sections open to.
func (c cluster) honest(t testing.TB, list []preproc.Section) []byte {
	t.Helper()
	machines, got := c.start(t, sharing.AllParties(c.n), list)
	var network mpctest.Network
	if err := mpctest.FirstError(network.Run(machines, c.n)); err != nil {
		t.Fatal(err)
	}
	return got[1].Opened()
}

// start makes the machines of the members of from.
func (c cluster) start(t testing.TB, from sharing.Parties, list []preproc.Section) (map[int]mpc.Machine, []*preproc.Machine) {
	t.Helper()
	machines, out := map[int]mpc.Machine{}, make([]*preproc.Machine, c.n+1)
	for _, i := range from.List() {
		m, err := preproc.New(preproc.Config{Source: c.source(i), Session: session, Batch: 2, From: from, Identity: c.identities[i], Sections: list})
		if err != nil {
			t.Fatal(err)
		}
		machines[i], out[i] = m, m
	}
	return machines, out
}

func (c cluster) open(t *testing.T, from sharing.Parties, k uint, count int, part func(i int) []uint64) []uint64 {
	t.Helper()
	code := c.source(from.List()[0]).Code()
	vectors := make([][]uint64, c.n+1)
	for _, i := range from.List() {
		vectors[i] = part(i)
	}
	values, integers := make([]uint64, count*code.Degree()), make([]uint64, count)
	if i := code.OpenAll(values, code.T(), from, vectors, k); i >= 0 {
		t.Fatalf("index %d is not on a polynomial of degree t", i)
	}
	if i := code.Integers(integers, values); i >= 0 {
		t.Fatalf("index %d is no integer", i)
	}
	return integers
}

func TestMaterialIsWhatItShouldBe(t *testing.T) {
	for _, n := range []int{1, 4, 7, 10, 13} {
		count, c := 700, newCluster(t, n)
		if n > 7 {
			count = 150 // a draw for 13 parties takes 20 µs
		}
		for _, absent := range []sharing.Parties{0, sharing.PartiesOf(n)} {
			if n == 1 && absent != 0 {
				continue
			}
			t.Run(fmt.Sprintf("n=%d without %v", n, absent), func(t *testing.T) {
				list := sections(count)
				from := sharing.AllParties(n).Without(absent)
				machines, got := c.start(t, from, list)
				network := mpctest.Network{InOrder: true}
				if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
					t.Fatal(err)
				}
				if n > 1 && network.Rounds != preproc.Rounds {
					t.Errorf("%d rounds", network.Rounds)
				}
				first := got[from.List()[0]]
				for _, i := range from.List() {
					if !got[i].Done() || got[i].Wrong() != 0 || got[i].Echo() != first.Echo() || !bytes.Equal(got[i].Opened(), first.Opened()) {
						t.Fatalf("party %d: done=%v wrong=%v", i, got[i].Done(), got[i].Wrong())
					}
				}
				c.check(t, from, list, got)
			})
		}
	}
}

// check opens finished material of bits, products and packed openings: it is what it
// should be.
func (c cluster) check(t *testing.T, from sharing.Parties, list []preproc.Section, got []*preproc.Machine) {
	t.Helper()
	for a, s := range list {
		if isPacked(s) {
			c.checkPacked(t, from, s, func(i int) preproc.Material { return got[i].Material()[a] })
			continue
		}
		if s.Products == 0 {
			bits := c.open(t, from, s.K, s.Count, func(i int) []uint64 { return got[i].Material()[a].Bits })
			ones := 0
			for _, b := range bits {
				if b > 1 {
					t.Fatalf("R_%d: %d is no bit", s.K, b)
				}
				ones += int(b)
			}
			if off := 2*ones - s.Count; off*off > 25*s.Count { // 5 standard deviations
				t.Errorf("R_%d: %d ones of %d", s.K, ones, s.Count)
			}
			continue
		}
		x := c.open(t, from, s.K, s.Count, func(i int) []uint64 { return got[i].Material()[a].X })
		for q := range s.Products {
			y := c.open(t, from, s.K, s.Count, func(i int) []uint64 { return got[i].Material()[a].Y[q] })
			z := c.open(t, from, s.K, s.Count, func(i int) []uint64 { return got[i].Material()[a].Z[q] })
			for i := range x {
				if (x[i]*y[i]-z[i])<<(64-s.K) != 0 {
					t.Fatalf("R_%d: %d·%d ≠ %d", s.K, x[i], y[i], z[i])
				}
			}
		}
	}
}

// resign returns a vector message of party i for other bytes, correctly signed.
func (c cluster) resign(m *preproc.Machine, payload []byte, i int, alter func([]byte)) []byte {
	body := bytes.Clone(payload[ed25519.SignatureSize:])
	alter(body)
	return append(preproc.SignVector(m, c.identities[i], body), body...)
}

func TestAVectorSentToSomeIsFetchedFromTheOthers(t *testing.T) {
	for _, n := range []int{4, 7} {
		c := newCluster(t, n)
		for seed := range uint64(5) {
			machines, got := c.start(t, sharing.AllParties(n), sections(5))
			network := mpctest.Network{Seed: seed, Tap: func(e mpctest.Envelope) []mpctest.Envelope {
				if e.From == n && e.To == 1 {
					return nil
				}
				return []mpctest.Envelope{e}
			}}
			if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
				t.Fatal(err)
			}
			if !got[1].Done() || got[1].Echo() != got[2].Echo() {
				t.Fatalf("n=%d: party 1 is not done", n)
			}
		}
	}
}

func TestNoBatchIsUsedBeforeNMinusTEchoes(t *testing.T) {
	for _, n := range []int{4, 7} {
		c := newCluster(t, n)
		th := sharing.Threshold(n)
		for _, lost := range []int{th, th + 1} {
			machines, got := c.start(t, sharing.AllParties(n), sections(5))
			network := mpctest.Network{Tap: func(e mpctest.Envelope) []mpctest.Envelope {
				if e.To == 1 && e.Round == 1 && e.From > n-lost {
					return nil
				}
				return []mpctest.Envelope{e}
			}}
			if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
				t.Fatal(err)
			}
			if got[1].Done() != (lost <= th) || (got[1].Missing() == 0) != got[1].Done() {
				t.Errorf("n=%d, %d echoes lost: done=%v", n, lost, got[1].Done())
			}
		}
	}
}

func TestASlowHonestPartyAndACheatDoNotGetAnUnverifiedBatchUsed(t *testing.T) {
	// Without the slow party's vector any change of the cheat's is a codeword.
	for _, n := range []int{4, 7} {
		c := newCluster(t, n)
		evil, slow := n, n-1
		for _, silent := range []bool{true, false} {
			machines, got := c.start(t, sharing.AllParties(n), sections(5))
			network := mpctest.Network{
				Late: func(e mpctest.Envelope) bool { return e.From == slow },
				Tap: func(e mpctest.Envelope) []mpctest.Envelope {
					if e.From == evil && e.Round == 0 {
						e.Payload = c.resign(got[evil], e.Payload, evil, func(b []byte) { b[len(b)-1] ^= 0x40 })
					}
					if e.From == evil && e.Round == 1 || silent && e.From == slow {
						return nil
					}
					return []mpctest.Envelope{e}
				}}
			errs := network.Run(machines, n)
			for i := 1; i < n; i++ {
				bad := errors.Is(errs[i], preproc.ErrBatchBad)
				if got[i].Done() || got[i].Material() != nil || i != slow && bad == silent {
					t.Errorf("n=%d: party %d: done=%v, %v", n, i, got[i].Done(), errs[i])
				}
			}
		}
	}
}

func TestImpossibleValuesAreRefusedEvenIfEveryVectorIsACodeword(t *testing.T) {
	// With one party of four excluded, three points are always on a polynomial of
	// degree 2, so a cheat chooses what a bit's v opens to.
	c := newCluster(t, 4)
	from := sharing.PartiesOf(1, 2, 4)
	code := c.sources[1].Code()
	r := code.Ring()
	section := []preproc.Section{{Kind: "bit", K: 17, Count: 1}}
	inverse, err := r.Inverse(code.Lagrange(from, 0)[2])
	if err != nil {
		t.Fatal(err)
	}
	for name, add := range map[string]ring.Elem{"odd": {1}, "no integer": {0, 2}, "as it was": {}} {
		shift := r.Mul(inverse, add)
		machines, got := c.start(t, from, section)
		machines[4] = liar{got[4], func(b []byte) {
			v := make([]uint64, 4)
			if err := ring.Unpack(v, b, 17); err != nil {
				t.Fatal(err)
			}
			r.Set(v, 0, r.Add(r.At(v, 0), shift))
			copy(b, ring.AppendPacked(nil, v, 17))
		}}
		var network mpctest.Network
		errs := network.Run(machines, 4)
		bad := name != "as it was"
		if errors.Is(errs[1], preproc.ErrBatchBad) != bad || got[1].Done() == bad || bad && mpc.Culprits(errs[1]) != sharing.PartiesOf(4) {
			t.Errorf("%s: done=%v, %v", name, got[1].Done(), errs[1])
		}
	}
}

func TestEchoesMustBeSignedAndShowRootsThatTheirOwnersSigned(t *testing.T) {
	c := newCluster(t, 4)
	_, any := c.start(t, sharing.AllParties(4), sections(5))
	sign := func(b []byte) { copy(b, preproc.EchoOf(any[4], c.identities[4], b)) }
	for name, tc := range map[string]struct {
		alter  func([]byte)
		repent bool // sends its true ECHO afterwards: it has signed two
	}{
		"another root of party 1":          {func(b []byte) { b[0] ^= 1; sign(b) }, false},
		"a bad signature":                  {func(b []byte) { b[len(b)-1] ^= 1 }, false},
		"another root, then the right one": {func(b []byte) { b[0] ^= 1; sign(b) }, true},
	} {
		machines, got := c.start(t, sharing.AllParties(4), sections(5))
		network := mpctest.Network{InOrder: true, Tap: func(e mpctest.Envelope) []mpctest.Envelope {
			out := []mpctest.Envelope{e}
			if e.From == 3 && e.Round == 1 {
				return nil
			}
			if e.From == 4 && e.Round == 1 {
				out[0].Payload = bytes.Clone(e.Payload)
				tc.alter(out[0].Payload)
				if tc.repent {
					out = append(out, e)
				}
			}
			return out
		}}
		if err := mpctest.FirstError(network.Run(machines, 4)); err != nil {
			t.Fatal(err)
		}
		if got[1].Done() || !got[1].Wrong().Has(4) || len(got[1].Evidence()) > 0 != tc.repent {
			t.Errorf("%s: done=%v wrong=%v evidence=%v", name, got[1].Done(), got[1].Wrong(), got[1].Evidence())
		}
		c.convicts(t, got[1].Evidence(), sharing.PartiesOf(4))
	}
}

func TestASecondECHOConvictsAlsoAfterTheBatchIsDone(t *testing.T) {
	for _, genuine := range []bool{true, false} {
		c := newCluster(t, 4)
		machines, got := c.start(t, sharing.AllParties(4), sections(5))
		late := map[int][]byte{}
		network := mpctest.Network{InOrder: true, Tap: func(e mpctest.Envelope) []mpctest.Envelope {
			if e.From == 4 && e.To == 1 && e.Round == 1 {
				late[1] = bytes.Clone(e.Payload)
				return nil
			}
			return []mpctest.Envelope{e}
		}}
		if err := mpctest.FirstError(network.Run(machines, 4)); err != nil || !got[1].Done() {
			t.Fatalf("done=%v, %v", got[1].Done(), err)
		}
		first := bytes.Clone(late[1])
		if !genuine {
			first[len(first)-1] ^= 1
		}
		second := bytes.Clone(late[1])
		second[0] ^= 1
		second = preproc.EchoOf(got[1], c.identities[4], second)
		for _, echo := range [][]byte{first, first, second} {
			if out, err := got[1].Receive(4, 1, bytes.Clone(echo)); err != nil || len(out) != 0 || !got[1].Done() {
				t.Fatalf("%d messages, %v", len(out), err)
			}
		}
		if found := len(got[1].Evidence()); (found == 1) != genuine {
			t.Errorf("genuine=%v: %d pieces of evidence", genuine, found)
		}
		c.convicts(t, got[1].Evidence(), sharing.PartiesOf(4))
	}
}

func TestMessagesOfAnotherSessionAreNotAccepted(t *testing.T) {
	c := newCluster(t, 4)
	all := sharing.AllParties(4)
	record := map[int][]byte{}
	for i := 1; i <= 4; i++ {
		m, _ := preproc.New(preproc.Config{Source: c.sources[i], Session: mpc.Hash("other"), Batch: 2, From: all, Identity: c.identities[i], Sections: sections(5)})
		out, err := m.Start()
		if err != nil {
			t.Fatal(err)
		}
		record[i] = out[0].Payload
	}
	machines, got := c.start(t, all, sections(5))
	network := mpctest.Network{Tap: func(e mpctest.Envelope) []mpctest.Envelope {
		switch {
		case e.From == 4 && e.Round == 0:
			e.Payload = bytes.Clone(record[4])
		case e.From == 4: // else it would be asked for the right one
			return nil
		}
		return []mpctest.Envelope{e}
	}}
	if err := mpctest.FirstError(network.Run(machines, 4)); err != nil {
		t.Fatal(err)
	}
	if got[1].Done() || !got[1].Wrong().Has(4) {
		t.Errorf("done=%v wrong=%v", got[1].Done(), got[1].Wrong())
	}
}

func TestConfigurationsThatDoNotFitAreRefused(t *testing.T) {
	c := newCluster(t, 4)
	good := preproc.Config{Source: c.sources[1], Session: session, From: sharing.AllParties(4), Identity: c.identities[1], Sections: sections(1)}
	if _, err := preproc.New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*preproc.Config){
		"too few":        func(c *preproc.Config) { c.From = sharing.PartiesOf(1, 2) },
		"without self":   func(c *preproc.Config) { c.From = sharing.PartiesOf(2, 3, 4) },
		"stranger":       func(c *preproc.Config) { c.From = c.From.With(5) },
		"other identity": func(o *preproc.Config) { o.Identity = c.identities[2] },
		"no kind":        func(c *preproc.Config) { c.Sections = []preproc.Section{{K: 5, Count: 1}} },
		"k = 0":          func(c *preproc.Config) { c.Sections = []preproc.Section{{Kind: "x", Count: 1}} },
		"k = 65":         func(c *preproc.Config) { c.Sections = []preproc.Section{{Kind: "x", K: 65, Count: 1}} },
		"no items":       func(c *preproc.Config) { c.Sections = []preproc.Section{{Kind: "x", K: 5}} },
		"too many": func(c *preproc.Config) {
			c.Sections = []preproc.Section{{Kind: "x", K: 5, Count: preproc.MaxItems + 1}}
		},
		"3 products": func(c *preproc.Config) { c.Sections = []preproc.Section{{Kind: "x", K: 5, Count: 1, Products: 3}} },
	} {
		bad := good
		change(&bad)
		if _, err := preproc.New(bad); !errors.Is(err, preproc.ErrConfig) && !errors.Is(err, preproc.ErrSection) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReceive(f *testing.F) {
	c := newCluster(f, 4)
	_, got := c.start(f, sharing.AllParties(4), sections(1))
	out, err := got[2].Start()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(2, uint16(0), out[0].Payload)
	f.Add(2, uint16(3), append([]byte{2}, out[0].Payload...))
	f.Add(3, uint16(2), mpc.Uint64(14))
	f.Fuzz(func(t *testing.T, from int, round uint16, payload []byte) {
		_, got := c.start(t, sharing.AllParties(4), sections(1))
		if _, err := got[1].Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := got[1].Receive(from, round, payload); err != nil || got[1].Done() {
			t.Fatalf("done=%v, %v", got[1].Done(), err)
		}
	})
}

func benchmarkSection(b *testing.B, s preproc.Section) {
	for _, n := range []int{4, 7} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			c := newCluster(b, n)
			for b.Loop() {
				machines, _ := c.start(b, sharing.AllParties(n), []preproc.Section{s})
				var network mpctest.Network
				if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*s.Count*n), "ns/item/party")
		})
	}
}

func BenchmarkBitR17(b *testing.B) {
	benchmarkSection(b, preproc.Section{Kind: "bit", K: 17, Count: 1 << 15})
}
func BenchmarkBitR64(b *testing.B) {
	benchmarkSection(b, preproc.Section{Kind: "bit", K: 64, Count: 1 << 15})
}
func BenchmarkTripleR5(b *testing.B) {
	benchmarkSection(b, preproc.Section{Kind: "product", K: 5, Count: 1 << 15, Products: 1})
}
