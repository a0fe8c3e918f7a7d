package prss

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Source draws sharings from one party's keys in one context. It is safe for
// concurrent use.
type Source struct {
	code    *sharing.Code
	keys    *Keys
	context mpc.Digest
	sets    []setConstants
	all     []ring.Matrix // α_i^j, j = 1..t, for zero sharings of degree t

	mu      sync.Mutex
	streams map[streamKey][]stream
}

type setConstants struct {
	f     ring.Elem     // f_A(α_i)
	fm    ring.Matrix   // the same as a map
	zeros []ring.Matrix // α_i^j·f_A(α_i), j = 1..t
}

type streamKey struct {
	kind   string
	k      uint
	layout [3]int
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
	s := &Source{code: code, keys: keys, context: context, streams: map[streamKey][]stream{}}
	r, self := code.Ring(), keys.self
	powers := make([]ring.Elem, keys.t+1)
	powers[0] = ring.Integer(1)
	for j := 1; j <= keys.t; j++ {
		powers[j] = r.Mul(powers[j-1], r.Point(self))
		s.all = append(s.all, r.Matrix(powers[j]))
	}
	for _, a := range s.sharingSets() {
		c := setConstants{f: ring.Integer(1)}
		for _, j := range sharing.AllParties(keys.n).Without(a).List() {
			inverse, err := r.Inverse(r.Point(j))
			if err != nil {
				return nil, err
			}
			c.f = r.Mul(c.f, r.Sub(ring.Integer(1), r.Mul(r.Point(self), inverse)))
		}
		c.fm = r.Matrix(c.f)
		for j := 1; j <= keys.t; j++ {
			c.zeros = append(c.zeros, r.Matrix(r.Mul(powers[j], c.f)))
		}
		s.sets = append(s.sets, c)
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
	s.keys.Zero()
}

// Address is a run of positions.
type Address struct {
	// Kind names what the values are for, K is the ring's k: both are part of the
	// stream's derivation.
	Kind string
	K    uint
	// Sub and Try tell apart the values of one item and repeated attempts.
	Sub uint16
	Try uint8
	// First is the first item.
	First uint64
}

// Vectors are what one draw fills: each is a vector of the same number of
// elements, one an item. What an item takes from a stream depends on how many
// there are, so a kind is always drawn with the same numbers.
type Vectors struct {
	// Integers become sharings of degree t of uniform integers mod 2^K.
	Integers [][]uint64
	// Elements become sharings of degree t of uniform elements of R_K.
	Elements [][]uint64
	// Zeros become sharings of degree 2t of zero.
	Zeros [][]uint64
}

// items per step: the key stream and its words stay in the L1/L2 cache.
const step = 256

// Draw overwrites v with the party's shares at address a. Coordinates are not
// reduced: their bits from K upwards mean nothing.
func (s *Source) Draw(a Address, v Vectors) error {
	d, t := s.code.Degree(), s.code.T()
	words := len(v.Integers) + d*len(v.Elements) + t*d*len(v.Zeros)
	count := -1
	for _, group := range [][][]uint64{v.Integers, v.Elements, v.Zeros} {
		for _, x := range group {
			if count >= 0 && len(x) != count*d {
				panic("prss: vectors of different lengths")
			}
			count = len(x) / d
			clear(x)
		}
	}
	if count <= 0 {
		return nil
	}
	size := words * wordSize(a.K)
	if err := checkRange(a.First, count, size); err != nil {
		return err
	}
	streams := s.open(a, [3]int{len(v.Integers), len(v.Elements), len(v.Zeros)}, s.sharingSets(), 0)
	r := s.code.Ring()
	key := newReader(min(step, count)*size, min(step, count)*d)
	for o := 0; o < count; o += step {
		c := min(step, count-o)
		for i := range streams {
			set := &s.sets[i]
			key.fill(&streams[i], a, o, c, size)
			at := 0
			for _, x := range v.Integers {
				r.MulIntAdd(x[o*d:(o+c)*d], key.words(c, 1, at, words, a.K), set.f)
				at++
			}
			for _, x := range v.Elements {
				r.MulAdd(x[o*d:(o+c)*d], key.words(c, d, at, words, a.K), &set.fm)
				at += d
			}
			for _, x := range v.Zeros {
				for j := range t {
					r.MulAdd(x[o*d:(o+c)*d], key.words(c, d, at, words, a.K), &set.zeros[j])
					at += d
				}
			}
		}
	}
	key.zero()
	return nil
}

// DrawZero overwrites dst with shares of degree-t sharings of zero, made from the
// key that all parties hold: Σ_{j=1..t} χ(pos, j)·α_i^j.
func (s *Source) DrawZero(a Address, dst []uint64) error {
	d, t := s.code.Degree(), s.code.T()
	clear(dst)
	count := len(dst) / d
	if t == 0 || count == 0 {
		return nil
	}
	words := t * d
	size := words * wordSize(a.K)
	if err := checkRange(a.First, count, size); err != nil {
		return err
	}
	last := len(s.keys.sets) - 1
	streams := s.open(a, [3]int{0, 0, -1}, s.keys.sets[last:], last)
	r := s.code.Ring()
	key := newReader(min(step, count)*size, min(step, count)*d)
	for o := 0; o < count; o += step {
		c := min(step, count-o)
		key.fill(&streams[0], a, o, c, size)
		for j := range t {
			r.MulAdd(dst[o*d:(o+c)*d], key.words(c, d, j*d, words, a.K), &s.all[j])
		}
	}
	key.zero()
	return nil
}

// positionBits is the part of the counter that counts 16-byte blocks; sub and try
// fill the rest of its 64 bits.
const positionBits = 40

func checkRange(first uint64, count, size int) error {
	limit := uint64(1)<<(positionBits+4)/uint64(size) - 1
	if first > limit || uint64(count) > limit-first {
		return fmt.Errorf("%w: items %d…+%d", ErrRange, first, count)
	}
	return nil
}

// wordSize is the bytes of key stream behind one coordinate.
func wordSize(k uint) int {
	if k <= 32 {
		return 4
	}
	return 8
}

// open returns the streams of the kind, one a set, kept for reuse.
func (s *Source) open(a Address, layout [3]int, sets []sharing.Parties, offset int) []stream {
	id := streamKey{a.Kind, a.K, layout}
	s.mu.Lock()
	defer s.mu.Unlock()
	if out, ok := s.streams[id]; ok {
		return out
	}
	out := make([]stream, len(sets))
	for i, set := range sets {
		label := mpc.Hash("tkms/v1/prss/stream", s.context[:], setBytes(set), []byte(a.Kind), mpc.Uint64(uint64(a.K)),
			mpc.Uint64(uint64(s.code.Degree())), mpc.Uint64(uint64(layout[0])), mpc.Uint64(uint64(layout[1])), mpc.Uint64(uint64(layout[2]+1)))
		mac := hmac.New(sha256.New, s.keys.keys[offset+i][:])
		mac.Write(label[:])
		derived := mac.Sum(nil)
		block, err := aes.NewCipher(derived[:16])
		if err != nil {
			panic("prss: " + err.Error()) // the key has 16 bytes
		}
		out[i].block = block
		copy(out[i].iv[:], derived[16:])
		clear(derived)
	}
	s.streams[id] = out
	return out
}

// reader holds a stretch of key stream and the words taken from it.
type reader struct {
	raw   []byte
	bytes []byte
	out   []uint64
}

func newReader(bytes, words int) *reader {
	return &reader{raw: make([]byte, bytes+2*aes.BlockSize), out: make([]uint64, words)}
}

// singleBlocks is the stretch up to which encrypting block by block is quicker
// than setting up a bulk counter mode.
const singleBlocks = 16

// fill reads the bytes of count items from offset on.
func (k *reader) fill(s *stream, a Address, offset, count, size int) {
	start := (a.First + uint64(offset)) * uint64(size) // #nosec G115 -- checkRange bounds it
	blocks := (int(start%aes.BlockSize) + count*size + aes.BlockSize - 1) / aes.BlockSize
	raw := k.raw[:blocks*aes.BlockSize]
	var counter [aes.BlockSize]byte
	copy(counter[:], s.iv[:])
	position := uint64(a.Try)<<56 | uint64(a.Sub)<<positionBits | start/aes.BlockSize
	if blocks <= singleBlocks {
		for b := range blocks {
			binary.BigEndian.PutUint64(counter[8:], position+uint64(b)) // #nosec G115 -- small
			s.block.Encrypt(raw[b*aes.BlockSize:], counter[:])
		}
	} else {
		binary.BigEndian.PutUint64(counter[8:], position)
		clear(raw)
		cipher.NewCTR(s.block, counter[:]).XORKeyStream(raw, raw)
	}
	k.bytes = raw[start%aes.BlockSize:]
}

// words returns width words of each of count items, the first at word at of
// perItem.
func (k *reader) words(count, width, at, perItem int, ringK uint) []uint64 {
	out := k.out[:count*width]
	if wordSize(ringK) == 8 {
		for i := range count {
			src := k.bytes[8*(i*perItem+at):][:8*width]
			dst := out[i*width : (i+1)*width]
			for j := range dst {
				dst[j] = binary.LittleEndian.Uint64(src[8*j:])
			}
		}
		return out
	}
	if width == 4 { // the coordinates of an element, by far the most words
		for i := range count {
			src := k.bytes[4*(i*perItem+at):][:16]
			lo, hi := binary.LittleEndian.Uint64(src), binary.LittleEndian.Uint64(src[8:])
			dst := out[4*i:][:4]
			dst[0], dst[1] = lo&(1<<32-1), lo>>32
			dst[2], dst[3] = hi&(1<<32-1), hi>>32
		}
		return out
	}
	for i := range count {
		src := k.bytes[4*(i*perItem+at):][:4*width]
		dst := out[i*width : (i+1)*width]
		for j := range dst {
			dst[j] = uint64(binary.LittleEndian.Uint32(src[4*j:]))
		}
	}
	return out
}

func (k *reader) zero() {
	clear(k.raw)
	clear(k.out)
}
