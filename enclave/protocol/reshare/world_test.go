package reshare_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/protocol/reshare"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// dealt are masks that a dealer made: the coefficients of each polynomial come from a
// stream, a seed of which every party has. It serves committees that are too large for
// pseudo-random secret sharing in a test.
type dealt struct {
	code *sharing.Code
	self int
	seed uint64
}

func (d dealt) Draw(a prss.Address, v prss.Vectors) error {
	convert := func(group [][]uint64) (out [][]wide.Word) {
		for _, x := range group {
			out = append(out, make([]wide.Word, len(x)))
		}
		return out
	}
	broad := prss.WideVectors{Integers: convert(v.Integers), Elements: convert(v.Elements)}
	err := d.DrawWide(a, broad)
	for g, group := range [][][]uint64{v.Integers, v.Elements} {
		for i, x := range group {
			for m := range x {
				x[m] = [][][]wide.Word{broad.Integers, broad.Elements}[g][i][m].Lo
			}
		}
	}
	return err
}

func (d dealt) DrawWide(a prss.Address, v prss.WideVectors) error {
	for _, x := range v.Integers {
		d.fill(a, "integers", x, 1)
	}
	for _, x := range v.Elements {
		d.fill(a, "elements", x, d.code.Degree())
	}
	return nil
}

// fill draws sharings of secrets of the given number of coordinates.
func (d dealt) fill(a prss.Address, kind string, x []wide.Word, coordinates int) {
	key := mpc.Hash("dealt", mpc.Uint64(d.seed), fmt.Append(nil, a), []byte(kind))
	block, err := aes.NewCipher(key[:16])
	if err != nil {
		panic(err)
	}
	stream := cipher.NewCTR(block, key[16:])
	r, degree := d.code.WideRing(), d.code.Degree()
	raw, words := make([]byte, wide.Size*len(x)), make([]wide.Word, len(x))
	power, alpha := wide.Integer(wide.Word{Lo: 1}), r.Point(d.self)
	clear(x)
	for j := range d.code.T() + 1 {
		clear(raw)
		stream.XORKeyStream(raw, raw)
		for i := range words {
			words[i] = wide.Word{}
			if j > 0 || i%degree < coordinates {
				words[i] = wide.Read(raw[wide.Size*i:])
			}
		}
		m := r.Matrix(power)
		r.MulAdd(x, words, &m)
		power = r.Mul(power, alpha)
	}
	wide.Reduce(x, a.K)
}

// committee is a list of names; who is in two committees has one name.
type committee struct {
	code  *sharing.Code
	names []string
}

// newCommittee returns the parties first, first+1, … with the largest threshold, unless
// another is given.
func newCommittee(t testing.TB, n, first int, threshold ...int) committee {
	t.Helper()
	limit := sharing.Threshold(n)
	if len(threshold) > 0 {
		limit = threshold[0]
	}
	code, err := sharing.New(n, limit, sharing.DegreeFor(n))
	require.NoError(t, err)
	c := committee{code: code}
	for i := range n {
		c.names = append(c.names, fmt.Sprintf("party %d", first+i))
	}
	return c
}

// deal shares random bits as the secrets of each item.
func deal(t testing.TB, c committee, items []reshare.Item, seed uint64) [][]*keygen.KeyShare {
	t.Helper()
	random := mpctest.Random(seed)
	shares := make([][]*keygen.KeyShare, c.code.N()+1)
	for _, item := range items {
		narrow, broad := make([]map[tfhe.Secret][]uint64, c.code.N()), make([]map[tfhe.Secret][]wide.Word, c.code.N())
		for i := range narrow {
			narrow[i], broad[i] = map[tfhe.Secret][]uint64{}, map[tfhe.Secret][]wide.Word{}
		}
		for _, s := range item.Parameters.Secrets() {
			raw := make([]byte, item.Parameters.Dimension(s))
			_, _ = random.Read(raw) // never fails
			bits, words := make([]uint64, len(raw)), make([]wide.Word, len(raw))
			for m, b := range raw {
				bits[m] = uint64(b & 1)
				words[m].Lo = bits[m]
			}
			if item.Parameters.SecretWidth(s) == 64 {
				dealt, err := c.code.Deal(random, c.code.T(), bits)
				require.NoError(t, err)
				for i := range dealt {
					narrow[i][s] = dealt[i]
				}
				continue
			}
			dealt, err := c.code.DealWide(random, c.code.T(), words)
			require.NoError(t, err)
			for i := range dealt {
				broad[i][s] = dealt[i]
			}
		}
		for i := range narrow {
			share, err := keygen.NewKeyShare(item.Parameters, item.KeyID, c.code, i+1, narrow[i], broad[i])
			require.NoError(t, err)
			shares[i+1] = append(shares[i+1], share)
		}
	}
	return shares
}

