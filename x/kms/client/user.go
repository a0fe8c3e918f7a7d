package client

import (
	"crypto/ecdsa"
	"fmt"
	"io"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/enclave/reencrypt"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"
	"github.com/tkms-network/tkms/x/kms/types"
)

// UserSession is a key pair of a user, to which parties encrypt, and the account on
// the host chain that authorizes its use. It may be used for any number of requests as
// long as an authorization holds.
type UserSession struct {
	key    *reencrypt.PrivateKey
	signer *ecdsa.PrivateKey
}

// NewUserSession makes a key pair from random for the account of signer.
func NewUserSession(random io.Reader, signer *ecdsa.PrivateKey) (*UserSession, error) {
	key, err := reencrypt.GenerateKey(random)
	if err != nil {
		return nil, err
	}
	return &UserSession{key, signer}, nil
}

// User returns the address of the account.
func (s *UserSession) User() [types.AddressSize]byte {
	return crypto.PubkeyToAddress(s.signer.PublicKey)
}

// Zero erases the key pair, but not the account's key, which is the caller's.
func (s *UserSession) Zero() { s.key.Zero() }

// String hides the keys.
func (s *UserSession) String() string {
	return fmt.Sprintf("client.UserSession(%x, redacted)", s.User())
}

// Format hides the keys from every verb.
func (s *UserSession) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, s.String()) }

// Terms are what a user authorizes.
type Terms struct {
	// Contracts for which handles may be read, 1 to 10.
	Contracts [][types.AddressSize]byte
	// Delegator is whose handles they are if the user is a delegate, else nil.
	Delegator *[types.AddressSize]byte
	// Start is when the authorization begins to hold, to the second.
	Start time.Time
	// Days for which it holds, 1 to 365.
	Days uint32
}

// Authorize signs that shares of plaintexts of a host chain are to be encrypted to the
// session's key. It returns the errors of [types.UserAuthorization.Validate].
func (s *UserSession) Authorize(host *acltypes.HostChain, terms Terms) (types.UserAuthorization, error) {
	user := s.User()
	a := types.UserAuthorization{
		User: user[:], PublicKey: s.key.Public().Bytes(), StartTimestamp: uint64(max(terms.Start.Unix(), 0)), DurationDays: terms.Days,
		ExtraData: []byte{0}, // as the published clients do
	}
	for _, c := range terms.Contracts {
		a.Contracts = append(a.Contracts, c[:])
	}
	if terms.Delegator != nil {
		a.Delegator = terms.Delegator[:]
	}
	if err := a.Validate(); err != nil {
		return a, err
	}
	digest, err := a.Digest(host.Id, host.VerifierDomain)
	if err != nil {
		return a, err
	}
	a.Signature, err = eip712.Sign(digest, s.signer)
	return a, err
}

// UserQuestion is a user decryption as its user means it.
type UserQuestion struct {
	HostChain *acltypes.HostChain
	KeyID     [types.IDSize]byte
	// Handles in the order of the values, 1 or more, distinct.
	Handles []handles.Handle
	// Contracts, one a handle, of those that the authorization names.
	Contracts     [][types.AddressSize]byte
	Authorization types.UserAuthorization
}

// Check refuses a question whose parts do not fit each other, as x/kms would, with the
// errors of package types.
func (q UserQuestion) Check() error {
	if len(q.Handles) == 0 || len(q.Contracts) != len(q.Handles) {
		return types.ErrMalformed.Wrapf("%d handles of %d contracts", len(q.Handles), len(q.Contracts))
	}
	list := make([][]byte, len(q.Handles))
	for i, h := range q.Handles {
		list[i] = h[:]
		if err := q.Authorization.CheckContract(q.Contracts[i][:]); err != nil {
			return err
		}
	}
	if _, err := handles.ParseBatch(q.HostChain.Id, list); err != nil {
		return types.ErrInvalidHandle.Wrap(err.Error())
	}
	return q.Authorization.Validate()
}

// ID returns the id that the chain gives the request.
func (q UserQuestion) ID() ([types.IDSize]byte, error) {
	user, err := q.Authorization.UserAddress()
	if err != nil {
		return [types.IDSize]byte{}, err
	}
	digest, err := q.Authorization.Digest(q.HostChain.Id, q.HostChain.VerifierDomain)
	if err != nil {
		return [types.IDSize]byte{}, err
	}
	return handles.UserRequestID(q.HostChain.Id, q.KeyID, q.Handles, q.Contracts, user, digest), nil
}

// Access returns what the host chain's ACL has to permit, for gathering the proof.
func (q UserQuestion) Access() (acltypes.UserAccess, error) {
	user, err := q.Authorization.UserAddress()
	if err != nil {
		return acltypes.UserAccess{}, err
	}
	delegator, err := q.Authorization.DelegatorAddress()
	if err != nil {
		return acltypes.UserAccess{}, err
	}
	access := acltypes.UserAccess{Contracts: q.Contracts, User: user, Delegator: delegator}
	for _, h := range q.Handles {
		access.Handles = append(access.Handles, h)
	}
	if len(q.Authorization.Signature) > 0 {
		return access, nil
	}
	digest, err := q.Authorization.Digest(q.HostChain.Id, q.HostChain.VerifierDomain)
	access.Approval = &digest
	return access, err
}

// Message returns what requester sends, who pays up to maxFee utkms.
func (q UserQuestion) Message(requester sdk.AccAddress, proof acltypes.DecryptionProof, maxFee uint64) *types.MsgRequestUserDecryption {
	m := &types.MsgRequestUserDecryption{
		Requester: requester.String(), HostChainId: q.HostChain.Id, KeyId: q.KeyID[:],
		Authorization: q.Authorization, Proof: proof, MaxFee: maxFee,
	}
	for i, h := range q.Handles {
		m.Handles = append(m.Handles, types.HandleContract{Handle: h[:], Contract: q.Contracts[i][:]})
	}
	return m
}
