package clientkey

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/big"

	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// Value is a value of a type.
type Value struct {
	Type  tfhe.Type
	Value *big.Int
}

// digits returns the digits of a value to the base 2^bits, as many as it has LWE
// ciphertexts of so many bits.
func (v Value) digits(p tfhe.Parameters, blocksPerLWE int) ([]uint64, error) {
	if !v.Type.Fits(v.Value) {
		return nil, fmt.Errorf("encrypt %d bits as %v: %w", v.Value.BitLen(), v.Type, tfhe.ErrRange)
	}
	out := make([]uint64, (v.Type.Blocks(p)+blocksPerLWE-1)/blocksPerLWE)
	base := new(big.Int).SetUint64(p.MessageModulus)
	base.Exp(base, big.NewInt(int64(blocksPerLWE)), nil)
	rest, digit := new(big.Int).Set(v.Value), new(big.Int)
	for i := range out {
		rest.DivMod(rest, base, digit)
		out[i] = digit.Uint64()
	}
	return out, nil
}

func (v Value) kind(p tfhe.Parameters) tfhe.ListValue {
	return tfhe.ListValue{Boolean: v.Type == tfhe.EBool, Blocks: v.Type.Blocks(p)}
}

// EncryptCompressed encrypts values under the compression key, as a
// CompressedCiphertextList in safe_serialize form.
func EncryptCompressed(coins io.Reader, k *tfhe.ClientKey, values ...Value) ([]byte, error) {
	p := k.Parameters()
	c := p.Compression
	glwes, kinds, err := packAll(coins, k, tfhe.CompressionKey, values, 1, int(c.LWEsPerGLWE), c.Noise) // #nosec G115 -- small
	if err != nil {
		return nil, err
	}
	narrow := make([][]uint64, len(glwes))
	for i, words := range glwes {
		narrow[i] = make([]uint64, len(words))
		for j, w := range words {
			narrow[i][j] = w.Lo
		}
	}
	l, err := tfhe.NewCompressedCiphertextList(p, kinds, narrow)
	if err != nil {
		return nil, err
	}
	return l.MarshalBinary()
}

// EncryptCompressedSquashed encrypts values under the squashing compression key, as a
// CompressedSquashedNoiseCiphertextList in safe_serialize form.
func EncryptCompressedSquashed(coins io.Reader, k *tfhe.ClientKey, values ...Value) ([]byte, error) {
	p := k.Parameters()
	c := p.SquashingCompression
	glwes, kinds, err := packAll(coins, k, tfhe.SquashingCompressionKey, values, 2, int(c.LWEsPerGLWE), c.Noise) // #nosec G115 -- small
	if err != nil {
		return nil, err
	}
	l, err := tfhe.NewCompressedSquashedNoiseCiphertextList(p, kinds, glwes)
	if err != nil {
		return nil, err
	}
	return l.MarshalBinary()
}

// packAll encrypts values in GLWE ciphertexts of as many LWE plaintexts each.
func packAll(coins io.Reader, k *tfhe.ClientKey, kind tfhe.KeyKind, values []Value, blocksPerLWE, each int, noise tfhe.Noise) (glwes [][]wide.Word, kinds []tfhe.ListValue, err error) {
	var plaintexts []uint64
	for _, v := range values {
		digits, err := v.digits(k.Parameters(), blocksPerLWE)
		if err != nil {
			return nil, nil, err
		}
		plaintexts = append(plaintexts, digits...)
		kinds = append(kinds, v.kind(k.Parameters()))
	}
	for len(plaintexts) > 0 {
		n := min(each, len(plaintexts))
		words, err := encryptGLWE(coins, k, kind, plaintexts[:n], noise)
		if err != nil {
			return nil, nil, err
		}
		glwes = append(glwes, words)
		plaintexts = plaintexts[n:]
	}
	return glwes, kinds, nil
}

// encryptGLWE encrypts plaintexts as the first coefficients of a GLWE ciphertext. Words
// modulo 2^64 are words modulo 2^128 whose high half counts for nothing.
func encryptGLWE(coins io.Reader, k *tfhe.ClientKey, kind tfhe.KeyKind, plaintexts []uint64, noise tfhe.Noise) ([]wide.Word, error) {
	key, err := SecretBits(k, kind)
	if err != nil {
		return nil, err
	}
	words, err := drawWideWords(coins, len(key))
	if err != nil {
		return nil, err
	}
	e, err := tfhe.SampleNoise(coins, noise, len(plaintexts))
	if err != nil {
		return nil, err
	}
	n := glweDegree(k.Parameters(), kind)
	body := make([]wide.Word, n)
	for q := 0; q < len(key); q += n {
		addWideProduct(body, words[q:q+n], key[q:q+n])
	}
	for i, m := range plaintexts {
		body[i] = body[i].Add(scaled(k.Parameters(), kind, m)).Add(signExtend(e[i]))
	}
	return append(words, body[:len(plaintexts)]...), nil
}

