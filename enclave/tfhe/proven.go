package tfhe

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrSplit reports a value of a list that shares an LWE ciphertext with another
// one, which only a bootstrap could separate.
var ErrSplit = errors.New("tfhe: values share a ciphertext")

// ProvenCompactCiphertextList is a TFHE-rs ProvenCompactCiphertextList, what
// fhEVM's clients send as an input: values encrypted in compact lists, each list
// with a proof that its encryptor knows the plaintexts.
//
// The proofs (scheme V2) are read for their form alone, never verified: who takes
// values from here trusts somebody else for that.
type ProvenCompactCiphertextList struct {
	parameters Parameters
	release    Release
	// Lists are the lists with their proofs. One run of blocks, that of the values,
	// goes through all of them.
	Lists []ProvenList
	// Values are what is in the lists, in order.
	Values []ListValue
	// Tag is the key set's tag, normally empty.
	Tag []byte
}

// ProvenList is one compact list with its proof.
type ProvenList struct {
	// List has neither values nor tag of its own.
	List CompactCiphertextList
	// Proof is the serialized proof.
	Proof []byte
}

// maxProvenLists bounds the lists of one object: a client has one.
const maxProvenLists = 16

// UnmarshalProvenCompactCiphertextList reads a safe_serialize
// ProvenCompactCiphertextList under the parameters p, with the version tags of
// either release. The list is a view of data, which must not be changed.
func UnmarshalProvenCompactCiphertextList(data []byte, p Parameters) (*ProvenCompactCiphertextList, error) {
	l := &ProvenCompactCiphertextList{parameters: p}
	if err := unmarshal(data, l); err != nil {
		return nil, fmt.Errorf("proven list: %w", err)
	}
	return l, nil
}

// MarshalBinary writes the list as TFHE-rs' safe_serialize does, with the version
// tags of the release that it was read from.
func (l *ProvenCompactCiphertextList) MarshalBinary() ([]byte, error) {
	size := 256 + 16*len(l.Values)
	for i := range l.Lists {
		size += len(l.Lists[i].List.Data) + len(l.Lists[i].Proof) + 128
	}
	b, err := marshalRelease(l, size, l.release)
	if err != nil {
		return nil, fmt.Errorf("proven list: %w", err)
	}
	return b, nil
}

func (l *ProvenCompactCiphertextList) layout(c *coder) {
	c.detect = !c.writing
	c.header(nameProvenList)
	c.versions(verProvenList, verIntegerProvenList, verShortintProvenList)
	n := c.length("proven lists", len(l.Lists), proofSize)
	if n > maxProvenLists {
		c.fail(ErrMalformed, "%d proven lists, at most %d are allowed", n, maxProvenLists)
		return
	}
	if !c.writing && c.err == nil {
		l.Lists = make([]ProvenList, n)
	}
	room := 0
	for i := range l.Lists {
		one := &l.Lists[i]
		if !c.writing {
			one.List.parameters = l.parameters
		}
		one.List.shortint(c)
		c.proof(&one.Proof)
		room += one.List.Count * one.List.blocksPerLWE()
	}
	c.values(&l.Values, room)
	c.tag(&l.Tag)
	l.release = c.release
	l.checkCount(c, room)
}

// checkCount: the values' blocks fill the lists, but for the odd last half. All
// lists but the last are full, so that blocks do not move between them.
func (l *ProvenCompactCiphertextList) checkCount(c *coder, room int) {
	if c.err != nil {
		return
	}
	blocks := blocksOf(l.Values)
	last := len(l.Lists) - 1
	if last < 0 || len(l.Values) == 0 || blocks > room || blocks <= room-l.Lists[last].List.blocksPerLWE() {
		c.fail(ErrMalformed, "values of %d blocks in %d lists for %d", blocks, len(l.Lists), room)
	}
	for i := range l.Lists {
		if l.Lists[i].List.Packed != l.Lists[0].List.Packed {
			c.fail(ErrMalformed, "some lists are packed, some not")
		}
	}
}

// Types returns the fhEVM type of each value; [ErrType] if one has none.
func (l *ProvenCompactCiphertextList) Types() ([]Type, error) {
	types := make([]Type, len(l.Values))
	for i, v := range l.Values {
		var err error
		if types[i], err = typeOf(v.Boolean, v.Blocks, l.parameters); err != nil {
			return nil, fmt.Errorf("value %d: %w", i, err)
		}
	}
	return types, nil
}

// Split returns each value as a list of its own, which [Decode] takes in. The
// error is [ErrSplit] if a value shares an LWE ciphertext with another one, as
// those after an ebool do in a packed list, or lies in two lists.
func (l *ProvenCompactCiphertextList) Split() ([]*CompactCiphertextList, error) {
	if _, err := l.Types(); err != nil {
		return nil, err
	}
	out := make([]*CompactCiphertextList, len(l.Values))
	first := 0
	for i, v := range l.Values {
		source, at := l.locate(first)
		per := source.blocksPerLWE()
		count := (v.Blocks + per - 1) / per
		if at%per != 0 || (v.Blocks%per != 0 && i != len(l.Values)-1) || at/per+count > source.Count {
			return nil, fmt.Errorf("value %d of %d: %w", i, len(l.Values), ErrSplit)
		}
		var err error
		if out[i], err = source.part(at/per, count, v); err != nil {
			return nil, fmt.Errorf("value %d of %d: %w", i, len(l.Values), err)
		}
		first += v.Blocks
	}
	return out, nil
}

