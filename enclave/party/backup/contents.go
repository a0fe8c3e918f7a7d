package backup

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"

	"github.com/tkms-network/tkms/enclave/seal"
)

var (
	// ErrFormat reports bytes that are no backup, or a damaged one.
	ErrFormat = errors.New("backup: not a backup, or damaged")
	// ErrSignature reports a backup that its party did not sign like this.
	ErrSignature = errors.New("backup: the party's signature does not hold: the file was changed")
	// ErrCustodians reports recipients or a threshold that cannot be used.
	ErrCustodians = errors.New("backup: unusable custodians")
	// ErrSecret reports a sealed object that may not leave the party.
	ErrSecret = errors.New("backup: the object is no identity or key share")
)

const (
	maxKeys = 1024
	// maxName is the longest name of a sealed object.
	maxName = 96
	// maxOwner is the longest name of a chain or party.
	maxOwner = 128
	// maxEntry bounds one secret, in bytes; a share of the largest parameter set has
	// about 1 MB.
	maxEntry = 64 << 20
	// maxBody bounds all of them together.
	maxBody = 256 << 20
)

// Kinds of sealed objects that a backup may hold, and no others.
const (
	// KindIdentity is the party's private keys, without key and epoch.
	KindIdentity = "identity"
	// KindKeyShare is the share of one key in one epoch.
	KindKeyShare = "key-share"
)

// Identity names the sealed identity of a party.
var Identity = seal.Object{Kind: KindIdentity}

// Key is one key share in a backup.
type Key struct {
	// Name is that of the sealed object; it begins with the key's id in hex.
	Name string
	// Size of the share in bytes.
	Size int
}

// Contents is what a backup says of itself in clear.
type Contents struct {
	// ID is a digest of all that is said here. Pieces have it in them, so that a custodian
	// cannot be shown other contents than those that it keeps a piece of.
	ID [idSize]byte
	// Chain and Party are those of the sealed store.
	Chain, Party string
	// Epoch is that of the shares.
	Epoch uint64
	// SessionKey is the party's registered session key. It signed the backup; compare it
	// with the record of the chain.
	SessionKey ed25519.PublicKey
	// Custodians have one piece each, in this order.
	Custodians *Custodians
	// Keys are in ascending order of their names.
	Keys []Key

	salt         [saltSize]byte
	identitySize int
	commitments  [][commitmentSize]byte // of the pieces
}

// sizes returns the lengths of the secrets, the identity's first.
func (c *Contents) sizes() []int {
	out := []int{c.identitySize}
	for _, k := range c.Keys {
		out = append(out, k.Size)
	}
	return out
}

// bodySize is the length of all secrets together.
func (c *Contents) bodySize() (total int) {
	for _, size := range c.sizes() {
		total += size
	}
	return total
}

// encode appends the commitments to the pieces, m times 32 bytes, to the rest.
func (c *Contents) encode() ([]byte, error) {
	out, err := c.encodeRest()
	for _, commitment := range c.commitments {
		out = append(out, commitment[:]...)
	}
	return out, err
}

// encodeRest encodes all but the commitments and names it. Lengths of texts are 1 or 2
// bytes before them, integers big-endian:
//
//	salt (32) ‖ chain ‖ party ‖ epoch (8) ‖ session key (32) ‖ k (1) ‖ m (1) ‖
//	m × recipient ‖ size of the identity (4) ‖ count (2) ‖ count × (name ‖ size (4))
func (c *Contents) encodeRest() ([]byte, error) {
	var b cryptobyte.Builder
	short := func(text string) {
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(text)) })
	}
	b.AddBytes(c.salt[:])
	short(c.Chain)
	short(c.Party)
	b.AddUint64(c.Epoch)
	b.AddBytes(c.SessionKey)
	b.AddUint8(uint8(c.Custodians.Threshold))
	b.AddUint8(uint8(len(c.Custodians.Recipients)))
	for _, recipient := range c.Custodians.Recipients {
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(recipient)) })
	}
	b.AddUint32(uint32(c.identitySize))
	b.AddUint16(uint16(len(c.Keys)))
	for _, k := range c.Keys {
		short(k.Name)
		b.AddUint32(uint32(k.Size))
	}
	out, err := b.Bytes()
	c.ID = nameOf(out)
	return out, err
}

