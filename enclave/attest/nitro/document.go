package nitro

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha512"
	"math/big"

	"github.com/fxamacker/cbor/v2"

	"github.com/tkms-network/tkms/enclave/attest"
)

// Bounds of the format; AWS's specification, "Attestation process", §2.2.
const (
	maxBundle      = 8
	maxCertificate = 1024
	maxField       = 1024
	maxModule      = 256
	maxTimestamp   = 1 << 52 // ms
	signatureSize  = 96
	// AWS's authorities use all 160 bits, one more than RFC 5280 §4.1.2.2 has room for.
	maxSerialBits = 160
)

// sign1 is COSE_Sign1 (RFC 9052 §4.2) with the decoded parts kept as sent.
type sign1 struct {
	_           struct{} `cbor:",toarray"`
	Protected   []byte
	Unprotected cbor.RawMessage
	Payload     []byte
	Signature   []byte
}

// sigStructure is what is signed (RFC 9052 §4.4).
type sigStructure struct {
	_           struct{} `cbor:",toarray"`
	Context     string
	Protected   []byte
	ExternalAAD []byte
	Payload     []byte
}

type document struct {
	ModuleID    string          `cbor:"module_id"`
	Digest      string          `cbor:"digest"`
	Timestamp   uint64          `cbor:"timestamp"`
	Registers   map[uint][]byte `cbor:"pcrs"`
	Certificate []byte          `cbor:"certificate"`
	Bundle      [][]byte        `cbor:"cabundle"`
	PublicKey   []byte          `cbor:"public_key"`
	UserData    []byte          `cbor:"user_data"`
	Nonce       []byte          `cbor:"nonce"`
}

// decoding admits maps of indefinite length, which hypervisors have sent since
// 2025, and is otherwise as strict as the library can be.
var decoding = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthAllowed,
		TagsMd:            cbor.TagsForbidden,
		MaxNestedLevels:   4,
		MaxArrayElements:  32,
		MaxMapPairs:       40,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return mode
}()

var encoding = func() cbor.EncMode {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic(err)
	}
	return mode
}()

// protectedES384 is the only admitted protected header, {1: -35}.
var protectedES384 = []byte{0xa1, 0x01, 0x38, 0x22}

func decode(evidence []byte) (*sign1, *document, error) {
	envelope, doc := new(sign1), new(document)
	if err := decoding.Unmarshal(evidence, envelope); err != nil {
		return nil, nil, attest.Refuse("no COSE_Sign1 structure: %v", err)
	}
	if !bytes.Equal(envelope.Protected, protectedES384) || !bytes.Equal(envelope.Unprotected, []byte{0xa0}) || len(envelope.Signature) != signatureSize {
		return nil, nil, attest.Refuse("headers or signature size are not those of ES384")
	}
	if err := decoding.Unmarshal(envelope.Payload, doc); err != nil {
		return nil, nil, attest.Refuse("no attestation document: %v", err)
	}
	return envelope, doc, doc.check()
}

func (d *document) check() error {
	if d.Digest != "SHA384" || d.ModuleID == "" || len(d.ModuleID) > maxModule || d.Timestamp == 0 || d.Timestamp > maxTimestamp {
		return attest.Refuse("digest, module or timestamp is out of range")
	}
	if len(d.Bundle) < 1 || len(d.Bundle) > maxBundle || len(d.Registers) < 1 || len(d.Registers) > attest.Registers {
		return attest.Refuse("number of certificates or registers is out of range")
	}
	if len(d.UserData) > maxField || len(d.PublicKey) > maxField || len(d.Nonce) > maxField {
		return attest.Refuse("a field is too long")
	}
	known := 0
	for i := range uint(attest.Registers) {
		if value, ok := d.Registers[i]; ok {
			if len(value) != attest.MeasurementSize {
				return attest.Refuse("register %d has %d bytes", i, len(value))
			}
			known++
		}
	}
	if known != len(d.Registers) {
		return attest.Refuse("a register does not exist")
	}
	return nil
}

// signedBy checks the ES384 signature, r ‖ s of 48 bytes each (RFC 9053 §2.1).
func (s *sign1) signedBy(key *ecdsa.PublicKey) bool {
	signed, err := encoding.Marshal(sigStructure{
		Context: "Signature1", Protected: s.Protected, ExternalAAD: []byte{}, Payload: s.Payload,
	})
	if err != nil {
		return false
	}
	digest := sha512.Sum384(signed)
	half := signatureSize / 2
	return ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(s.Signature[:half]), new(big.Int).SetBytes(s.Signature[half:]))
}