// locate returns the list that a block is in, and which of its blocks it is.
func (l *ProvenCompactCiphertextList) locate(block int) (*CompactCiphertextList, int) {
	i := 0
	for ; i < len(l.Lists)-1; i++ {
		room := l.Lists[i].List.Count * l.Lists[i].List.blocksPerLWE()
		if block < room {
			break
		}
		block -= room
	}
	return &l.Lists[i].List, block
}

// part returns LWE ciphertexts first..first+count-1 as a list of one value: the
// mask is the old one times X^first, for LWE i has the mask times X^i. They must
// be of one chunk, else the error is [ErrSplit].
func (l *CompactCiphertextList) part(first, count int, v ListValue) (*CompactCiphertextList, error) {
	n := l.parameters.PKEDimension
	if first/n != (first+count-1)/n {
		return nil, ErrSplit
	}
	out := &CompactCiphertextList{
		parameters: l.parameters, Data: make(Words, 8*(n+count)), Count: count, Packed: l.Packed, Values: []ListValue{v},
	}
	mask, rotation := l.mask(first), first%n
	for j := range n {
		if j < rotation {
			out.Data.Set(j, -mask.At(n-rotation+j))
		} else {
			out.Data.Set(j, mask.At(j-rotation))
		}
	}
	for i := range count {
		out.Data.Set(n+i, l.body(first+i))
	}
	return out, nil
}

// The proof is CompactPkeProof in its second variant, for scheme V2: eleven points
// of BLS12-446 in affine coordinates. The names are those of TFHE-rs.
var proofPoints = [...]struct {
	name      string
	extension bool // over the quadratic extension of the base field
}{
	{"C_hat_e", true}, {"C_e", false}, {"C_r_tilde", false}, {"C_R", false}, {"C_hat_bin", true}, {"C_y", false},
	{"C_h1", false}, {"C_h2", false}, {"C_hat_t", true}, {"pi", false}, {"pi_kzg", false},
}

const (
	proofV2           = 1 // variant of CompactPkeProof
	affineCoordinates = 2 // variant of SerializableAffine: neither infinity nor compressed
	proofHash         = 2 // variant of PkeV2SupportedHashConfig
	fieldWords        = 7 // 64-bit words of an element of the base field
	fieldSize         = 4 + 8 + 8*fieldWords

	// proofSize is the length of a serialized proof: its tags and variant, eight
	// points over the base field, three over its extension, flag, hash.
	proofSize = 12 + 8*(8+2*fieldSize) + 3*(8+2*(4+2*fieldSize)) + 1 + 8
)

// fieldModulus is the order of BLS12-446's base field, lowest word first.
var fieldModulus = [fieldWords]uint64{
	0x311c0026aab0aaab, 0x56ee4528c573b5cc, 0x824e6dc3e23acdee, 0x0f75a64bbac71602,
	0x0095a4b78a02fe32, 0x200fc34965aad640, 0x3cdee0fb28c5e535,
}

// proof reads or writes a proof whose form it checks in both directions.
func (c *coder) proof(v *[]byte) {
	if c.err != nil {
		return
	}
	if !c.writing {
		start := c.off
		c.proofForm()
		if c.err == nil {
			*v = c.buf[start:c.off:c.off]
		}
		return
	}
	form := &coder{buf: *v, release: c.release}
	form.proofForm()
	if form.err == nil && form.rest() != 0 {
		form.fail(ErrTrailing, "proof")
	}
	if form.err != nil {
		c.err = form.err
		return
	}
	copy(c.next(len(*v), "proof"), *v)
}

// proofForm reads over a proof.
func (c *coder) proofForm() {
	c.version(verProof)
	c.variant("proof", proofV2)
	c.releaseVersion(verProofV2)
	for _, p := range proofPoints {
		c.version(verAffine)
		c.variant(p.name, affineCoordinates)
		for range 2 {
			if !p.extension {
				c.fieldElement(p.name)
				continue
			}
			c.version(verQuadraticExtension)
			c.fieldElement(p.name)
			c.fieldElement(p.name)
		}
	}
	// The fields that a client adds to spare the verifier work.
	var spared bool
	c.present("compute load fields", &spared)
	if spared {
		c.fail(ErrMalformed, "proof with the verifier's part of the work")
	}
	c.enum("hash of the proof", proofHash)
}

// fieldElement reads over an element of BLS12-446's base field: seven words in
// Montgomery form, which must be the reduced ones.
func (c *coder) fieldElement(what string) {
	c.version(verPrimeField)
	if n := c.length(what, fieldWords, 8); c.err == nil && n != fieldWords {
		c.fail(ErrMalformed, "%s: field element of %d words", what, n)
	}
	b := c.next(8*fieldWords, what)
	if b == nil {
		return
	}
	for i := fieldWords - 1; i >= 0; i-- {
		word := binary.LittleEndian.Uint64(b[8*i:])
		if word < fieldModulus[i] {
			return
		}
		if word > fieldModulus[i] {
			break
		}
	}
	c.fail(ErrMalformed, "%s: coordinate not below the field's order", what)
}
