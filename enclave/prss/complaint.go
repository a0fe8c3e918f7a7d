package prss

import (
	"crypto/ecdh"
	"crypto/hpke"
	"fmt"
	"io"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Sizes on the wire and on the chain.
const (
	// OpeningSize is a contribution κ followed by the salt of its commitment.
	OpeningSize = 2 * KeySize
	// ComplaintKeySize is the length of either half of a one-time key.
	ComplaintKeySize = 32
	// SealedSize is the length of a sealed opening: the encapsulated key, the
	// opening, and a tag of 16 bytes.
	SealedSize = ComplaintKeySize + OpeningSize + 16
)

// Answers are sealed with HPKE (RFC 9180) in base mode under
// DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-128-GCM.
var (
	complaintKEM  = hpke.DHKEM(ecdh.X25519())
	complaintKDF  = hpke.HKDFSHA256()
	complaintAEAD = hpke.AES128GCM()
)

// AnswerContext is what the sealing of one answer is bound to: the set-up attempt,
// who answers whom (party indices), and the position of the set in the accused's
// list (SetsOf). An answer does not open in the place of another.
type AnswerContext struct {
	Setup            mpc.Digest
	Accused, Accuser int
	Set              int
}

func (c AnswerContext) info() []byte {
	h := mpc.Hash("tkms/v1/prss/answer", c.Setup[:], mpc.Uint64(uint64(c.Accused)), mpc.Uint64(uint64(c.Accuser)), mpc.Uint64(uint64(c.Set))) // #nosec G115 -- a negative one is just another context
	return h[:]
}

// NewComplaintKey makes the one-time key that one accused's answers are sealed
// to, from 32 bytes of random (RFC 9180, section 7.1.3). The same bytes give the
// same key. An accuser takes another key for each accused: it publishes the
// private one to show that this accused's answer is wrong, which must not open
// what others answered.
func NewComplaintKey(random io.Reader) (private, public []byte, err error) {
	var seed [ComplaintKeySize]byte
	defer clear(seed[:])
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return nil, nil, fmt.Errorf("prss: read randomness: %w", err)
	}
	key, err := complaintKEM.DeriveKeyPair(seed[:])
	if err != nil {
		return nil, nil, fmt.Errorf("prss: derive a complaint key: %w", err)
	}
	private, err = key.Bytes()
	if err != nil {
		return nil, nil, fmt.Errorf("prss: encode a complaint key: %w", err)
	}
	return private, key.PublicKey().Bytes(), nil
}

// ComplaintPublicKey returns the public half of a one-time key, ErrEncoding if
// private is none.
func ComplaintPublicKey(private []byte) ([]byte, error) {
	key, err := complaintKEM.NewPrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("%w: complaint key: %w", ErrEncoding, err)
	}
	return key.PublicKey().Bytes(), nil
}

// CheckComplaintKey returns ErrEncoding unless answers can be sealed to public. A
// point of low order is refused: no secret comes of it, so the accused could not
// answer, and nobody could show what it answered.
func CheckComplaintKey(public []byte) error {
	key, err := ecdh.X25519().NewPublicKey(public)
	if err == nil {
		_, err = anyScalar.ECDH(key)
	}
	if err != nil {
		return fmt.Errorf("%w: complaint key: %w", ErrEncoding, err)
	}
	return nil
}

// anyScalar finds points of low order: times any scalar they are 0.
var anyScalar = func() *ecdh.PrivateKey {
	scalar, err := ecdh.X25519().NewPrivateKey(make([]byte, ComplaintKeySize))
	if err != nil {
		panic("prss: " + err.Error()) // 32 bytes are a scalar
	}
	return scalar
}()

// SealOpening seals an opening to an accuser's one-time public key, into
// SealedSize bytes; ErrEncoding if CheckComplaintKey refuses the key. The source of
// randomness is not used: crypto/hpke draws the ephemeral key from the system's and
// takes no other.
func SealOpening(_ io.Reader, recipient []byte, c AnswerContext, opening []byte) (sealed []byte, err error) {
	if len(opening) != OpeningSize {
		return nil, fmt.Errorf("%w: an opening of %d bytes", ErrEncoding, len(opening))
	}
	key, err := complaintKEM.NewPublicKey(recipient)
	if err != nil {
		return nil, fmt.Errorf("%w: complaint key: %w", ErrEncoding, err)
	}
	sealed, err = hpke.Seal(key, complaintKDF, complaintAEAD, c.info(), opening)
	if err != nil { // the key is of low order
		return nil, fmt.Errorf("%w: complaint key: %w", ErrEncoding, err)
	}
	return sealed, nil
}

// OpenAnswer opens what SealOpening sealed: ErrAnswer if sealed was made for
// another key or context, or is not OpeningSize bytes inside, ErrEncoding if
// private is no key. It is deterministic.
func OpenAnswer(private []byte, c AnswerContext, sealed []byte) (opening []byte, err error) {
	key, err := complaintKEM.NewPrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("%w: complaint key: %w", ErrEncoding, err)
	}
	if len(sealed) != SealedSize {
		return nil, fmt.Errorf("%w: %d bytes", ErrAnswer, len(sealed))
	}
	opening, err = hpke.Open(key, complaintKDF, complaintAEAD, c.info(), sealed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return opening, nil
}

// CheckOpening reports whether opening opens the accused's commitment for a set.
func CheckOpening(setup mpc.Digest, accused int, set sharing.Parties, opening, commitment []byte) bool {
	if len(opening) != OpeningSize || len(commitment) != mpc.DigestSize {
		return false
	}
	return commit(setup, accused, set, (*[OpeningSize]byte)(opening)) == mpc.Digest(commitment)
}

// Answer returns what the contributor shows of one set (its position in
// SetsOf(n, t, self)) to whoever complains: the commitment, its path under Root,
// and the opening, which is secret. It panics if there is no such set.
func (c *Contribution) Answer(set int) (commitment []byte, path []merkle.Hash, opening []byte) {
	list := c.commitments()
	return list[set], merkle.Path(list, set), append([]byte(nil), c.openings[set][:]...)
}
