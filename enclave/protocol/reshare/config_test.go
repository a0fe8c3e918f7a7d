package reshare_test

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/protocol/reshare"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

func TestUnionIndicesAreTheNewOnesAndThenThoseOfOldMembersOnly(t *testing.T) {
	require.Equal(t, []int{5, 1, 3, 6}, reshare.Union([]string{"alice", "bob", "carol", "dave"}, []string{"bob", "erin", "carol", "frank"}))
	require.Equal(t, []int{1, 2}, reshare.Union([]uint64{7, 9}, []uint64{7, 9}))
	require.Equal(t, []int{2}, reshare.Union([]uint64{1}, []uint64{2}))
}

func TestWhatDoesNotFitIsRefused(t *testing.T) {
	items := testItems(tfhe.NameTest, tfhe.NameProductionPKE)
	old, next := newCommittee(t, 4, 1), newCommittee(t, 4, 3)
	w := newWorld(t, old, next, deal(t, old, items, 20), items)
	w.handover()
	otherRing, err := sharing.New(4, 1, 5)
	require.NoError(t, err)
	// Party 3 is old member 3 and new member 1.
	both := map[string]func(*reshare.Config){
		"no old code": func(c *reshare.Config) { c.Old = nil },
		"no new code": func(c *reshare.Config) { c.New = nil },
		"no keys":     func(c *reshare.Config) { c.Items = nil },
		"many keys": func(c *reshare.Config) {
			c.Items = slices.Repeat(items[:1], reshare.MaxItems+1)
			for i := range c.Items {
				c.Items[i].KeyID = mpc.Digest(binary.BigEndian.AppendUint32(make([]byte, 28), uint32(i)))
			}
		},
		"order":           func(c *reshare.Config) { c.Items = []reshare.Item{items[1], items[0]} },
		"a key twice":     func(c *reshare.Config) { c.Items = []reshare.Item{items[0], items[0]} },
		"old index":       func(c *reshare.Config) { c.OldSelf = 5 },
		"new index":       func(c *reshare.Config) { c.NewSelf = 5 },
		"negative":        func(c *reshare.Config) { c.OldSelf = -1 },
		"no masks":        func(c *reshare.Config) { c.Masks = nil },
		"few members":     func(c *reshare.Config) { c.Members = sharing.PartiesOf(1, 2) },
		"unknown members": func(c *reshare.Config) { c.Members = sharing.AllParties(5) },
		"nobody":          func(c *reshare.Config) { c.OldSelf, c.NewSelf = 0, 0 },
	}
	handover := map[string]func(*reshare.Config){
		"no union":         func(c *reshare.Config) { c.Union = nil },
		"union twice":      func(c *reshare.Config) { c.Union = []int{5, 5, 1, 2} },
		"union of two":     func(c *reshare.Config) { c.Union = []int{1, 5, 1, 2} },
		"union gap":        func(c *reshare.Config) { c.Union = []int{5, 7, 1, 2} },
		"union order":      func(c *reshare.Config) { c.Union = []int{6, 5, 1, 2} },
		"union 0":          func(c *reshare.Config) { c.Union = []int{5, 0, 1, 2} },
		"another self":     func(c *reshare.Config) { c.Union = []int{5, 6, 2, 1} },
		"two selves":       func(c *reshare.Config) { c.Union = []int{5, 6, 7, 2} },
		"old self missing": func(c *reshare.Config) { c.OldSelf = 0 },
		"new self missing": func(c *reshare.Config) { c.NewSelf = 0 },
		"a share less":     func(c *reshare.Config) { c.Shares = c.Shares[:1] },
		"no share":         func(c *reshare.Config) { c.Shares = []*keygen.KeyShare{c.Shares[0], nil} },
		"another key": func(c *reshare.Config) {
			c.Items = []reshare.Item{items[0], {KeyID: mpc.Digest{9}, Parameters: items[1].Parameters}}
		},
		"another name": func(c *reshare.Config) {
			renamed := items[1]
			renamed.Parameters.Name = "another"
			c.Items = []reshare.Item{items[0], renamed}
		},
		"other keys": func(c *reshare.Config) { c.Shares = []*keygen.KeyShare{c.Shares[1], c.Shares[0]} },
		"of another": func(c *reshare.Config) { c.Shares = w.shares[2] },
		"of another set": func(c *reshare.Config) {
			c.Items = []reshare.Item{items[0], {KeyID: items[1].KeyID, Parameters: items[0].Parameters}}
		},
		"another size": func(c *reshare.Config) {
			c.Old, _ = sharing.New(5, 1, 4)
			c.Union = []int{5, 6, 1, 2, 7}
		},
		"another ring": func(c *reshare.Config) { c.Old = otherRing },
	}
	conclusion := map[string]func(*reshare.Config){
		"excluded":     func(c *reshare.Config) { c.Members = sharing.PartiesOf(2, 3, 4) },
		"no new index": func(c *reshare.Config) { c.NewSelf = 0 },
	}
	maps.Copy(handover, both)
	maps.Copy(conclusion, both)
	_, err = reshare.NewHandover(w.config("party 3"))
	require.NoError(t, err)
	for name, change := range handover {
		c := w.config("party 3")
		change(&c)
		_, err := reshare.NewHandover(c)
		require.ErrorIs(t, err, reshare.ErrConfig, name)
	}
	for name, change := range conclusion {
		c := w.config("party 3")
		change(&c)
		_, err := reshare.NewConclusion(c, w.vectors)
		require.ErrorIs(t, err, reshare.ErrConfig, name)
	}
	for name, change := range both {
		c := w.config("party 3")
		change(&c)
		_, err := reshare.Rebuild(c, w.vectors, 0)
		require.ErrorIs(t, err, reshare.ErrConfig, name)
	}
}

