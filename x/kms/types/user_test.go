package types

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"

	acltypes "github.com/tkms-network/tkms/x/acl/types"
)

func gatewayDomain() acltypes.VerifierDomain {
	return acltypes.VerifierDomain{Name: "Decryption", Version: "1", ChainId: 55815, VerifyingContract: bytes.Repeat([]byte{9}, 20)}
}

func userAuthorization() UserAuthorization {
	return UserAuthorization{
		User: bytes.Repeat([]byte{1}, 20), PublicKey: bytes.Repeat([]byte{2}, 869),
		Contracts:      [][]byte{bytes.Repeat([]byte{3}, 20), bytes.Repeat([]byte{4}, 20)},
		StartTimestamp: 1_800_000_000, DurationDays: 7, ExtraData: []byte{0},
	}
}

func TestAnAuthorizationIsSignedInTheDomainOfTheHostChain(t *testing.T) {
	a, d := userAuthorization(), gatewayDomain()
	digest, err := a.Digest(31337, d)
	require.NoError(t, err)
	host := eip712.Domain{Name: d.Name, Version: d.Version, ChainID: 31337, VerifyingContract: [20]byte(d.VerifyingContract)}
	message := eip712.UserRequest{
		PublicKey: a.PublicKey, Contracts: [][20]byte{[20]byte(a.Contracts[0]), [20]byte(a.Contracts[1])},
		Start: 1_800_000_000, Days: 7, ExtraData: []byte{0},
	}
	require.Equal(t, eip712.UserDecryptRequest(host, message), digest)

	a.Delegator = bytes.Repeat([]byte{5}, 20)
	message.Delegator = (*[20]byte)(a.Delegator)
	digest, err = a.Digest(31337, d)
	require.NoError(t, err)
	require.Equal(t, eip712.UserDecryptRequest(host, message), digest)
	require.EqualValues(t, 55815, d.ChainId, "the caller's domain stays")
}

func TestAnAuthorizationWithAnAddressOfAnotherLengthHasNoDigest(t *testing.T) {
	for name, change := range map[string]func(*UserAuthorization, *acltypes.VerifierDomain){
		"contract":  func(a *UserAuthorization, _ *acltypes.VerifierDomain) { a.Contracts[1] = a.Contracts[1][1:] },
		"delegator": func(a *UserAuthorization, _ *acltypes.VerifierDomain) { a.Delegator = make([]byte, 21) },
		"domain":    func(_ *UserAuthorization, d *acltypes.VerifierDomain) { d.VerifyingContract = nil },
	} {
		a, d := userAuthorization(), gatewayDomain()
		change(&a, &d)
		_, err := a.Digest(31337, d)
		require.ErrorIs(t, err, ErrMalformed, name)
	}
}

func TestLinkAndShareDigestAreThoseOfTheRequest(t *testing.T) {
	a, d := userAuthorization(), gatewayDomain()
	r, list := Request{Domain: d, AuthorizedBy: &a}, []handles.Handle{{1}, {2}}
	domain, err := SigningDomain(d)
	require.NoError(t, err)

	link, err := r.Link(list)
	require.NoError(t, err)
	require.Equal(t, eip712.UserDecryptionLink(domain, a.PublicKey, list, [20]byte(a.User)), link)
	digest, err := r.ShareDigest(list, []byte("share"))
	require.NoError(t, err)
	require.Equal(t, eip712.UserDecryptResponse(domain, a.PublicKey, list, []byte("share")), digest)

	for name, broken := range map[string]Request{
		"public": {Domain: d}, "no domain": {AuthorizedBy: &a},
	} {
		_, err = broken.Link(list)
		require.ErrorIs(t, err, ErrMalformed, name)
		_, err = broken.ShareDigest(list, nil)
		require.ErrorIs(t, err, ErrMalformed, name)
	}
	_, err = Request{Domain: d, AuthorizedBy: &UserAuthorization{}}.Link(list)
	require.ErrorIs(t, err, ErrMalformed)
}
