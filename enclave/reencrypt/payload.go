package reencrypt

import (
	"bytes"
	"errors"
	"fmt"
	"math"
)

// ErrPayload reports bytes that are no payload of the number of entries demanded.
var ErrPayload = errors.New("malformed user decryption payload")

// Entry is a party's share of one ciphertext.
type Entry struct {
	// Type is the fhEVM type of the plaintext, below 2^31.
	Type uint32
	// Handle is the external handle of the ciphertext.
	Handle [32]byte
	// Packing is the number of digits of two bits in one block, 1 or 2.
	Packing uint32
	// Signcrypted is what [Recipient.Signcrypt] returned.
	Signcrypted []byte
}

// Payload is one party's answer to a user decryption.
type Payload struct {
	// Signer is the party's public signing key, SEC1 compressed.
	Signer [33]byte
	// Link is the EIP-712 hash of UserDecryptionLinker: key, handles and user.
	Link [32]byte
	// Entries are in the order of the request's handles.
	Entries []Entry
	// Party is the index of the party, from 1.
	Party uint32
	// Degree is t, the degree of the sharing.
	Degree uint32
}

const (
	signerSize = 33
	// Of a payload without entries and of an entry without what is signcrypted.
	payloadSize = 8 + 8 + signerSize + 8 + 32 + 8 + 4 + 4
	entrySize   = 4 + 8 + 8 + 32 + 4
)

// PayloadSize returns the length in bytes of a payload with entries of these layouts.
func PayloadSize(layouts ...Layout) int {
	size := payloadSize
	for _, l := range layouts {
		size += entrySize + l.SigncryptedSize()
	}
	return size
}

// Encode returns the bytes that DecodePayload reads.
func (p *Payload) Encode() []byte {
	size := payloadSize
	for _, e := range p.Entries {
		size += entrySize + len(e.Signcrypted)
	}
	b := make([]byte, 0, size)
	b = appendU64(b, 8+signerSize)
	b = appendBytes(b, p.Signer[:])
	b = appendBytes(b, p.Link[:])
	b = appendU64(b, uint64(len(p.Entries)))
	for _, e := range p.Entries {
		b = appendU32(b, e.Type)
		b = appendBytes(b, e.Signcrypted)
		b = appendBytes(b, e.Handle[:])
		b = appendU32(b, e.Packing)
	}
	b = appendU32(b, p.Party)
	return appendU32(b, p.Degree)
}

// DecodePayload reads a payload of exactly the given number of entries. Whatever it
// accepts, Encode writes back byte for byte. It does not judge what the fields say:
// that the signer is a party, the types those of the handles, and so on. The result
// does not alias data.
func DecodePayload(data []byte, entries int) (*Payload, error) {
	var p Payload
	r := reader{data: data}
	r.length(8 + signerSize)
	r.exactly(p.Signer[:])
	r.exactly(p.Link[:])
	if entries < 0 || entries > len(data)/entrySize {
		return nil, fmt.Errorf("%w: %d bytes for %d entries", ErrPayload, len(data), entries)
	}
	r.length(uint64(entries))
	p.Entries = make([]Entry, entries)
	for i := range p.Entries {
		e := &p.Entries[i]
		e.Type = r.u32()
		e.Signcrypted = bytes.Clone(r.bytes())
		r.exactly(e.Handle[:])
		e.Packing = r.u32()
		if e.Type > math.MaxInt32 {
			return nil, fmt.Errorf("%w: the type of entry %d is negative", ErrPayload, i)
		}
	}
	p.Party, p.Degree = r.u32(), r.u32()
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPayload, err)
	}
	return &p, nil
}
