package keygen

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// EncryptionConfig is what NewEncryption needs.
type EncryptionConfig struct {
	Code *sharing.Code
	// Session is the id of the session; Identity signs in it what was sent.
	Session  mpc.Digest
	Identity *mpc.Identity
	// Key is the share of the LWE key, d words for each of its N coefficients.
	Key []uint64
	// Mask is public: N coefficients for each ciphertext.
	Mask []uint64
	// Messages are public, already at the scale of the ciphertext, one each.
	Messages []uint64
	// Noise are shares over R_64 of a noise sample for each.
	Noise []uint64
}

// Encryption makes LWE ciphertexts under a shared key: it opens the bodies
// b = ⟨a, s⟩ + e + m. The messages are public: it serves to check a key by use,
// before anything is encrypted under it. It is a mpc.Machine of one round
// and the signed root; after Done it goes on checking late shares.
type Encryption struct {
	linear
	config EncryptionConfig
	lwes   []uint64
}

// NewEncryption returns the machine, or ErrMaterial.
func NewEncryption(c EncryptionConfig) (*Encryption, error) {
	d, count := c.Code.Degree(), len(c.Messages)
	n := len(c.Key) / d
	if count == 0 || n == 0 || len(c.Key) != n*d || len(c.Mask) != count*n || len(c.Noise) != count*d {
		return nil, fmt.Errorf("%w: %d messages, %d mask coefficients", ErrMaterial, count, len(c.Mask))
	}
	e := &Encryption{config: c}
	var err error
	if e.linear, err = newLinear(c.Code, c.Session, c.Identity, count); err != nil {
		return nil, err
	}
	e.step = e.next
	return e, nil
}

func (e *Encryption) next(round int, values []uint64) ([]uint64, error) {
	c := &e.config
	d, n := c.Code.Degree(), len(c.Key)/c.Code.Degree()
	if round == 1 {
		for i, body := range values {
			e.lwes = append(e.lwes, c.Mask[i*n:(i+1)*n]...)
			e.lwes = append(e.lwes, body)
		}
		return nil, nil
	}
	out := append([]uint64(nil), c.Noise...)
	r := c.Code.Ring()
	for i, m := range c.Messages {
		body := out[i*d : (i+1)*d]
		body[0] += m
		for j, a := range c.Mask[i*n : (i+1)*n] {
			r.ScaleAdd(body, c.Key[j*d:(j+1)*d], a)
		}
	}
	return out, nil
}

// String hides the key.
func (e *Encryption) String() string { return "keygen.Encryption(redacted)" }

// GoString hides the key.
func (e *Encryption) GoString() string { return e.String() }

// LWEs returns the ciphertexts, N mask coefficients and the body each, nil before
// Done.
func (e *Encryption) LWEs() []uint64 { return e.lwes }
