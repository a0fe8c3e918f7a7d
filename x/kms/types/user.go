package types

import (
	"bytes"
	"slices"

	"github.com/tkms-network/tkms/enclave/reencrypt"
	"github.com/tkms-network/tkms/x/kms/eip712"

	acltypes "github.com/tkms-network/tkms/x/acl/types"
)

const (
	// AddressSize is the length of an address of a host chain.
	AddressSize = 20
	// MaxContracts bounds the contracts of an authorization, as the published clients do.
	MaxContracts = 10
	// MaxDurationDays bounds how long an authorization holds, as the published clients do.
	MaxDurationDays = 365

	secondsPerDay = 24 * 60 * 60
)

// Validate checks what an authorization says by itself: lengths, ranges, the form of
// the key. It does not look at the clock nor at the signature.
func (a UserAuthorization) Validate() error {
	user, err := a.UserAddress()
	if err != nil {
		return err
	}
	delegator, err := a.DelegatorAddress()
	if err != nil {
		return err
	}
	if delegator != nil && *delegator == user {
		return ErrMalformed.Wrap("the user is her own delegate")
	}
	if len(a.Contracts) == 0 || len(a.Contracts) > MaxContracts {
		return ErrTooManyContracts.Wrapf("%d", len(a.Contracts))
	}
	if _, err := a.ContractList(); err != nil {
		return err
	}
	if a.DurationDays == 0 || a.DurationDays > MaxDurationDays {
		return ErrInvalidDuration.Wrapf("%d", a.DurationDays)
	}
	if len(a.ExtraData) > 1 || len(a.ExtraData) == 1 && a.ExtraData[0] != 0 {
		return ErrUnsupportedExtraData
	}
	if len(a.Signature) != 0 && len(a.Signature) != eip712.SignatureSize {
		return ErrMalformed.Wrapf("a signature has %d bytes", eip712.SignatureSize)
	}
	if _, err := reencrypt.ParsePublicKey(a.PublicKey); err != nil {
		return ErrInvalidPublicKey.Wrap(err.Error())
	}
	return nil
}

// CheckWindow compares the time for which the authorization holds with a block's, in
// seconds since the epoch. Users' clocks may be ahead of the chain's by so many seconds.
func (a UserAuthorization) CheckWindow(now uint64, ahead uint32) error {
	if a.StartTimestamp > now+uint64(ahead) {
		return ErrNotYetValid.Wrapf("from %d, now %d", a.StartTimestamp, now)
	}
	// The start is near now at most, so the sum does not wrap.
	if end := a.StartTimestamp + uint64(a.DurationDays)*secondsPerDay; now > end {
		return ErrNoLongerValid.Wrapf("until %d, now %d", end, now)
	}
	return nil
}

// CheckContract refuses a handle's contract that the authorization does not name, or
// that is whose handles they are: the ACL needs two of them for each handle.
func (a UserAuthorization) CheckContract(contract []byte) error {
	if len(contract) != AddressSize {
		return ErrMalformed.Wrapf("a contract's address has %d bytes", AddressSize)
	}
	if bytes.Equal(contract, a.Owner()) {
		return ErrContractIsOwner.Wrapf("%x", contract)
	}
	if !slices.ContainsFunc(a.Contracts, func(c []byte) bool { return bytes.Equal(c, contract) }) {
		return ErrContractNotAuthorized.Wrapf("%x", contract)
	}
	return nil
}

// Owner returns the address of whose handles they are: the delegator's, or the user's.
func (a UserAuthorization) Owner() []byte {
	if len(a.Delegator) != 0 {
		return a.Delegator
	}
	return a.User
}

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

// CheckSignature accepts exactly the user's signature of the digest. Whoever leaves
// it out must be a contract wallet, whose approval x/acl finds in its storage.
func (a UserAuthorization) CheckSignature(digest [32]byte) error {
	user, err := a.UserAddress()
	if err != nil {
		return err
	}
	if err := eip712.Verify(digest, a.Signature, user); err != nil {
		return ErrNotSignedByUser.Wrap(err.Error())
	}
	return nil
}

// checkUser checks the form of what a user decryption's user authorized.
func (r Request) checkUser() error {
	if r.AuthorizedBy == nil {
		return ErrMalformed.Wrap("the request has no user")
	}
	if err := r.AuthorizedBy.Validate(); err != nil {
		return err
	}
	for _, c := range r.Ciphertexts {
		if err := r.AuthorizedBy.CheckContract(c.Contract); err != nil {
			return err
		}
	}
	return nil
}

// checkUserSignature checks the user's signature on a record, if it has one.
func (r Request) checkUserSignature() error {
	if r.AuthorizedBy == nil || len(r.AuthorizedBy.Signature) == 0 {
		return nil
	}
	digest, err := r.AuthorizedBy.Digest(r.HostChainId, r.Domain)
	if err != nil {
		return err
	}
	return r.AuthorizedBy.CheckSignature(digest)
}
