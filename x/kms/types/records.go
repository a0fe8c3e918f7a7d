package types

import (
	"fmt"

	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"

	acltypes "github.com/tkms-network/tkms/x/acl/types"
)

// Sizes of the fields of KeyMaterial.
const (
	SeedSize   = 16
	DigestSize = 32
	// MaxPublicKeySize bounds a serialized public key: 64 MiB. The compact one
	// has 33,018 bytes; compressed key sets of later versions have tens of millions.
	MaxPublicKeySize = 64 << 20
)

// Validate checks lengths and ranges; it does not say that the material is right.
func (m KeyMaterial) Validate() error {
	if len(m.Seed) != SeedSize || len(m.PublicKeyDigest) != DigestSize || len(m.PublicKeyKeccak) != DigestSize {
		return fmt.Errorf("%w: seed of %d bytes and digests of %d bytes", ErrMalformed, SeedSize, DigestSize)
	}
	if m.PublicKeySize == 0 || m.PublicKeySize > MaxPublicKeySize {
		return fmt.Errorf("%w: public key of 1 to %d bytes", ErrMalformed, MaxPublicKeySize)
	}
	return nil
}

// SignedKey is what a party signs about material of the key's current attempt.
// The material must be valid.
func (k Key) SignedKey(m KeyMaterial) eip712.Key {
	return eip712.Key{
		KeyID:            [IDSize]byte(k.Id),
		HostChainID:      k.HostChainId,
		Params:           k.Params,
		EpochID:          k.EpochId,
		Attempt:          k.Attempt,
		Seed:             [SeedSize]byte(m.Seed),
		PublicKeyDigest:  [DigestSize]byte(m.PublicKeyDigest),
		PublicKeyKeccak:  [DigestSize]byte(m.PublicKeyKeccak),
		PublicKeySize:    m.PublicKeySize,
		TestDecryptionOK: m.TestDecryptionOk,
	}
}

// HandleList returns the handles in the order of the plaintexts. It fails only on
// a record that x/kms did not write.
func (r Request) HandleList() ([]handles.Handle, error) {
	list := make([]handles.Handle, len(r.Ciphertexts))
	for i, c := range r.Ciphertexts {
		h, err := handles.Parse(c.Handle)
		if err != nil {
			return nil, fmt.Errorf("ciphertext %d: %w", i, err)
		}
		list[i] = h
	}
	return list, nil
}

// SigningDigest is the EIP-712 digest that parties sign for a plaintext of the request.
func (r Request) SigningDigest(list []handles.Handle, plaintext []byte) ([32]byte, error) {
	domain, err := SigningDomain(r.Domain)
	if err != nil {
		return [32]byte{}, err
	}
	return eip712.PublicDecryption(domain, list, plaintext), nil
}

// SigningDomain converts a host chain's verifier domain.
func SigningDomain(d acltypes.VerifierDomain) (eip712.Domain, error) {
	if len(d.VerifyingContract) != 20 {
		return eip712.Domain{}, fmt.Errorf("%w: verifying contract of %d bytes", ErrMalformed, len(d.VerifyingContract))
	}
	return eip712.Domain{
		Name: d.Name, Version: d.Version, ChainID: d.ChainId, VerifyingContract: [20]byte(d.VerifyingContract),
	}, nil
}

// PlaintextOf returns the plaintext that a contribution signed.
func (r Request) PlaintextOf(c Contribution) []byte {
	if c.Agrees {
		return r.Plaintext
	}
	return c.Plaintext
}

// Items returns the first offline item of the request and how many follow it in
// one range of its epoch's counter. An empty request has none.
func (r Request) Items() (first, count uint64) {
	if len(r.Ciphertexts) == 0 {
		return 0, 0
	}
	for _, c := range r.Ciphertexts {
		count += uint64(c.Blocks)
	}
	return r.Ciphertexts[0].FirstItem, count
}

// ClosedHeight is the height at which nothing more is accepted for the request,
// 0 while something is.
func (r Request) ClosedHeight() int64 { return max(r.PaidHeight, r.ExpiredHeight) }

// Escrow is what the module holds for the request.
func (r Request) Escrow() uint64 {
	if r.Status == REQUEST_STATUS_ACCEPTED || r.Status == REQUEST_STATUS_FULFILLED && r.PaidHeight == 0 {
		return r.Fee
	}
	return 0
}

// Escrow is what the module holds for the key.
func (k Key) Escrow() uint64 {
	switch k.Status {
	case KEY_STATUS_REQUESTED, KEY_STATUS_GENERATING:
		return k.Fee
	case KEY_STATUS_ACTIVE, KEY_STATUS_RETIRED:
		if k.PaidHeight == 0 {
			return k.Fee
		}
	}
	return 0
}