// open returns the secrets that shares are of, by item and secret, having checked that
// those of all given parties lie on one polynomial.
func open(t testing.TB, c committee, items []reshare.Item, shares [][]*keygen.KeyShare) []map[tfhe.Secret][]wide.Word {
	t.Helper()
	out := make([]map[tfhe.Secret][]wide.Word, len(items))
	for at, item := range items {
		out[at] = map[tfhe.Secret][]wide.Word{}
		for _, s := range item.Parameters.Secrets() {
			var from sharing.Parties
			vectors := make([][]wide.Word, c.code.N()+1)
			for i, own := range shares {
				if own != nil {
					from, vectors[i] = from.With(i), wideShare(own[at], s)
				}
			}
			d := c.code.Degree()
			values := make([]wide.Word, item.Parameters.Dimension(s)*d)
			require.Equal(t, -1, c.code.OpenAllWide(values, c.code.T(), from, vectors, item.Parameters.SecretWidth(s)), "%v of item %d", s, at)
			for m := range item.Parameters.Dimension(s) {
				require.Equal(t, make([]wide.Word, d-1), values[m*d+1:(m+1)*d], "no integer")
				out[at][s] = append(out[at][s], values[m*d])
			}
		}
	}
	return out
}

func wideShare(k *keygen.KeyShare, s tfhe.Secret) []wide.Word {
	if v := k.PartWide(s); v != nil {
		return v
	}
	var out []wide.Word
	for _, x := range k.Part(s) {
		out = append(out, wide.Word{Lo: x})
	}
	return out
}

// world is one attempt at a resharing.
type world struct {
	t        testing.TB
	old, new committee
	items    []reshare.Item
	session  mpc.Digest
	shares   [][]*keygen.KeyShare // by old index
	members  sharing.Parties
	masks    func(self int) reshare.Masks
	silent   []string // have no machine

	handovers   map[int]*reshare.Handover // by union index
	posted      map[int]mpc.Digest        // by old index
	vectors     map[int][]byte            // that are used, by old index
	conclusions map[int]*reshare.Conclusion
	network     mpctest.Network // of the handover
	second      mpctest.Network // of the conclusion
}

func testItems(names ...string) []reshare.Item {
	var out []reshare.Item
	for i, name := range names {
		p, err := tfhe.ByName(name)
		if err != nil {
			panic(err)
		}
		out = append(out, reshare.Item{KeyID: mpc.Digest{byte(i + 1)}, Parameters: p})
	}
	return out
}

func newWorld(t testing.TB, old, next committee, shares [][]*keygen.KeyShare, items []reshare.Item) *world {
	t.Helper()
	w := &world{t: t, old: old, new: next, items: items, session: mpc.Hash("session"), shares: slices.Clone(shares), members: sharing.AllParties(next.code.N())}
	w.masks = func(self int) reshare.Masks { return dealt{code: next.code, self: self, seed: 1} }
	w.network.Seed, w.second.Seed = 3, 4
	return w
}

func (w *world) config(name string) reshare.Config {
	c := reshare.Config{
		Session: w.session, Items: w.items, Old: w.old.code, New: w.new.code, Members: w.members,
		OldSelf: slices.Index(w.old.names, name) + 1, NewSelf: slices.Index(w.new.names, name) + 1,
		Union: reshare.Union(w.old.names, w.new.names),
	}
	if c.OldSelf > 0 {
		c.Shares = w.shares[c.OldSelf]
	}
	if c.NewSelf > 0 {
		c.Masks = w.masks(c.NewSelf)
	}
	return c
}

// union returns the names by union index; element 0 is empty.
func (w *world) union() []string {
	names := append([]string{""}, w.new.names...)
	for _, name := range w.old.names {
		if !slices.Contains(w.new.names, name) {
			names = append(names, name)
		}
	}
	return names
}

func (w *world) isSilent(name string) bool { return slices.Contains(w.silent, name) }

// handover runs the first half and does what the chain and the parties' caller do then:
// digests are posted, vectors counted, and fetched from those who have them.
func (w *world) handover() {
	w.t.Helper()
	machines := map[int]mpc.Machine{}
	w.handovers = map[int]*reshare.Handover{}
	for at, name := range w.union() {
		if at == 0 || w.isSilent(name) {
			continue
		}
		h, err := reshare.NewHandover(w.config(name))
		require.NoError(w.t, err)
		machines[at], w.handovers[at] = h, h
	}
	require.NoError(w.t, mpctest.FirstError(w.network.Run(machines, len(w.union())-1)))
	w.count()
}