func TestVectorsThatCannotBeThoseUsedAreRefused(t *testing.T) {
	items := testItems(tfhe.NameTest)
	c := newCommittee(t, 7, 1)
	w := newWorld(t, c, c, deal(t, c, items, 21), items)
	w.handover()
	for name, change := range map[string]func(v map[int][]byte){
		"too few": func(v map[int][]byte) { delete(v, 1); delete(v, 2); delete(v, 3) },
		"short":   func(v map[int][]byte) { v[2] = v[2][1:] },
		"long":    func(v map[int][]byte) { v[2] = append(slices.Clone(v[2]), 0) },
		"empty":   func(v map[int][]byte) { v[2] = nil },
		"party 0": func(v map[int][]byte) { v[0] = v[1] },
		"party 8": func(v map[int][]byte) { v[8] = v[1] },
	} {
		v := maps.Clone(w.vectors)
		change(v)
		_, err := reshare.NewConclusion(w.config("party 1"), v)
		require.ErrorIs(t, err, reshare.ErrVectors, name)
		_, err = reshare.Rebuild(w.config("party 1"), v, 0)
		require.ErrorIs(t, err, reshare.ErrVectors, name)
	}
	v := maps.Clone(w.vectors)
	delete(v, 7)
	for _, wrong := range []sharing.Parties{sharing.PartiesOf(7), sharing.PartiesOf(1, 2, 3, 4)} {
		_, err := reshare.Rebuild(w.config("party 1"), v, wrong)
		require.ErrorIs(t, err, reshare.ErrVectors)
	}
}

// broken are masks whose first draws succeed.
type broken struct {
	reshare.Masks
	left *int
}

var errBroken = errors.New("no more masks")

func (b broken) fail() error {
	*b.left--
	if *b.left < 0 {
		return errBroken
	}
	return nil
}

func (b broken) Draw(a prss.Address, v prss.Vectors) error {
	return errors.Join(b.Masks.Draw(a, v), b.fail())
}

func (b broken) DrawWide(a prss.Address, v prss.WideVectors) error {
	return errors.Join(b.Masks.DrawWide(a, v), b.fail())
}

func TestMasksThatRunOutEndTheSession(t *testing.T) {
	items := testItems(tfhe.NameTest)
	old := newCommittee(t, 1, 1)
	w := newWorld(t, old, old, deal(t, old, items, 22), items)
	w.handover()
	c := w.config("party 1")
	masks := c.Masks
	for left := range segments {
		c.Masks = broken{masks, &left}
		h, err := reshare.NewHandover(c)
		require.NoError(t, err)
		_, err = h.Start()
		require.ErrorIs(t, err, errBroken)
		left = 0
		o, err := reshare.NewConclusion(c, w.vectors)
		require.NoError(t, err)
		_, err = o.Start()
		require.ErrorIs(t, err, errBroken)
		require.False(t, o.Done())
	}
}

// uneven are masks that share elements where integers are asked for.
type uneven struct{ dealt }

func (u uneven) Draw(a prss.Address, v prss.Vectors) error {
	return u.dealt.Draw(a, prss.Vectors{Elements: v.Integers})
}

