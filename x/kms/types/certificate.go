package types

import (
	"bytes"
	"fmt"

	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"
)

// Verify checks a certificate by itself: the request's id is that of its content,
// and at least threshold distinct signers signed, in the request's domain, the
// plaintext, which fits its types, or of a user decryption each its share; the user's
// signature is there unless she is a contract wallet. It returns the indices whose
// signatures count.
//
// It does not show that the signers were the epoch's members, nor that the chain
// accepted the request: the auditor compares those with a proven state or with
// the host chain's verifier contract.
func (c Certificate) Verify() ([]uint32, error) {
	r := c.Request
	list, err := r.HandleList()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidCertificate, err)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: %w", ErrInvalidCertificate, handles.ErrEmpty)
	}
	if id, err := r.ComputedID(list); err != nil || !bytes.Equal(id[:], r.Id) {
		return nil, fmt.Errorf("%w: the id is not that of the request", ErrInvalidCertificate)
	}
	if err := r.checkAnswer(list); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidCertificate, err)
	}
	if err := r.checkUserSignature(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidCertificate, err)
	}
	var counted []uint32
	last := uint32(0)
	for _, contribution := range r.Contributions {
		// Ascending indices make the signers distinct.
		if contribution.Index <= last || uint64(contribution.Index) > uint64(len(c.Signers)) {
			return nil, fmt.Errorf("%w: contributions are not in order", ErrInvalidCertificate)
		}
		last = contribution.Index
		if !contribution.Agrees {
			continue
		}
		signer := c.Signers[contribution.Index-1]
		if len(signer) != 20 {
			return nil, fmt.Errorf("%w: signer %d has no address", ErrInvalidCertificate, contribution.Index)
		}
		digest, err := r.digestSignedBy(list, contribution)
		if err != nil {
			return nil, fmt.Errorf("%w: party %d: %w", ErrInvalidCertificate, contribution.Index, err)
		}
		if err := eip712.Verify(digest, contribution.Signature, [20]byte(signer)); err != nil {
			return nil, fmt.Errorf("%w: party %d: %w", ErrInvalidCertificate, contribution.Index, err)
		}
		counted = append(counted, contribution.Index)
	}
	if r.Threshold == 0 || uint64(len(counted)) < uint64(r.Threshold) {
		return counted, fmt.Errorf("%w: %d of %d signatures", ErrInvalidCertificate, len(counted), r.Threshold)
	}
	for i := range c.Signers {
		for j := range i {
			if bytes.Equal(c.Signers[i], c.Signers[j]) {
				return nil, fmt.Errorf("%w: parties %d and %d are one signer", ErrInvalidCertificate, j+1, i+1)
			}
		}
	}
	return counted, nil
}

// checkAnswer checks the plaintext of a public decryption, or that there is none of a
// user decryption, and the form of what the user authorized.
func (r Request) checkAnswer(list []handles.Handle) error {
	if r.Kind != REQUEST_KIND_USER_DECRYPTION {
		return handles.CheckPlaintext(list, r.Plaintext)
	}
	if len(r.Plaintext) != 0 {
		return ErrWrongKind
	}
	return r.checkUser()
}
