package handles

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// requestTag separates ids of requests from every other hash.
const requestTag = "tkms/v1/kms/request"

// The kinds of requests, equal to RequestKind of tkms.kms.v1.
const (
	// KindPublicDecryption is the kind of a request for public plaintexts.
	KindPublicDecryption uint32 = 1
	// KindUserDecryption is the kind of a request for shares that one user can open.
	KindUserDecryption uint32 = 2
)

// RequestID returns the identity of a request: SHA-256 of the tag (length u8 in
// front), host chain u64, kind u32, key id, number of handles u32 and the
// handles as ordered; integers big endian. Header, proof and sender are not in it, so
// whoever asks again gets the same id. The order is in it because the parties sign
// over it: one who asked first in another order would leave everybody with signatures
// that do not fit their question.
func RequestID(hostChainID uint64, kind uint32, keyID [32]byte, batch []Handle) [32]byte {
	h := newRequestHash(hostChainID, kind, keyID, len(batch))
	for _, handle := range batch {
		h.Write(handle[:])
	}
	return [32]byte(h.Sum(nil))
}

// UserRequestID returns the identity of a user decryption. The head is that of
// RequestID with KindUserDecryption; then follow each handle and its contract as
// ordered, the user, and the EIP-712 digest of what the user signed. Header, proof, sender and the bytes of
// the user's signature are not in it. There must be one contract a handle.
func UserRequestID(hostChainID uint64, keyID [32]byte, batch []Handle, contracts [][20]byte, user [20]byte, authorization [32]byte) [32]byte {
	h := newRequestHash(hostChainID, KindUserDecryption, keyID, len(batch))
	for i, handle := range batch {
		h.Write(handle[:])
		h.Write(contracts[i][:])
	}
	h.Write(user[:])
	h.Write(authorization[:])
	return [32]byte(h.Sum(nil))
}

func newRequestHash(hostChainID uint64, kind uint32, keyID [32]byte, count int) hash.Hash {
	head := append([]byte{byte(len(requestTag))}, requestTag...)
	head = binary.BigEndian.AppendUint64(head, hostChainID)
	head = binary.BigEndian.AppendUint32(head, kind)
	head = append(head, keyID[:]...)
	head = binary.BigEndian.AppendUint32(head, uint32(count))
	h := sha256.New()
	h.Write(head)
	return h
}
