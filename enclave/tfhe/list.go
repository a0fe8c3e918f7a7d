package tfhe

import "fmt"

// valueKind is TFHE-rs' DataKind, what one value of a list is.
type valueKind uint32

const (
	kindUnsigned valueKind = 0
	kindSigned   valueKind = 1
	kindBoolean  valueKind = 2
	kindString   valueKind = 3
)

// ListValue says what one value of a compact list is. Signed integers and
// strings, which TFHE-rs has too, are refused: no fhEVM type is one.
type ListValue struct {
	// Boolean marks a bool, which has one block.
	Boolean bool
	// Blocks is the number of blocks, digits to base MessageModulus.
	Blocks int
}

// CompactCiphertextList is a TFHE-rs CompactCiphertextList: values encrypted
// under a compact public key, in one run of blocks. The run is encrypted in LWE
// ciphertexts of one block, or two if packed; LWE i of a chunk of up to
// PKEDimension is (mask * X^i, body i), the product modulo X^n + 1.
type CompactCiphertextList struct {
	parameters Parameters
	// Data is the chunks' masks of PKEDimension words, then all bodies.
	Data Words
	// Count is the number of LWE ciphertexts.
	Count int
	// Packed tells two blocks to an LWE, v = even + MessageModulus * odd. Values
	// share an LWE where the run of blocks makes them.
	Packed bool
	// Values are what is in the list, in order.
	Values []ListValue
	// Tag is the key set's tag, normally empty.
	Tag []byte
}

// UnmarshalCompactCiphertextList reads a safe_serialize CompactCiphertextList
// under the parameters p. The list is a view of data, which must not be changed.
func UnmarshalCompactCiphertextList(data []byte, p Parameters) (*CompactCiphertextList, error) {
	l := &CompactCiphertextList{parameters: p}
	if err := unmarshal(data, l); err != nil {
		return nil, fmt.Errorf("compact list: %w", err)
	}
	return l, nil
}

// MarshalBinary writes the list as TFHE-rs' safe_serialize does.
func (l *CompactCiphertextList) MarshalBinary() ([]byte, error) {
	b, err := marshal(l, len(l.Data)+16*len(l.Values)+256)
	if err != nil {
		return nil, fmt.Errorf("compact list: %w", err)
	}
	return b, nil
}

// blocksPerLWE is 2 in a packed list, else 1.
func (l *CompactCiphertextList) blocksPerLWE() int {
	if l.Packed {
		return 2
	}
	return 1
}

// chunks returns the number of masks for count LWE ciphertexts.
func (l *CompactCiphertextList) chunks(count int) int {
	n := l.parameters.PKEDimension
	return (count + n - 1) / n
}

func (l *CompactCiphertextList) layout(c *coder) {
	c.header(nameList)
	c.versions(verList, verIntegerList)
	l.shortint(c)
	l.values(c)
	c.tag(&l.Tag)
	l.checkCount(c)
}

// shortint is the list without the values' kinds and the tag, as a proven list has it too.
func (l *CompactCiphertextList) shortint(c *coder) {
	c.versions(verShortintList, verLweList)
	l.ciphertexts(c)
	c.modulus(64)
	l.degree(c)
	c.messageAndCarry(&l.parameters)
	c.expansionKind()
}

func (l *CompactCiphertextList) ciphertexts(c *coder) {
	// The count comes after the data, so the data's length is read as it is and
	// compared once the count is known.
	total := c.length("ciphertexts", l.Data.Len(), 8)
	if b := c.next(8*total, "ciphertexts"); b != nil {
		if c.writing {
			copy(b, l.Data)
		} else {
			l.Data = b
		}
	}
	c.parameter("LWE size", uint64(l.parameters.PKEDimension)+1)
	count := uint64(l.Count)
	c.newtype("ciphertext count", &count)
	if c.err != nil {
		return
	}
	if count == 0 || count > uint64(total) || total != l.chunks(int(count))*l.parameters.PKEDimension+int(count) {
		c.fail(ErrMalformed, "%d words are not %d ciphertexts", total, count)
		return
	}
	l.Count = int(count)
}

// degree is the greatest plaintext of an LWE, and with that says whether the
// list is packed.
func (l *CompactCiphertextList) degree(c *coder) {
	packed := l.parameters.maxDegree()
	plain := l.parameters.MessageModulus - 1
	degree := plain
	if l.Packed {
		degree = packed
	}
	c.newtype("degree", &degree)
	if degree != plain && degree != packed {
		c.fail(ErrMalformed, "degree is %d, want %d or %d", degree, plain, packed)
	}
	l.Packed = degree == packed
}

func (l *CompactCiphertextList) values(c *coder) {
	c.values(&l.Values, l.Count*l.blocksPerLWE())
}

// values is a Vec<DataKind> of a list with at most so many blocks.
func (c *coder) values(values *[]ListValue, most int) {
	const size = 8 // tag and variant
	n := c.length("values", len(*values), size)
	if !c.writing && c.err == nil {
		*values = make([]ListValue, n)
	}
	for i := range *values {
		(*values)[i].layout(c, most)
	}
}

func (v *ListValue) layout(c *coder, most int) {
	c.version(verDataKind)
	kind := uint32(kindUnsigned)
	if v.Boolean {
		kind = uint32(kindBoolean)
	}
	c.u32("kind of value", &kind)
	switch valueKind(kind) {
	case kindBoolean:
		v.Boolean, v.Blocks = true, 1
	case kindUnsigned:
		blocks := uint64(v.Blocks)
		c.u64("blocks of value", &blocks)
		if c.err == nil && (blocks == 0 || blocks > uint64(most)) {
			c.fail(ErrMalformed, "value of %d blocks in a list of %d", blocks, most)
			return
		}
		v.Blocks = int(blocks)
	case kindSigned, kindString:
		c.fail(ErrType, "signed integers and strings are not supported")
	default:
		c.fail(ErrMalformed, "kind of value %d", kind)
	}
}

func (l *CompactCiphertextList) checkCount(c *coder) {
	if c.err != nil {
		return
	}
	blocks, per := blocksOf(l.Values), l.blocksPerLWE()
	if want := (blocks + per - 1) / per; want != l.Count {
		c.fail(ErrMalformed, "values of %d blocks in %d ciphertexts", blocks, l.Count)
	}
}

// blocksOf returns the number of blocks of values.
func blocksOf(values []ListValue) int {
	blocks := 0
	for _, v := range values {
		blocks += v.Blocks
	}
	return blocks
}

// mask returns the mask of LWE i before it is multiplied by X^(i mod n).
func (l *CompactCiphertextList) mask(i int) Words {
	n := l.parameters.PKEDimension
	chunk := i / n
	return l.Data.Slice(chunk*n, (chunk+1)*n)
}

// body returns the body of LWE i.
func (l *CompactCiphertextList) body(i int) uint64 {
	return l.Data.At(l.chunks(l.Count)*l.parameters.PKEDimension + i)
}

// Ciphertext returns value i of the list as a ciphertext to be decrypted, under
// whichever fhEVM type has that many blocks; [ErrType] if none has.
func (l *CompactCiphertextList) Ciphertext(i int) (*Ciphertext, error) {
	if i < 0 || i >= len(l.Values) {
		return nil, fmt.Errorf("value %d of %d: %w", i, len(l.Values), ErrType)
	}
	v := l.Values[i]
	t, err := typeOf(v.Boolean, v.Blocks, l.parameters)
	if err != nil {
		return nil, err
	}
	return listCiphertext(l, t, blocksOf(l.Values[:i]), blocksOf(l.Values)), nil
}