func TestMasksThatAreNoIntegersAreNoticed(t *testing.T) {
	items := testItems(tfhe.NameTest)
	old, next := newCommittee(t, 1, 1), newCommittee(t, 1, 2)
	var err error
	next.code, err = sharing.New(1, 0, 5)
	require.NoError(t, err)
	w := newWorld(t, old, next, deal(t, old, items, 23), items)
	w.masks = func(self int) reshare.Masks { return uneven{dealt{code: next.code, self: self}} }
	fresh, err := reshare.NewHandover(w.config("party 2"))
	require.NoError(t, err)
	messages, err := fresh.Start()
	require.NoError(t, err)
	h, err := reshare.NewHandover(w.config("party 1"))
	require.NoError(t, err)
	for _, m := range messages {
		if _, err = h.Receive(1, m.Round, m.Payload); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, reshare.ErrInconsistent)
}

func FuzzHandover(f *testing.F) {
	items := testItems(tfhe.NameTest)
	old, next := newCommittee(f, 4, 1), newCommittee(f, 4, 3)
	w := newWorld(f, old, next, deal(f, old, items, 24), items)
	f.Add(uint8(0), uint8(2), uint16(0), []byte{1})
	f.Add(uint8(2), uint8(5), uint16(segments), []byte(nil))
	segment := items[0].Parameters.Dimension(tfhe.SecretPKE) * 4 * 8 // of masks and of vectors; party 5, at 3, is new only, party 1, at 5, old only
	f.Add(uint8(2), uint8(1), uint16(0), make([]byte, segment))
	f.Add(uint8(1), uint8(5), uint16(2*segments), make([]byte, segment))
	f.Add(uint8(4), uint8(9), uint16(0), make([]byte, segment))
	f.Add(uint8(4), uint8(6), uint16(segments), make([]byte, segment))
	f.Add(uint8(4), uint8(1), uint16(0), make([]byte, segment))
	f.Add(uint8(1), uint8(5), uint16(segments), make([]byte, segment))
	f.Fuzz(func(t *testing.T, self, from uint8, round uint16, payload []byte) {
		names := w.union()[1:]
		at := int(self) % len(names)
		h, err := reshare.NewHandover(w.config(names[at]))
		require.NoError(t, err)
		_, err = h.Start()
		require.NoError(t, err)
		for range 2 {
			_, err = h.Receive(int(from), round, slices.Clone(payload))
			require.NoError(t, err)
		}
		require.False(t, h.Done())
		require.Zero(t, h.Culprits().Without(sharing.PartiesOf(int(from%32))))
	})
}

func FuzzConclusion(f *testing.F) {
	items := testItems(tfhe.NameTest)
	c := newCommittee(f, 4, 1)
	w := newWorld(f, c, c, deal(f, c, items, 25), items)
	w.handover()
	f.Add(uint8(2), uint16(0), []byte{1})
	f.Add(uint8(9), uint16(1<<15), []byte(nil))
	f.Add(uint8(9), uint16(0), make([]byte, 2*items[0].Parameters.Dimension(tfhe.SecretPKE)*4*8))
	f.Add(uint8(3), uint16(0), make([]byte, 2*items[0].Parameters.Dimension(tfhe.SecretPKE)*4*8)) // two are compared
	config := w.config("party 1")
	f.Fuzz(func(t *testing.T, from uint8, round uint16, payload []byte) {
		o, err := reshare.NewConclusion(config, w.vectors)
		require.NoError(t, err)
		_, err = o.Start()
		require.NoError(t, err)
		for range 2 {
			_, err = o.Receive(int(from), round, slices.Clone(payload))
			require.NoError(t, err)
		}
		require.False(t, o.Done())
	})
}

func FuzzVectors(f *testing.F) {
	items := testItems(tfhe.NameTest)
	c := newCommittee(f, 1, 1)
	w := newWorld(f, c, c, deal(f, c, items, 26), items)
	w.handover()
	config := w.config("party 1")
	f.Add([]byte{1})
	f.Add(w.vectors[1])
	f.Fuzz(func(t *testing.T, vector []byte) {
		shares, err := reshare.Rebuild(config, map[int][]byte{1: vector}, 0)
		if len(vector) != config.VectorBytes() {
			require.ErrorIs(t, err, reshare.ErrVectors)
			return
		}
		require.NoError(t, err)
		require.Len(t, shares, 1)
		digest := reshare.VectorDigest(w.session, 1, vector)
		require.NotEqual(t, digest, reshare.VectorDigest(w.session, 2, vector))
		require.NotEqual(t, digest, reshare.VectorDigest(mpc.Digest{}, 1, vector))
	})
}