func glweDegree(p tfhe.Parameters, kind tfhe.KeyKind) int {
	if kind == tfhe.CompressionKey {
		return p.Compression.PolynomialSize
	}
	return p.SquashingCompression.PolynomialSize
}

// scaled returns the encoding of a plaintext under a key.
func scaled(p tfhe.Parameters, kind tfhe.KeyKind, m uint64) wide.Word {
	return wide.Word{Lo: m}.Shl(exponent(p, kind))
}

// exponent is that of the power of two by which plaintexts under a key are scaled.
func exponent(p tfhe.Parameters, kind tfhe.KeyKind) uint {
	_, window := p.Switch(kind)
	if kind.Wide() {
		return 128 - window
	}
	return 64 - window
}

// EncryptSquashed encrypts a value under the squashing key, as a SquashedNoiseFheBool
// or SquashedNoiseFheUintN in safe_serialize form.
func EncryptSquashed(coins io.Reader, k *tfhe.ClientKey, v Value) ([]byte, error) {
	p := k.Parameters()
	digits, err := v.digits(p, 2)
	if err != nil {
		return nil, err
	}
	blocks := make([]tfhe.SquashedBlock, len(digits))
	for i, m := range digits {
		if blocks[i], err = encryptSquashedBlock(coins, k, m); err != nil {
			return nil, err
		}
	}
	if v.Type == tfhe.EBool {
		blocks[0].Degree = 1
		return tfhe.NewSquashedNoiseFheBool(p, blocks[0]).MarshalBinary()
	}
	return tfhe.NewSquashedNoiseFheUint(p, blocks, v.Type.Blocks(p)).MarshalBinary()
}

func encryptSquashedBlock(coins io.Reader, k *tfhe.ClientKey, m uint64) (tfhe.SquashedBlock, error) {
	key, err := SecretBits(k, tfhe.SquashingKey)
	if err != nil {
		return tfhe.SquashedBlock{}, err
	}
	words, err := drawWideWords(coins, len(key))
	if err != nil {
		return tfhe.SquashedBlock{}, err
	}
	e, err := tfhe.SampleNoise(coins, k.Parameters().Squashing.Noise, 1)
	if err != nil {
		return tfhe.SquashedBlock{}, err
	}
	body := scaled(k.Parameters(), tfhe.SquashingKey, m).Add(signExtend(e[0]))
	for i, bit := range key {
		if bit == 1 {
			body = body.Add(words[i])
		}
	}
	return tfhe.SquashedBlock{Data: tfhe.NewWideWords(append(words, body)), Degree: 15}, nil
}

func drawWideWords(coins io.Reader, n int) ([]wide.Word, error) {
	raw := make([]byte, wide.Size*n)
	if _, err := io.ReadFull(coins, raw); err != nil {
		return nil, fmt.Errorf("draw words: %w", err)
	}
	out := make([]wide.Word, n)
	for i := range out {
		out[i] = wide.Word{
			Lo: binary.LittleEndian.Uint64(raw[wide.Size*i:]),
			Hi: binary.LittleEndian.Uint64(raw[wide.Size*i+8:]),
		}
	}
	return out, nil
}

// DecryptLWE decrypts LWE ciphertext i of c to its plaintext, padding bit included, and
// its noise.
func DecryptLWE(k *tfhe.ClientKey, c *tfhe.Ciphertext, i int) (plaintext uint64, noise float64, err error) {
	key, err := SecretBits(k, c.Key())
	if err != nil {
		return 0, 0, err
	}
	phase := lwePhase(c, i, key)
	p := k.Parameters()
	shift := exponent(p, c.Key())
	_, window := p.Switch(c.Key())
	rounded := phase.Add(wide.Word{Lo: 1}.Shl(shift - 1))
	plaintext = rounded.Shr(shift).Lo % (1 << window)
	return plaintext, float(phase.Sub(scaled(p, c.Key(), plaintext)), c.Key().Wide()), nil
}

// lwePhase returns body - <mask, key>; modulo 2^64 its high half counts for nothing.
func lwePhase(c *tfhe.Ciphertext, i int, key []uint64) wide.Word {
	if !c.Wide() {
		mask := make([]uint64, c.Dimension())
		phase := c.LWE(i, mask)
		for j, a := range mask {
			phase -= a * key[j]
		}
		return wide.Word{Lo: phase}
	}
	mask := make([]wide.Word, c.Dimension())
	phase := c.LWEWide(i, mask)
	for j, a := range mask {
		phase = phase.Sub(a.Mul(wide.Word{Lo: key[j]}))
	}
	return phase
}

// float returns a noise as a signed number.
func float(e wide.Word, modulo128 bool) float64 {
	if !modulo128 {
		return float64(int64(e.Lo)) // #nosec G115 -- two's complement
	}
	if e.Hi>>63 == 1 {
		return -float(e.Neg(), true)
	}
	return float64(e.Hi)*(1<<64) + float64(e.Lo)
}
