package types

import (
	"fmt"
	"slices"

	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"

	acltypes "github.com/tkms-network/tkms/x/acl/types"
)

// Sizes of the fields of KeyMaterial.
const (
	SeedSize   = 16
	DigestSize = 32
	// MaxPublicKeySize bounds a serialized CompactPublicKey, which has 33,018 bytes
	// in production: 1 MiB.
	MaxPublicKeySize = 1 << 20
	// MaxObjectSize bounds a file beside the public key: 2 GiB. The largest has 511
	// million bytes.
	MaxObjectSize = 2 << 30
)

// Validate checks that the material has what a key of the parameter set has, in
// range; it does not say that the material is right.
func (m KeyMaterial) Validate(params string) error {
	set, known := ParameterSetByName(params)
	if !known {
		return ErrUnknownParams.Wrapf("%q", params)
	}
	if len(m.Seed) != SeedSize || len(m.PublicKeyDigest) != DigestSize || len(m.PublicKeyKeccak) != DigestSize {
		return fmt.Errorf("%w: seed of %d bytes and digests of %d bytes", ErrMalformed, SeedSize, DigestSize)
	}
	if m.PublicKeySize == 0 || m.PublicKeySize > MaxPublicKeySize {
		return fmt.Errorf("%w: public key of 1 to %d bytes", ErrMalformed, MaxPublicKeySize)
	}
	if !slices.EqualFunc(m.Objects, set.Objects, func(o KeyObject, kind string) bool { return o.Kind == kind }) {
		return fmt.Errorf("%w: the files of %s are %q", ErrMalformed, params, set.Objects)
	}
	for _, o := range m.Objects {
		if len(o.Digest) != DigestSize || o.ByteSize == 0 || o.ByteSize > MaxObjectSize {
			return fmt.Errorf("%w: %s of 1 to %d bytes and a digest of %d", ErrMalformed, o.Kind, int64(MaxObjectSize), DigestSize)
		}
	}
	return m.checkTested(set)
}

// Validate checks the ranges of a party's word on its progress.
func (p KeyProgress) Validate() error {
	if _, ok := KeyStage_name[int32(p.Stage)]; !ok || p.Stage == KEY_STAGE_UNSPECIFIED || p.Total == 0 || p.Done > p.Total {
		return ErrMalformed.Wrap("a stage, and at most all of the work done")
	}
	return nil
}

// checkTested checks that the forms are some of the set's, and all if the test
// decryptions came out right.
func (m KeyMaterial) checkTested(set ParameterSet) error {
	listed := 0
	for _, form := range set.Tested {
		if listed < len(m.Tested) && m.Tested[listed] == form {
			listed++
		}
	}
	if listed != len(m.Tested) {
		return fmt.Errorf("%w: %s is tested in the forms %q, in this order", ErrMalformed, set.Name, set.Tested)
	}
	if m.TestDecryptionOk != (listed == len(set.Tested)) {
		return fmt.Errorf("%w: test_decryption_ok says something else than the list of tested forms", ErrMalformed)
	}
	return nil
}

// Generator is the epoch whose parties generated the key, or generate it: the indices
// of contributions are theirs.
func (k Key) Generator() uint64 {
	if k.GeneratedEpochId != 0 {
		return k.GeneratedEpochId
	}
	return k.EpochId
}

// SignedKey is what a party signs about material of the key's current attempt.
// The material must be valid.
func (k Key) SignedKey(m KeyMaterial) eip712.Key {
	signed := eip712.Key{
		KeyID:            [IDSize]byte(k.Id),
		HostChainID:      k.HostChainId,
		Params:           k.Params,
		Noise:            k.Noise,
		EpochID:          k.Generator(),
		Attempt:          k.Attempt,
		Seed:             [SeedSize]byte(m.Seed),
		PublicKeyDigest:  [DigestSize]byte(m.PublicKeyDigest),
		PublicKeyKeccak:  [DigestSize]byte(m.PublicKeyKeccak),
		PublicKeySize:    m.PublicKeySize,
		TestDecryptionOK: m.TestDecryptionOk,
		Tested:           m.Tested,
	}
	for _, o := range m.Objects {
		signed.Objects = append(signed.Objects, eip712.KeyObject{Kind: o.Kind, Digest: [DigestSize]byte(o.Digest), Size: o.ByteSize})
	}
	return signed
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

// ComputedID returns the id that follows from the content of a record: a request is
// what its id says if they are equal. list must be the request's HandleList. It
// fails with ErrMalformed on what x/kms did not write.
func (r Request) ComputedID(list []handles.Handle) ([IDSize]byte, error) {
	if len(r.KeyId) != IDSize {
		return [IDSize]byte{}, ErrMalformed.Wrapf("a key id has %d bytes", IDSize)
	}
	key := [IDSize]byte(r.KeyId)
	if r.Kind != REQUEST_KIND_USER_DECRYPTION {
		return handles.RequestID(r.HostChainId, uint32(r.Kind), key, list), nil
	}
	if r.AuthorizedBy == nil {
		return [IDSize]byte{}, ErrMalformed.Wrap("the request has no user")
	}
	user, err := r.AuthorizedBy.UserAddress()
	if err != nil {
		return [IDSize]byte{}, err
	}
	digest, err := r.AuthorizedBy.Digest(r.HostChainId, r.Domain)
	if err != nil {
		return [IDSize]byte{}, err
	}
	contracts := make([][AddressSize]byte, len(r.Ciphertexts))
	for i, c := range r.Ciphertexts {
		if contracts[i], err = address(c.Contract, "contract"); err != nil {
			return [IDSize]byte{}, err
		}
	}
	return handles.UserRequestID(r.HostChainId, key, list, contracts, user, digest), nil
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

// digestSignedBy returns the EIP-712 digest under a contribution's signature.
func (r Request) digestSignedBy(list []handles.Handle, c Contribution) ([32]byte, error) {
	if r.Kind != REQUEST_KIND_USER_DECRYPTION {
		return r.SigningDigest(list, r.PlaintextOf(c))
	}
	domain, err := r.userDomain()
	if err != nil {
		return [32]byte{}, err
	}
	if len(c.ShareDigest) != DigestSize {
		return [32]byte{}, ErrMalformed.Wrapf("a share's digest has %d bytes", DigestSize)
	}
	return eip712.UserDecryptResponseByHash(domain, r.AuthorizedBy.PublicKey, list, [DigestSize]byte(c.ShareDigest)), nil
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

// ClosedHeight is the height after which nothing more is accepted for the request,
// 0 while that is open. Shares are taken until the deadline, also after the pay-out.
func (r Request) ClosedHeight() int64 {
	if r.Kind == REQUEST_KIND_USER_DECRYPTION && r.PaidHeight != 0 {
		return max(r.PaidHeight, r.Deadline)
	}
	return max(r.PaidHeight, r.ExpiredHeight)
}

// TakesResults reports whether a party's answer is accepted in a block of that height.
func (r Request) TakesResults(height int64) bool {
	switch r.Status {
	case REQUEST_STATUS_ACCEPTED:
		return height <= r.Deadline
	case REQUEST_STATUS_FULFILLED:
		return r.PaidHeight == 0 || r.Kind == REQUEST_KIND_USER_DECRYPTION && height <= r.Deadline
	}
	return false
}

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
