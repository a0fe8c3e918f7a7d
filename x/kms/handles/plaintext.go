package handles

import (
	"fmt"
	"math/big"
)

// PlaintextBytes returns the length of the ABI encoding of the values of all
// handles: 32 bytes a word.
func PlaintextBytes(batch []Handle) int {
	words := 0
	for _, h := range batch {
		words += h.Type().Words()
	}
	return words * WordBytes
}

// CheckPlaintext accepts exactly the ABI encoding of one value a handle, in the
// order of the handles, each within the range of its type: a Bool is 0 or 1, a
// Uint8 below 256, and so on. The host chain's contracts decode with the same
// strictness and would reject anything else, after it was signed.
func CheckPlaintext(batch []Handle, plaintext []byte) error {
	if want := PlaintextBytes(batch); len(plaintext) != want {
		return fmt.Errorf("%w: %d bytes, not %d", ErrPlaintextLength, len(plaintext), want)
	}
	for i, h := range batch {
		size := h.Type().Words() * WordBytes
		if !inRange(h.Type().Bits(), plaintext[:size]) {
			return fmt.Errorf("value %d: %w %s", i, ErrPlaintextRange, h.Type())
		}
		plaintext = plaintext[size:]
	}
	return nil
}

// inRange reports whether the big-endian value is below 2^bits.
func inRange(bits int, value []byte) bool {
	unused := 8*len(value) - bits
	for i := 0; i < unused/8; i++ {
		if value[i] != 0 {
			return false
		}
	}
	if rest := unused % 8; rest != 0 {
		return value[unused/8]>>(8-rest) == 0
	}
	return true
}

// AppendValue appends the ABI words of one value of type t to dst. It returns
// ErrType for an unsupported type and ErrPlaintextRange for a negative value or
// one of 2^bits and more.
func AppendValue(dst []byte, t Type, value *big.Int) ([]byte, error) {
	if !t.Supported() {
		return nil, fmt.Errorf("%w %d", ErrType, uint8(t))
	}
	if value.Sign() < 0 || value.BitLen() > t.Bits() {
		return nil, fmt.Errorf("%w %s", ErrPlaintextRange, t)
	}
	words := make([]byte, t.Words()*WordBytes)
	value.FillBytes(words)
	return append(dst, words...), nil
}

// Values splits a plaintext that CheckPlaintext accepts into its values.
func Values(batch []Handle, plaintext []byte) ([]*big.Int, error) {
	if err := CheckPlaintext(batch, plaintext); err != nil {
		return nil, err
	}
	values := make([]*big.Int, len(batch))
	for i, h := range batch {
		size := h.Type().Words() * WordBytes
		values[i] = new(big.Int).SetBytes(plaintext[:size])
		plaintext = plaintext[size:]
	}
	return values, nil
}
