package keys

import (
	"crypto/sha3"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

// SinglePartyCRS names a CRS that one party made and whose secret it may have kept:
// whoever knows it can prove knowledge of plaintexts that it does not know.
const SinglePartyCRS = "single-party-crs"

// CRSBits is the number of plaintext bits of one input that a CRS is for, as the
// published clients ask for it.
const CRSBits = 2048

// maxCRSBytes bounds a CRS. One of 2048 bits has 4.6 million bytes.
const maxCRSBytes = 64 << 20

// ErrCRSSize reports a file that is empty or too large.
var ErrCRSSize = errors.New("a CRS has 1 to 67108864 bytes")

// CRS is the common reference string with which clients prove that they know what
// they encrypted.
type CRS struct {
	// Kind says how it was made: SinglePartyCRS.
	Kind string
	// Digest is SHAKE-256("PDAT_CRS" || Bytes), 64 hexadecimal digits, as the ecosystem
	// computes it.
	Digest string
	// Bytes are TFHE-rs' serialized CompactPkeCrs.
	Bytes []byte
}

// ReadCRS reads a CRS that one party made.
func ReadCRS(path string) (*CRS, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxCRSBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) == 0 || len(data) > maxCRSBytes {
		return nil, fmt.Errorf("%s: %w", path, ErrCRSSize)
	}
	hash := sha3.NewSHAKE256()
	_, _ = hash.Write([]byte("PDAT_CRS"))
	_, _ = hash.Write(data)
	var digest [32]byte
	_, _ = hash.Read(digest[:])
	return &CRS{Kind: SinglePartyCRS, Digest: hex.EncodeToString(digest[:]), Bytes: data}, nil
}
