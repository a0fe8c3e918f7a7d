package enginebench

import (
	"crypto/rand"
	"encoding/binary"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/clientkey"
	"github.com/tkms-network/tkms/testutil/dealer"
)

// formType is the type of the value that is encrypted in every form.
const formType = tfhe.EUint64

// form is a ciphertext in one form.
type form struct {
	name  string
	kind  tfhe.KeyKind
	file  string
	bytes int
	// values are the plaintexts of its LWE ciphertexts.
	values []uint64
	// key has the bits of the secret key that it is under.
	key []uint64
}

// newForms encrypts a random value in every form, into files in dir.
func newForms(dir string, key *tfhe.ClientKey) ([]*form, error) {
	value, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(formType.Bits())))
	if err != nil {
		return nil, err
	}
	v := clientkey.Value{Type: formType, Value: value}
	var out []*form
	for _, f := range []struct {
		name   string
		encode func() ([]byte, error)
	}{
		{"FheUint64", func() ([]byte, error) { return clientkey.Encrypt(rand.Reader, key, v.Type, v.Value) }},
		{"CompressedCiphertextList", func() ([]byte, error) { return clientkey.EncryptCompressed(rand.Reader, key, v) }},
		{"SquashedNoiseFheUint", func() ([]byte, error) { return clientkey.EncryptSquashed(rand.Reader, key, v) }},
		{"CompressedSquashedNoiseCiphertextList", func() ([]byte, error) { return clientkey.EncryptCompressedSquashed(rand.Reader, key, v) }},
	} {
		raw, err := f.encode()
		if err != nil {
			return nil, err
		}
		next := &form{name: f.name, file: filepath.Join(dir, f.name), bytes: len(raw)}
		c, err := tfhe.Decode(raw, formType, key.Parameters())
		if err != nil {
			return nil, err
		}
		next.kind = c.Key()
		if next.key, err = clientkey.SecretBits(key, next.kind); err != nil {
			return nil, err
		}
		bits := 2 * c.Packing()
		for i := range c.Len() {
			digit := new(big.Int).Rsh(value, uint(i*bits)) // #nosec G115 -- positive
			next.values = append(next.values, digit.Uint64()&(1<<bits-1))
		}
		if err := os.WriteFile(next.file, raw, 0o600); err != nil {
			return nil, err
		}
		out = append(out, next)
	}
	return out, nil
}

// shape is that of the form's offline items, with a chain if others have one.
func (f *form) shape(chain bool) preproc.Shape {
	k, w := tfhe.Production().Switch(f.kind)
	s := preproc.Shape{K: k, W: w, Chain: chain}
	if s.Check() != nil {
		s.Chain = false
	}
	return s
}

// share deals a form's key; element i−1 is what party i gets.
func (f *fleet) share(of *form) ([][]byte, error) {
	out := make([][]byte, len(f.parties))
	if !of.kind.Wide() {
		shares, err := dealer.Deal(rand.Reader, f.code.N(), f.code.T(), f.code.Degree(), of.key)
		if err != nil {
			return nil, err
		}
		for i, share := range shares {
			for _, x := range share {
				out[i] = binary.LittleEndian.AppendUint64(out[i], x)
			}
		}
		return out, nil
	}
	bits := make([]wide.Word, len(of.key))
	for i, x := range of.key {
		bits[i].Lo = x
	}
	shares, err := f.code.DealWide(rand.Reader, f.code.T(), bits)
	if err != nil {
		return nil, err
	}
	for i, share := range shares {
		for _, x := range share {
			out[i] = x.Append(out[i])
		}
	}
	return out, nil
}

// Ways to decrypt a form.
const (
	wayMasked  = "masked"
	wayFlooded = "flooded"
)

// Form is one value in one form: what is fetched, and how long it takes from its bytes
// to the value with the offline items from stock, of which flooding needs none.
type Form struct {
	Name string `json:"form"`
	Way  string `json:"way"`
	// Bytes are those of the ciphertext, Blocks its LWE ciphertexts.
	Bytes  int   `json:"ciphertext_bytes"`
	Blocks int   `json:"blocks"`
	Engine Phase `json:"engine"`
}

// forms measures a euint64 in every form, in each way that there is.
func (b *bench) forms() error {
	for _, f := range b.in.forms {
		shares, err := b.fleet.share(f)
		if err != nil {
			return err
		}
		if _, err := b.fleet.ask(func(i int) *command {
			return &command{Form: &formCommand{Name: f.name, Kind: f.kind, Shape: f.shape(b.shape.Chain), Share: shares[i], Ciphertext: f.file}}
		}); err != nil {
			return err
		}
		ways := []string{wayMasked}
		if f.kind.Wide() && !b.fleet.dealt && decrypt.Floods(b.fleet.code.N(), b.fleet.code.T(), f.shape(false).W) {
			ways = append(ways, wayFlooded)
		}
		for _, way := range ways {
			b.progress("%s, %s", f.name, way)
			blocks, want := len(f.values), digestOf(f.values)
			j := job{Kind: jobForm, Blocks: blocks, Last: blocks, Batches: 1, Form: f.name, Flood: way == wayFlooded}
			r, err := b.repeated(j, &want, formBudget, rowRuns)
			if err != nil {
				return err
			}
			b.out.Forms = append(b.out.Forms, Form{Name: f.name, Way: way, Bytes: f.bytes, Blocks: blocks, Engine: phaseOf(r, blocks)})
		}
	}
	return nil
}

// formBudget is the time for one figure of a form.
const formBudget = 3 * time.Second
