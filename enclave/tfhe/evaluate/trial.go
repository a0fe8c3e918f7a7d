package evaluate

import (
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"

	"github.com/tkms-network/tkms/enclave/tfhe"
)

// Trial is a ciphertext whose decryption shows whether a key set is right.
type Trial struct {
	// Form is TFHE-rs' name of the object, e.g. "FheUint".
	Form string
	// Shows says what came out right if the decryption does.
	Shows string
	// Type is the type of the value.
	Type tfhe.Type
	// Ciphertext is the object in TFHE-rs' safe_serialize form.
	Ciphertext []byte
	// Value is what it must decrypt to.
	Value *big.Int
}

// trialType is that of all trials: the least with more than one block in each form.
const trialType = tfhe.EUint8

// encode appends a trial.
func encode(trials []Trial, shows string, value uint64, data []byte, err error) ([]Trial, error) {
	if err != nil {
		return nil, fmt.Errorf("%s: %w", shows, err)
	}
	name, err := tfhe.Name(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", shows, err)
	}
	form := name[strings.LastIndex(name, ":")+1:]
	return append(trials, Trial{form, shows, trialType, data, new(big.Int).SetUint64(value)}), nil
}

// Fresh encrypts a value under a public key alone: the trial of a parameter set that has
// nothing else. The same coins give the same bytes.
func Fresh(coins io.Reader, public *tfhe.CompactPublicKey) ([]Trial, error) {
	value, list, err := drawList(coins, public)
	if err != nil {
		return nil, err
	}
	data, err := list.MarshalBinary()
	return encode(nil, "the public key encrypts", value, data, err)
}

func drawList(coins io.Reader, public *tfhe.CompactPublicKey) (uint64, *tfhe.CompactCiphertextList, error) {
	var value [1]byte
	if _, err := io.ReadFull(coins, value[:]); err != nil {
		return 0, nil, fmt.Errorf("evaluate: read coins: %w", err)
	}
	list, err := public.Encrypt(coins, trialType, new(big.Int).SetBytes(value[:]), true)
	return uint64(value[0]), list, err
}

// Check computes trials of a key set, in every form of ciphertext that its parameter set
// has and with a use for every component that it has. The same coins, which only have to
// be unpredictable to whoever made the key set, give the same bytes everywhere.
//
// Two fresh values are expanded (public key, casting, bootstrap), combined (key switch,
// bootstrap) and re-randomized; the result is stored and restored (compression,
// decompression), squashed and packed (squashing, squashing compression). Pseudo-random
// bits (OPRF) cannot be foreseen: that they are bits is what is computed of them.
func Check(coins io.Reader, e *Evaluator, public *tfhe.CompactPublicKey) ([]Trial, error) {
	a, first, err := drawList(coins, public)
	if err != nil {
		return nil, err
	}
	b, second, err := drawList(coins, public)
	if err != nil {
		return nil, err
	}
	data, err := first.MarshalBinary()
	trials, err := encode(nil, "the public key encrypts", a, data, err)
	if err != nil {
		return nil, err
	}
	values, err := e.Expand(first, second)
	if err != nil {
		return nil, err
	}
	bits, err := e.Random(coins, trialType.Blocks(e.parameters))
	if err != nil {
		return nil, err
	}
	combined, areBits, err := e.combineTrials(values[0], values[1], bits)
	if err != nil {
		return nil, err
	}
	values, err = e.ReRandomize(coins, combined)
	if err != nil {
		return nil, err
	}
	data, err = e.Encode(values[0])
	if trials, err = encode(trials, "encrypted values expand, combine and are re-randomized", a^b, data, err); err != nil {
		return nil, err
	}
	data, err = e.Encode(areBits)
	if trials, err = encode(trials, "random bits are bits", allOnes(e.parameters), data, err); err != nil {
		return nil, err
	}
	if trials, err = e.compressTrials(trials, values[0], a^b); err != nil {
		return nil, err
	}
	return e.squashTrials(trials, values[0], a^b)
}

// combineTrials returns the exclusive or of two values, and 1 in each digit for each of
// the blocks that is 0 or 1.
func (e *Evaluator) combineTrials(a, b Value, bits [][]uint64) (combined, areBits Value, err error) {
	modulus := e.parameters.MessageModulus
	xor := func(x uint64) uint64 { return x/modulus ^ x%modulus }
	isBit := func(x uint64) uint64 {
		if x < 2 {
			return 1
		}
		return 0
	}
	functions := append(slices.Repeat([]function{xor}, len(a.Blocks)), slices.Repeat([]function{isBit}, len(bits))...)
	blocks, err := e.Bootstrap(append(pair(a.Blocks, b.Blocks, modulus), bits...), functions)
	if err != nil {
		return Value{}, Value{}, err
	}
	return Value{trialType, blocks[:len(a.Blocks)]}, Value{trialType, blocks[len(a.Blocks):]}, nil
}

// allOnes is the value with 1 in each digit.
func allOnes(p tfhe.Parameters) uint64 {
	value := uint64(0)
	for range trialType.Blocks(p) {
		value = value*p.MessageModulus + 1
	}
	return value
}

// compressTrials adds the value stored and restored, if the parameter set can.
func (e *Evaluator) compressTrials(trials []Trial, v Value, value uint64) ([]Trial, error) {
	if !e.parameters.Components.Has(tfhe.ComponentCompression) {
		return trials, nil
	}
	list, err := e.Compress(v)
	if err != nil {
		return nil, err
	}
	data, err := list.MarshalBinary()
	if trials, err = encode(trials, "values are stored", value, data, err); err != nil {
		return nil, err
	}
	stored, err := tfhe.Decode(data, trialType, e.parameters)
	if err != nil {
		return nil, err
	}
	restored, err := e.Decompress(stored)
	if err != nil {
		return nil, err
	}
	data, err = e.Encode(restored)
	return encode(trials, "stored values are restored", value, data, err)
}

// squashTrials adds the value squashed and packed, if the parameter set can.
func (e *Evaluator) squashTrials(trials []Trial, v Value, value uint64) ([]Trial, error) {
	if !e.parameters.Components.Has(tfhe.ComponentSquashing) {
		return trials, nil
	}
	squashed, err := e.Squash(v)
	if err != nil {
		return nil, err
	}
	data, err := e.EncodeSquashed(squashed[0])
	if trials, err = encode(trials, "noise is squashed", value, data, err); err != nil {
		return nil, err
	}
	list, err := e.CompressSquashed(squashed...)
	if err != nil {
		return nil, err
	}
	data, err = list.MarshalBinary()
	return encode(trials, "squashed values are packed", value, data, err)
}