func nameOf(rest []byte) [idSize]byte {
	return sha256.Sum256(append([]byte("tkms/v1/backup/id"), rest...))
}

// decodeContents is the inverse of encode. Errors: ErrFormat.
func decodeContents(raw []byte) (*Contents, error) {
	s := cryptobyte.String(raw)
	c := &Contents{}
	var chain, party cryptobyte.String
	var session []byte
	if !s.CopyBytes(c.salt[:]) || !s.ReadUint8LengthPrefixed(&chain) || !s.ReadUint8LengthPrefixed(&party) ||
		!s.ReadUint64(&c.Epoch) || !s.ReadBytes(&session, ed25519.PublicKeySize) {
		return nil, fmt.Errorf("%w: owner", ErrFormat)
	}
	if len(chain) < 1 || len(party) < 1 || len(chain) > maxOwner || len(party) > maxOwner {
		return nil, fmt.Errorf("%w: owner", ErrFormat)
	}
	c.Chain, c.Party, c.SessionKey = string(chain), string(party), session
	if err := c.decodeCustodians(&s); err != nil {
		return nil, err
	}
	if err := c.decodeKeys(&s); err != nil {
		return nil, err
	}
	c.ID = nameOf(raw[:len(raw)-len(s)])
	c.commitments = make([][commitmentSize]byte, len(c.Custodians.Recipients))
	for i := range c.commitments {
		if !s.CopyBytes(c.commitments[i][:]) {
			return nil, fmt.Errorf("%w: commitment %d", ErrFormat, i+1)
		}
	}
	if !s.Empty() {
		return nil, fmt.Errorf("%w: trailing bytes", ErrFormat)
	}
	return c, nil
}

func (c *Contents) decodeCustodians(s *cryptobyte.String) error {
	var threshold, count uint8
	if !s.ReadUint8(&threshold) || !s.ReadUint8(&count) || count > maxCustodians {
		return fmt.Errorf("%w: custodians", ErrFormat)
	}
	recipients := make([]string, count)
	for i := range recipients {
		var text cryptobyte.String
		if !s.ReadUint16LengthPrefixed(&text) || len(text) > maxRecipient {
			return fmt.Errorf("%w: custodian %d", ErrFormat, i+1)
		}
		recipients[i] = string(text)
	}
	var err error
	if c.Custodians, err = NewCustodians(recipients, int(threshold)); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return nil
}

func (c *Contents) decodeKeys(s *cryptobyte.String) error {
	var identity uint32
	var count uint16
	if !s.ReadUint32(&identity) || identity < 1 || identity > maxEntry || !s.ReadUint16(&count) || count > maxKeys {
		return fmt.Errorf("%w: list of secrets", ErrFormat)
	}
	c.identitySize = int(identity)
	total := uint64(identity)
	for i := range int(count) {
		var name cryptobyte.String
		var size uint32
		if !s.ReadUint8LengthPrefixed(&name) || len(name) < 1 || len(name) > maxName || !s.ReadUint32(&size) || size < 1 || size > maxEntry {
			return fmt.Errorf("%w: key %d", ErrFormat, i+1)
		}
		if i > 0 && string(name) <= c.Keys[i-1].Name {
			return fmt.Errorf("%w: keys out of order", ErrFormat)
		}
		if total += uint64(size); total > maxBody {
			return fmt.Errorf("%w: more than %d bytes of secrets", ErrFormat, maxBody)
		}
		c.Keys = append(c.Keys, Key{Name: string(name), Size: int(size)})
	}
	return nil
}
