package prss

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Source draws sharings from one party's keys in one context. It is safe for
// concurrent use.
type Source struct {
	code    *sharing.Code
	keys    *Keys
	context mpc.Digest
	sets    []wide.Elem // f_A(α_i) of each set of n−t parties
	powers  []wide.Elem // α_i^j, j = 1..t

	mu      sync.Mutex
	streams map[streamKey]*streams
	held    int // sets in streams
}

// maxHeld bounds the sets, over all kinds and rings, whose streams are kept: they
// take about 1 KB each. A decryption of 13 parties uses 19 kinds of 495 sets.
const maxHeld = 1 << 14

type streamKey struct {
	kind   string
	k      uint
	layout Layout
	bound  uint // of noiseLayout
}

// streams are the key streams of one kind, one a set, and the constants that their
// words are multiplied by: those of the ring's width. They do not change once made.
type streams struct {
	sets   []stream
	lanes  ring.Lanes
	narrow narrowConstants
	wide   wideConstants
}

// narrowConstants are, for each set, maps of words mod 2^64.
type narrowConstants struct {
	integers []ring.Map    // f_A(α_i)
	elements []ring.Map    // the same for elements of R_k
	zeros    []ring.Map    // α_i^j·f_A(α_i), j = 1..t
	noise    []ring.Matrix // that of elements of R_64
}

// wideConstants are, for each set, factors of words mod 2^128.
type wideConstants struct {
	integers []wide.Elem     // f_A(α_i)
	elements []wide.Matrix   // multiplication by it
	zeros    [][]wide.Matrix // by α_i^j·f_A(α_i), j = 1..t
}

// stream is one set's key stream for one kind: AES-128 in counter mode whose
// first 8 bytes are the initial value and whose last 8 are the position.
type stream struct {
	block cipher.Block
	iv    [8]byte
}

// NewSource returns the source of keys in the context: the id of an epoch for its
// offline items, that of a session for what only this session uses.
func NewSource(keys *Keys, code *sharing.Code, context mpc.Digest) (*Source, error) {
	if keys.n != code.N() || keys.t != code.T() {
		return nil, fmt.Errorf("%w: keys for n=%d t=%d", ErrParameters, keys.n, keys.t)
	}
	s := &Source{code: code, keys: keys, context: context, streams: map[streamKey]*streams{}}
	r := code.WideRing()
	power, alpha := wide.Integer(wide.Word{Lo: 1}), r.Point(keys.self)
	for range keys.t {
		power = r.Mul(power, alpha)
		s.powers = append(s.powers, power)
	}
	for _, a := range s.sharingSets() {
		f, err := value(code, a, keys.self)
		if err != nil {
			return nil, err
		}
		s.sets = append(s.sets, f)
	}
	return s, nil
}

// sharingSets are the sets of n−t parties, without the set of all.
func (s *Source) sharingSets() []sharing.Parties {
	if s.keys.t == 0 {
		return s.keys.sets
	}
	return s.keys.sets[:len(s.keys.sets)-1]
}

// Code returns the code of the sharings.
func (s *Source) Code() *sharing.Code { return s.code }

// Self returns the party's index.
func (s *Source) Self() int { return s.keys.self }

// Context returns the epoch's or session's id that the values belong to.
func (s *Source) Context() mpc.Digest { return s.context }

// String hides the keys.
func (s *Source) String() string { return fmt.Sprintf("prss.Source(party %d, redacted)", s.keys.self) }

// GoString hides the keys.
func (s *Source) GoString() string { return s.String() }

// Zero drops the expanded keys and erases the keys that they came from. A draw
// afterwards yields values that belong to nobody.
func (s *Source) Zero() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.streams)
	s.held = 0
	s.keys.Zero()
}

// Address is a run of positions.
type Address struct {
	// Kind names what the values are for, K is the ring's k: both are part of the
	// stream's derivation. Noise has a ring of its own, whatever K is.
	Kind string
	K    uint
	// Sub and Try tell apart the values of one item and repeated attempts.
	Sub uint16
	Try uint8
	// First is the first item.
	First uint64
}

// Layout is how many sharings an item has. What an item takes from a stream
// depends on it, so it is part of the stream's derivation.
type Layout struct {
	// Integers are sharings of degree t of uniform integers mod 2^K.
	Integers int
	// Elements are sharings of degree t of uniform elements of R_K.
	Elements int
	// Zeros are sharings of degree 2t of zero.
	Zeros int
}

// zeroLayout is that of DrawZero, noiseLayout that of DrawNoise and DrawWideNoise.
var (
	zeroLayout  = Layout{Zeros: -1}
	noiseLayout = Layout{Elements: -1}
)

// Vectors are what one draw fills: each is a vector of the same number of
// elements, one an item. Their numbers are the Layout.
type Vectors struct {
	Integers, Elements, Zeros [][]uint64
}

// Draw overwrites v with the party's shares at address a, reduced mod 2^K.
func (s *Source) Draw(a Address, v Vectors) error {
	count := v.items(s.code.Degree())
	if count <= 0 {
		return nil
	}
	run, err := s.begin(a, Layout{len(v.Integers), len(v.Elements), len(v.Zeros)}, count)
	if err != nil {
		return err
	}
	defer run.Close()
	run.Next(v)
	return nil
}

