package types

import (
	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"

	acltypes "github.com/tkms-network/tkms/x/acl/types"
)

// AddressSize is the length of an address of a host chain.
const AddressSize = 20

// Digest returns the EIP-712 digest that the user signs: in the domain d but for
// the chain id, which is the host chain's. It fails with ErrMalformed if an
// address has another length.
func (a UserAuthorization) Digest(hostChainID uint64, d acltypes.VerifierDomain) ([32]byte, error) {
	d.ChainId = hostChainID
	domain, err := SigningDomain(d)
	if err != nil {
		return [32]byte{}, err
	}
	contracts, err := a.ContractList()
	if err != nil {
		return [32]byte{}, err
	}
	delegator, err := a.DelegatorAddress()
	if err != nil {
		return [32]byte{}, err
	}
	return eip712.UserDecryptRequest(domain, eip712.UserRequest{
		PublicKey: a.PublicKey, Contracts: contracts, Delegator: delegator,
		Start: a.StartTimestamp, Days: uint64(a.DurationDays), ExtraData: a.ExtraData,
	}), nil
}

// UserAddress returns who signed and may read.
func (a UserAuthorization) UserAddress() ([AddressSize]byte, error) { return address(a.User, "user") }

// DelegatorAddress returns whose handles these are, nil if they are the user's own.
func (a UserAuthorization) DelegatorAddress() (*[AddressSize]byte, error) {
	if len(a.Delegator) == 0 {
		return nil, nil
	}
	delegator, err := address(a.Delegator, "delegator")
	return &delegator, err
}

// ContractList returns the contracts in the order signed.
func (a UserAuthorization) ContractList() ([][AddressSize]byte, error) {
	list := make([][AddressSize]byte, len(a.Contracts))
	for i, c := range a.Contracts {
		var err error
		if list[i], err = address(c, "contract"); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func address(b []byte, whose string) ([AddressSize]byte, error) {
	if len(b) != AddressSize {
		return [AddressSize]byte{}, ErrMalformed.Wrapf("%s: an address has %d bytes", whose, AddressSize)
	}
	return [AddressSize]byte(b), nil
}

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
