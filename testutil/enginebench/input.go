package enginebench

import (
	"crypto/rand"
	"math/big"
	"os"
	"path/filepath"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/clientkey"
)

// inputType is the type of the one ciphertext, of which all runs take as many
// blocks as they need: 1,024 blocks, or 16 MB.
const inputType = tfhe.EUint2048

// input is what all parties decrypt.
type input struct {
	dir, file string
	// key has the bits of the secret key.
	key []uint64
	// digits are the plaintexts of the blocks.
	digits []uint64
	// forms are a smaller value in every form.
	forms []*form
}

// newInput makes a key and encrypts a random value into a file in dir.
func newInput(dir string) (*input, error) {
	parameters := tfhe.Production()
	key, err := clientkey.Generate(rand.Reader, parameters)
	if err != nil {
		return nil, err
	}
	value, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(inputType.Bits())))
	if err != nil {
		return nil, err
	}
	raw, err := clientkey.Encrypt(rand.Reader, key, inputType, value)
	if err != nil {
		return nil, err
	}
	in := &input{dir: dir, file: filepath.Join(dir, "ciphertext")}
	if in.key, err = clientkey.SecretBits(key, tfhe.ComputeKey); err != nil {
		return nil, err
	}
	base, digit := new(big.Int).SetUint64(parameters.MessageModulus), new(big.Int)
	for range inputType.Blocks(parameters) {
		value.DivMod(value, base, digit)
		in.digits = append(in.digits, digit.Uint64())
	}
	if in.forms, err = newForms(dir, key); err != nil {
		return nil, err
	}
	return in, os.WriteFile(in.file, raw, 0o600)
}

// digest is that of the values that a run of a job is to give.
func (in *input) digest(j *job) *mpc.Digest {
	var values []uint64
	for b := range j.Batches {
		for i := range j.size(b) {
			values = append(values, in.digits[i%len(in.digits)])
		}
	}
	d := digestOf(values)
	return &d
}