// items returns the number of elements of the vectors, −1 if there are none.
func (v Vectors) items(d int) int {
	count := -1
	for _, group := range [][][]uint64{v.Integers, v.Elements, v.Zeros} {
		for _, x := range group {
			if count >= 0 && len(x) != count*d || len(x)%d != 0 {
				panic("prss: vectors of different lengths")
			}
			count = len(x) / d
		}
	}
	return count
}

// DrawZero overwrites dst with shares, reduced mod 2^K, of degree-t sharings of
// zero, made from the key that all parties hold: Σ_{j=1..t} χ(pos, j)·α_i^j.
func (s *Source) DrawZero(a Address, dst []uint64) error {
	count := len(dst) / s.code.Degree()
	if s.code.T() == 0 || count == 0 {
		clear(dst)
		return nil
	}
	run, err := s.begin(a, zeroLayout, count)
	if err != nil {
		return err
	}
	defer run.Close()
	run.Next(Vectors{Zeros: [][]uint64{dst}})
	return nil
}

// open returns the streams of a kind, one a set, kept for reuse.
func (s *Source) open(id streamKey) *streams {
	s.mu.Lock()
	defer s.mu.Unlock()
	if out, ok := s.streams[id]; ok {
		return out
	}
	sets, keys, factors := s.sharingSets(), s.keys.keys, s.sets
	if id.layout == zeroLayout {
		last := len(s.keys.sets) - 1
		sets, keys, factors = s.keys.sets[last:], keys[last:], []wide.Elem{wide.Integer(wide.Word{Lo: 1})}
	}
	out := &streams{sets: make([]stream, len(sets))}
	for i, set := range sets {
		out.sets[i] = derive(&keys[i], s.label(id, set))
	}
	if id.k > 64 {
		s.wideConstants(&out.wide, id.layout, factors)
	} else {
		out.lanes = s.code.Ring().Lanes(id.k)
		s.narrowConstants(&out.narrow, out.lanes, id.layout, factors)
	}
	if s.held += len(sets); s.held > maxHeld { // they are derived again when wanted
		clear(s.streams)
		s.held = len(sets)
	}
	s.streams[id] = out
	return out
}

// label tells a set's stream from all others that come from its key.
func (s *Source) label(id streamKey, set sharing.Parties) mpc.Digest {
	kind, k, d := []byte(id.kind), mpc.Uint64(uint64(id.k)), mpc.Uint64(uint64(s.code.Degree())) // #nosec G115 -- positive
	if id.layout == noiseLayout {
		return mpc.Hash("tkms/v1/prss/noise", s.context[:], setBytes(set), kind, k, d, mpc.Uint64(uint64(id.bound)))
	}
	l := id.layout
	return mpc.Hash("tkms/v1/prss/stream", s.context[:], setBytes(set), kind, k, d,
		mpc.Uint64(uint64(l.Integers)), mpc.Uint64(uint64(l.Elements)), mpc.Uint64(uint64(l.Zeros+1))) // #nosec G115 -- at least -1
}

// derive returns the stream of a key and a label.
func derive(key *[KeySize]byte, label mpc.Digest) stream {
	mac := hmac.New(sha256.New, key[:])
	mac.Write(label[:])
	derived := mac.Sum(nil)
	defer clear(derived)
	block, err := aes.NewCipher(derived[:16])
	if err != nil {
		panic("prss: " + err.Error()) // the key has 16 bytes
	}
	out := stream{block: block}
	copy(out.iv[:], derived[16:])
	return out
}

// narrowConstants makes what words are multiplied by, for the factors f_A(α_i).
func (s *Source) narrowConstants(out *narrowConstants, l ring.Lanes, layout Layout, factors []wide.Elem) {
	r, d, count := s.code.Ring(), s.code.Degree(), len(factors)
	if layout == noiseLayout {
		for _, f := range factors {
			out.noise = append(out.noise, r.Matrix(f.Narrow()))
		}
		return
	}
	out.integers, out.elements, out.zeros = make([]ring.Map, count), make([]ring.Map, count), make([]ring.Map, count)
	for i := range factors {
		f := factors[i].Narrow()
		if layout.Integers > 0 {
			out.integers[i] = l.NewMap(1, l.Words())
			l.Integer(&out.integers[i], 0, 0, f)
		}
		if layout.Elements > 0 {
			out.elements[i] = l.NewMap(d, l.Words())
			r.Element(l, &out.elements[i], 0, 0, f)
		}
		if layout.Zeros != 0 {
			out.zeros[i] = l.NewMap(len(s.powers)*d, l.Words())
			for j, power := range s.powers {
				r.Element(l, &out.zeros[i], j*d, 0, r.Mul(power.Narrow(), f))
			}
		}
	}
}

// wideConstants is narrowConstants beyond 64 bits.
func (s *Source) wideConstants(out *wideConstants, layout Layout, factors []wide.Elem) {
	r, count := s.code.WideRing(), len(factors)
	out.integers, out.elements, out.zeros = factors, make([]wide.Matrix, count), make([][]wide.Matrix, count)
	for i, f := range factors {
		if layout.Elements != 0 {
			out.elements[i] = r.Matrix(f)
		}
		if layout.Zeros != 0 {
			for _, power := range s.powers {
				out.zeros[i] = append(out.zeros[i], r.Matrix(r.Mul(power, f)))
			}
		}
	}
}
