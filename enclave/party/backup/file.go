package backup

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// A file is
//
//	magic (8) ‖ n (3) ‖ contents ‖ m × (nᵢ (2) ‖ piece for custodian i) ‖ body ‖ signature (64)
//
// where body is the secrets in the order of the contents under AES-256-GCM, with a random
// nonce before them and the contents as additional data. The session key signs a domain
// and the SHA-256 of all before the signature.
const (
	magic       = "TKMSBKP1"
	gcmOverhead = 12 + 16
	// MaxSize bounds a backup, in bytes.
	MaxSize = maxBody + 1<<20
)

// file is a backup taken apart; its slices share the memory of the whole.
type file struct {
	contents *Contents
	about    []byte // the contents as they are encoded
	pieces   [][]byte
	body     []byte
}

// signed is what the session key signs. It cannot be mistaken for anything that is
// signed in a protocol: those are digests of 32 bytes.
func signed(raw []byte) []byte {
	digest := sha256.Sum256(raw)
	return append([]byte("tkms/v1/backup/file"), digest[:]...)
}

func (f *file) encode(session ed25519.PrivateKey) ([]byte, error) {
	out := make([]byte, 0, len(magic)+3+len(f.about)+len(f.pieces)*(2+maxPiece)+len(f.body)+ed25519.SignatureSize)
	b := cryptobyte.NewBuilder(out)
	b.AddBytes([]byte(magic))
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(f.about) })
	for _, p := range f.pieces {
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(p) })
	}
	b.AddBytes(f.body)
	raw, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return append(raw, ed25519.Sign(session, signed(raw))...), nil
}

// decode reads a backup and verifies its signature. Errors: ErrFormat, ErrSignature.
func decode(raw []byte) (*file, error) {
	if len(raw) > MaxSize || len(raw) < len(magic)+ed25519.SignatureSize || string(raw[:len(magic)]) != magic {
		return nil, ErrFormat
	}
	content, signature := raw[:len(raw)-ed25519.SignatureSize], raw[len(raw)-ed25519.SignatureSize:]
	s := cryptobyte.String(content[len(magic):])
	f := &file{}
	if !s.ReadUint24LengthPrefixed((*cryptobyte.String)(&f.about)) {
		return nil, fmt.Errorf("%w: contents", ErrFormat)
	}
	var err error
	if f.contents, err = decodeContents(f.about); err != nil {
		return nil, err
	}
	for i := range f.contents.commitments {
		var piece cryptobyte.String
		if !s.ReadUint16LengthPrefixed(&piece) || len(piece) > maxPiece {
			return nil, fmt.Errorf("%w: piece %d", ErrFormat, i+1)
		}
		f.pieces = append(f.pieces, piece)
	}
	if f.body = s; len(f.body) != f.contents.bodySize()+gcmOverhead {
		return nil, fmt.Errorf("%w: %d bytes of secrets", ErrFormat, len(f.body))
	}
	if !ed25519.Verify(f.contents.SessionKey, signed(content), signature) {
		return nil, ErrSignature
	}
	return f, nil
}

// Read returns what a backup says of itself, and verifies that whoever has the session
// key in it signed all of the file. Errors: ErrFormat, ErrSignature.
func Read(raw []byte) (*Contents, error) {
	f, err := decode(raw)
	if err != nil {
		return nil, err
	}
	return f.contents, nil
}

// sealBody encrypts the secrets in place of nothing else than the contents.
func sealBody(secret [scalarSize]byte, id [idSize]byte, about, plain []byte) ([]byte, error) {
	aead, err := bodyCipher(secret, id)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, plain, about), nil
}

func (f *file) openBody(secret [scalarSize]byte) ([]byte, error) {
	aead, err := bodyCipher(secret, f.contents.ID)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, f.body, f.about)
	if err != nil {
		return nil, fmt.Errorf("%w: the secrets do not open", ErrFormat)
	}
	return plain, nil
}

func bodyCipher(secret [scalarSize]byte, id [idSize]byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, secret[:], id[:], "tkms/v1/backup/key", 32)
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block) // the key encrypts once
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return aead, nil
}

// encryptPieces encrypts each piece to its custodian.
func encryptPieces(pieces []*piece, to *Custodians) ([][]byte, error) {
	out := make([][]byte, len(pieces))
	for i, p := range pieces {
		var encrypted bytes.Buffer
		if err := encryptPiece(&encrypted, p, to.Recipients[i]); err != nil {
			return nil, err
		}
		out[i] = encrypted.Bytes()
	}
	return out, nil
}
