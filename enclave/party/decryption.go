package party

import (
	"fmt"
	"slices"

	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/reencrypt"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// heldKey is a key of which this party has a share, ready to decrypt every form of
// ciphertext that the key set has.
type heldKey struct {
	parameters tfhe.Parameters
	// shape is that of ciphertexts under the compute and the public key.
	shape preproc.Shape
	// keys take offline items, of the shape of each.
	keys map[tfhe.KeyKind]*decrypt.Key
	// floods take one round and nothing else. There are none if the parties are too many.
	floods map[tfhe.KeyKind]*decrypt.FloodKey
}

// shapeOf is that of the offline material of ciphertexts under a key: all members
// measured one round trip.
func (s *seat) shapeOf(p tfhe.Parameters, kind tfhe.KeyKind) preproc.Shape {
	k, w := p.Switch(kind)
	return preproc.Shape{K: k, W: w}.ForRoundTrip(s.current().Epoch.RoundTripMicros)
}

// prepare makes a key share ready for decryption.
func (s *seat) prepare(p tfhe.Parameters, share *keygen.KeyShare) (*heldKey, error) {
	held := &heldKey{
		parameters: p, shape: s.shapeOf(p, tfhe.ComputeKey), keys: map[tfhe.KeyKind]*decrypt.Key{}, floods: map[tfhe.KeyKind]*decrypt.FloodKey{},
	}
	for kind := tfhe.ComputeKey; kind <= tfhe.SquashingCompressionKey; kind++ {
		secret := kind.Secret()
		if p.Dimension(secret) == 0 {
			continue
		}
		shape := s.shapeOf(p, kind)
		var err error
		if kind.Wide() {
			held.keys[kind], err = decrypt.NewWideKey(s.code, shape, share.PartWide(secret))
			if err == nil && !s.dealt() && decrypt.Floods(s.code.N(), s.code.T(), shape.W) {
				held.floods[kind], err = decrypt.NewFloodKey(s.code, shape.W, share.PartWide(secret))
			}
		} else {
			held.keys[kind], err = decrypt.NewKey(s.code, shape, share.Part(secret))
		}
		if err != nil {
			return nil, fmt.Errorf("%v key: %w", kind, err)
		}
	}
	return held, nil
}

// shapes returns those of the offline material that the key's ciphertexts may need,
// that of the most common ones first.
func (h *heldKey) shapes() []preproc.Shape {
	out := []preproc.Shape{h.shape}
	for kind := tfhe.ComputeKey; kind <= tfhe.SquashingCompressionKey; kind++ {
		if key := h.keys[kind]; key != nil && !slices.Contains(out, key.Shape()) {
			out = append(out, key.Shape())
		}
	}
	return out
}

// openStocks begins to make offline items of every shape that a key needs.
func (s *seat) openStocks(held *heldKey) error {
	for _, shape := range held.shapes() {
		if _, err := s.stock(shape); err != nil {
			return err
		}
	}
	return nil
}

// intake is what a decryption needs of a ciphertext: its blocks become shares of
// their phases as soon as they are here, and are not kept.
type intake struct {
	outline *tfhe.Ciphertext
	// Exactly one of these is set.
	phases  *decrypt.Phases
	flooded *decrypt.FloodPhases
	bytes   int64 // of the encoding
}

// take makes the shares of a ciphertext's phases. They are flooded if the key can be,
// which takes one round and no items, unless the values are for a user: of those the
// parties share nothing but the values, perfectly hidden, and not what noise is left.
func (h *heldKey) take(c *tfhe.Ciphertext, user bool) (*intake, error) {
	in := &intake{outline: c.Outline()}
	var err error
	switch kind := c.Key(); {
	case h.keys[kind] == nil:
		return nil, fmt.Errorf("%w: the key set has no %v key", errRequest, kind)
	case h.floods[kind] != nil && !user:
		in.flooded, err = h.floods[kind].Phases(c)
	case kind.Wide():
		in.phases, err = h.keys[kind].WidePhases(c)
	default:
		in.phases, err = h.keys[kind].Phases(c)
	}
	return in, err
}

// blocks returns the number of LWE ciphertexts.
func (in *intake) blocks() int {
	if in.flooded != nil {
		return in.flooded.Len()
	}
	return in.phases.Len()
}

// zero erases the shares.
func (in *intake) zero() {
	if in.flooded != nil {
		in.flooded.Zero()
	} else {
		in.phases.Zero()
	}
}

// lifts reports whether a user's shares of what is found in a shape need further items,
// of the key's most common shape: users read elements of a ring of their own.
func (h *heldKey) lifts(shape preproc.Shape) bool { return shape.W < reencrypt.Width }

// maxBytes bounds the encoding of a ciphertext, in any form: that with the largest LWE
// ciphertext for each of its blocks, and their metadata.
func maxBytes(t tfhe.Type, p tfhe.Parameters) int64 {
	const metadata = 256
	blocks, largest := int64(t.Blocks(p)), int64(0)
	for kind := tfhe.ComputeKey; kind <= tfhe.SquashingCompressionKey; kind++ {
		size := int64(8)
		if kind.Wide() {
			size = 16
		}
		largest = max(largest, size*int64(p.Dimension(kind.Secret())+1)+metadata)
	}
	return (blocks+1)*largest + 4096
}