func (w *world) count() {
	w.posted, w.vectors = map[int]mpc.Digest{}, map[int][]byte{}
	for j, at := range reshare.Union(w.old.names, w.new.names) {
		if h := w.handovers[at]; h != nil {
			if v, ok := h.Vector(); ok {
				w.posted[j+1] = reshare.VectorDigest(w.session, j+1, v)
			}
		}
	}
	for j := 1; j <= w.old.code.N(); j++ {
		receipts := 0
		for i := 1; i <= w.new.code.N(); i++ {
			h := w.handovers[i]
			if h == nil {
				continue
			}
			if v, ok := h.Received(j); ok && reshare.VectorDigest(w.session, j, v) == w.posted[j] {
				receipts++
				if receipts > w.new.code.T() {
					w.vectors[j] = v
				}
			}
		}
	}
}

// conclude runs the second half and returns the errors, by new index.
func (w *world) conclude() map[int]error {
	w.t.Helper()
	machines := map[int]mpc.Machine{}
	w.conclusions = map[int]*reshare.Conclusion{}
	for i, name := range w.new.names {
		if w.isSilent(name) || !w.members.Has(i+1) {
			continue
		}
		c, err := reshare.NewConclusion(w.config(name), maps.Clone(w.vectors))
		require.NoError(w.t, err)
		machines[i+1], w.conclusions[i+1] = c, c
	}
	return w.second.Run(machines, w.new.code.N())
}

// run runs both halves.
func (w *world) run() {
	w.t.Helper()
	w.handover()
	require.NoError(w.t, mpctest.FirstError(w.conclude()))
}

// newShares returns the new shares by index, having checked that all new members that took
// part are done and agree.
func (w *world) newShares() [][]*keygen.KeyShare {
	w.t.Helper()
	out := make([][]*keygen.KeyShare, w.new.code.N()+1)
	var first *reshare.Conclusion
	for _, i := range slices.Sorted(maps.Keys(w.conclusions)) {
		c := w.conclusions[i]
		require.True(w.t, c.Done(), "member %d", i)
		if first == nil {
			first = c
		}
		require.Equal(w.t, first.Transcript(), c.Transcript())
		require.Equal(w.t, first.Wrong(), c.Wrong())
		require.NotZero(w.t, c.Transcript())
		out[i] = c.Shares()
	}
	return out
}

// check compares what the new shares of all that took part are of with what the old ones
// were, and the wrong old members with those given.
func (w *world) check(secrets []map[tfhe.Secret][]wide.Word, wrong ...int) [][]*keygen.KeyShare {
	w.t.Helper()
	shares := w.newShares()
	require.Equal(w.t, secrets, open(w.t, w.new, w.items, shares))
	for _, c := range w.conclusions {
		require.Equal(w.t, sharing.PartiesOf(wrong...), c.Wrong())
	}
	return shares
}

// marshal returns the bytes of shares, to compare them.
func marshal(t testing.TB, shares []*keygen.KeyShare) []byte {
	t.Helper()
	var all [][]byte
	for _, s := range shares {
		raw, err := s.MarshalBinary()
		require.NoError(t, err)
		all = append(all, raw)
	}
	return bytes.Join(all, nil)
}

// altered returns a copy of an old member's shares with some coefficients of a secret of
// an item changed, all if none are given.
func (w *world) altered(old, item int, secret tfhe.Secret, coefficients ...int) []*keygen.KeyShare {
	w.t.Helper()
	out := slices.Clone(w.shares[old])
	raw, err := out[item].MarshalBinary()
	require.NoError(w.t, err)
	out[item], err = keygen.UnmarshalKeyShare(raw)
	require.NoError(w.t, err)
	d := w.old.code.Degree()
	if len(coefficients) == 0 {
		for m := range w.items[item].Parameters.Dimension(secret) {
			coefficients = append(coefficients, m)
		}
	}
	for _, m := range coefficients {
		if v := out[item].PartWide(secret); v != nil {
			v[m*d+d-1].Hi ^= uint64(old) << 60
		} else {
			out[item].Part(secret)[m*d] += uint64(old*m + 1)
		}
	}
	return out
}

// alter changes a payload: it adds a number that depends on sender and receiver to its
// first word.
func alter(e mpctest.Envelope, by uint64) mpctest.Envelope {
	binary.LittleEndian.PutUint64(e.Payload, binary.LittleEndian.Uint64(e.Payload)+by)
	return e
}
