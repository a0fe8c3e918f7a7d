package types

import (
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/tkms-network/tkms/enclave/reencrypt"
	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"
)

// Link returns what each share of a user decryption names: it ties the shares to
// this user, key and list of handles. list must be the request's HandleList. It
// fails with ErrMalformed on what x/kms did not write.
func (r Request) Link(list []handles.Handle) ([32]byte, error) {
	domain, err := r.userDomain()
	if err != nil {
		return [32]byte{}, err
	}
	user, err := r.AuthorizedBy.UserAddress()
	if err != nil {
		return [32]byte{}, err
	}
	return eip712.UserDecryptionLink(domain, r.AuthorizedBy.PublicKey, list, user), nil
}

// ShareDigest returns the EIP-712 digest that a party signs over its share of a
// user decryption. list must be the request's HandleList. It fails with
// ErrMalformed on what x/kms did not write.
func (r Request) ShareDigest(list []handles.Handle, payload []byte) ([32]byte, error) {
	domain, err := r.userDomain()
	if err != nil {
		return [32]byte{}, err
	}
	return eip712.UserDecryptResponse(domain, r.AuthorizedBy.PublicKey, list, payload), nil
}

// userDomain is the domain in which shares are linked and signed.
func (r Request) userDomain() (eip712.Domain, error) {
	if r.AuthorizedBy == nil {
		return eip712.Domain{}, ErrMalformed.Wrap("the request has no user")
	}
	return SigningDomain(r.Domain)
}

// Degree is t, the degree of the sharing: the threshold is 2t+1.
func (r Request) Degree() uint32 { return (r.Threshold - 1) / 2 }

// ShareLayout says how a plaintext of the type lies in shares of degree t if the
// ciphertext has one digit in a block, which makes the longest shares. It returns
// reencrypt.ErrLayout for a degree that clients do not read, or an unsupported type.
func ShareLayout(t handles.Type, degree uint32) (reencrypt.Layout, error) {
	return reencrypt.NewLayout(t.Bits(), 1, int(degree))
}

// ShareSize returns the largest length in bytes of a party's share for the handles, or
// the error of ShareLayout.
func ShareSize(list []handles.Handle, degree uint32) (int, error) {
	layouts, err := shareLayouts(list, degree)
	return reencrypt.PayloadSize(layouts...), err
}

func shareLayouts(list []handles.Handle, degree uint32) ([]reencrypt.Layout, error) {
	layouts := make([]reencrypt.Layout, len(list))
	for i, h := range list {
		var err error
		if layouts[i], err = ShareLayout(h.Type(), degree); err != nil {
			return nil, err
		}
	}
	return layouts, nil
}

// CheckShare accepts exactly a payload that the published clients will take for the
// share of the party with that index and signing address: of this request's link,
// handles in order, types, sizes and degree. list must be the request's HandleList.
// Whether the encrypted share is right only the user can tell. It returns
// ErrInvalidShare, or ErrMalformed on a record that x/kms did not write. The
// party's signature over it is another matter: see ShareDigest.
func (r Request) CheckShare(list []handles.Handle, payload []byte, index uint32, signer [AddressSize]byte) error {
	layouts, err := shareLayouts(list, r.Degree())
	if err != nil {
		return ErrMalformed.Wrap(err.Error())
	}
	if most := reencrypt.PayloadSize(layouts...); len(payload) > most {
		return ErrInvalidShare.Wrapf("%d bytes, at most %d", len(payload), most)
	}
	link, err := r.Link(list)
	if err != nil {
		return err
	}
	share, err := reencrypt.DecodePayload(payload, len(list))
	if err != nil {
		return ErrInvalidShare.Wrap(err.Error())
	}
	switch {
	case share.Link != link:
		return ErrInvalidShare.Wrap("link of another request")
	case share.Party != index:
		return ErrInvalidShare.Wrapf("of party %d", share.Party)
	case share.Degree != r.Degree():
		return ErrInvalidShare.Wrapf("degree %d", share.Degree)
	}
	for i, e := range share.Entries {
		// How many digits the ciphertext has in a block, the chain does not know. Clients
		// take what enough parties say; who says otherwise has a wrong share.
		layout, err := reencrypt.NewLayout(list[i].Type().Bits(), int(e.Packing), int(share.Degree))
		if err != nil || e.Handle != list[i] || e.Type != uint32(list[i].Type()) || len(e.Signcrypted) != layout.SigncryptedSize() {
			return ErrInvalidShare.Wrapf("entry %d: handle, type, packing or size", i)
		}
	}
	key, err := crypto.DecompressPubkey(share.Signer[:])
	if err != nil {
		// Which library says so, and how, must not matter.
		return ErrInvalidShare.Wrap("the signer is no key")
	}
	if crypto.PubkeyToAddress(*key) != signer {
		return ErrInvalidShare.Wrap("the signer is not the party's registered key")
	}
	return nil
}
