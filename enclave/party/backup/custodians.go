package backup

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/secretsharing"
)

const (
	// maxCustodians bounds m.
	maxCustodians = 32
	// minThreshold is the least k: with 1 each custodian alone would have the shares.
	minThreshold = 2
	// maxRecipient bounds an age recipient; a hybrid one has 1,959 characters.
	maxRecipient = 4096

	saltSize       = 32
	idSize         = sha256.Size
	commitmentSize = sha256.Size
	scalarSize     = 32
	// pieceSize is that of a piece in clear: version (1) ‖ id (32) ‖ index (1) ‖ value (32).
	pieceSize    = 1 + idSize + 1 + scalarSize
	pieceVersion = 1
	// maxPiece bounds an encrypted piece.
	maxPiece = 16 << 10
)

// ErrPiece reports a piece that does not belong to the backup or is wrong.
var ErrPiece = errors.New("backup: wrong piece")

// Custodians hold the pieces of a backup's key: any Threshold of them open it.
type Custodians struct {
	// Recipients are age recipients, age1… or, safe against quantum computers, age1pq1….
	Recipients []string
	// Threshold is k: 2 to the number of recipients.
	Threshold int
}

// NewCustodians checks recipients, 2 to 32 different ones, and threshold. Errors:
// ErrCustodians.
func NewCustodians(recipients []string, threshold int) (*Custodians, error) {
	if len(recipients) > maxCustodians || threshold < minThreshold || threshold > len(recipients) {
		return nil, fmt.Errorf("%w: threshold %d of %d; it takes 2 to %d custodians and a threshold from 2 to their number",
			ErrCustodians, threshold, len(recipients), maxCustodians)
	}
	for i, r := range recipients {
		if _, err := parseRecipient(r); err != nil {
			return nil, fmt.Errorf("%w: recipient %d: %w", ErrCustodians, i+1, err)
		}
		if slices.Contains(recipients[:i], r) {
			return nil, fmt.Errorf("%w: recipient %d is there twice", ErrCustodians, i+1)
		}
	}
	return &Custodians{Recipients: slices.Clone(recipients), Threshold: threshold}, nil
}

// parseRecipient reads a native age recipient as age prints it: what is equal has
// equal text.
func parseRecipient(text string) (r interface {
	age.Recipient
	fmt.Stringer
}, err error) {
	if strings.HasPrefix(text, "age1pq1") {
		r, err = age.ParseHybridRecipient(text)
	} else {
		r, err = age.ParseX25519Recipient(text)
	}
	if err == nil && r.String() != text {
		err = errors.New("not written as age writes it")
	}
	return r, err
}

// field is the prime field of the sharing; its scalars are handled in constant time.
var field = group.Ristretto255

// piece is one share of a backup's secret.
type piece struct {
	id    [idSize]byte
	index int // 1 to m
	value [scalarSize]byte
}

func (p *piece) zero() { clear(p.value[:]) }

// commitment binds a backup to its pieces. A piece is uniform among 2^252 values, so
// that this says nothing of it, not even to a quantum computer, as a point of the group
// would.
func (p *piece) commitment() [commitmentSize]byte {
	encoded := p.encode()
	defer clear(encoded)
	h := sha256.New()
	h.Write([]byte("tkms/v1/backup/piece"))
	h.Write(encoded)
	return [commitmentSize]byte(h.Sum(nil))
}

func (p *piece) encode() []byte {
	out := make([]byte, 0, pieceSize)
	out = append(append(out, pieceVersion), p.id[:]...)
	return append(append(out, byte(p.index)), p.value[:]...)
}

func decodePiece(raw []byte) (*piece, error) {
	if len(raw) != pieceSize || raw[0] != pieceVersion {
		return nil, fmt.Errorf("%w: it is none of a backup", ErrPiece)
	}
	raw = raw[1:]
	return &piece{id: [idSize]byte(raw), index: int(raw[idSize]), value: [scalarSize]byte(raw[idSize+1:])}, nil
}

// split makes a secret of a backup and its pieces, any k of which give it.
func split(id [idSize]byte, to *Custodians) (secret [scalarSize]byte, pieces []*piece, err error) {
	s := field.RandomScalar(rand.Reader)
	defer s.SetUint64(0)
	if err := put(&secret, s); err != nil {
		return secret, nil, err
	}
	for i, share := range secretsharing.New(rand.Reader, uint(to.Threshold-1), s).Share(uint(len(to.Recipients))) {
		p := &piece{id: id, index: i + 1}
		if err := put(&p.value, share.Value); err != nil {
			return secret, nil, err
		}
		share.Value.SetUint64(0)
		pieces = append(pieces, p)
	}
	return secret, pieces, nil
}

// join is the inverse of split, of k different pieces.
func join(pieces []*piece) (secret [scalarSize]byte, err error) {
	var shares []secretsharing.Share
	for _, p := range pieces {
		value := field.NewScalar()
		if err := value.UnmarshalBinary(p.value[:]); err != nil {
			return secret, fmt.Errorf("%w: %w", ErrPiece, err)
		}
		defer value.SetUint64(0)
		shares = append(shares, secretsharing.Share{ID: field.NewScalar().SetUint64(uint64(p.index)), Value: value})
	}
	s, err := secretsharing.Recover(uint(len(pieces)-1), shares)
	if err != nil {
		return secret, fmt.Errorf("%w: %w", ErrPiece, err)
	}
	defer s.SetUint64(0)
	return secret, put(&secret, s)
}

func put(into *[scalarSize]byte, s group.Scalar) error {
	raw, err := s.MarshalBinary()
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer clear(raw)
	copy(into[:], raw)
	return nil
}

// encryptPiece writes a piece to one recipient.
func encryptPiece(to io.Writer, p *piece, recipient string) error {
	r, err := parseRecipient(recipient)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCustodians, err)
	}
	w, err := age.Encrypt(to, r)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	encoded := p.encode()
	defer clear(encoded)
	if _, err := w.Write(encoded); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// decryptPiece reads a piece. An error that is no ErrPiece says that none of the
// identities is the recipient's.
func decryptPiece(from io.Reader, own ...age.Identity) (*piece, error) {
	r, err := age.Decrypt(from, own...)
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(r, pieceSize+1))
	defer clear(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPiece, err)
	}
	return decodePiece(raw)
}

// check tells whether a piece is one of this backup's.
func (c *Contents) check(p *piece) error {
	switch {
	case p.id != c.ID:
		return fmt.Errorf("%w: it is of another backup", ErrPiece)
	case p.index < 1 || p.index > len(c.commitments) || p.commitment() != c.commitments[p.index-1]:
		return fmt.Errorf("%w: it is not what custodian %d was given", ErrPiece, p.index)
	}
	return nil
}
