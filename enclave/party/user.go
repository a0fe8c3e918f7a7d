package party

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/reencrypt"
	"github.com/tkms-network/tkms/x/kms/eip712"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// lateShares is for how many blocks a fulfilled user decryption that this party has done
// with is kept for slower members: their shares are still taken.
const lateShares = 100

// errCarries reports a ciphertext whose blocks say more than its value.
var errCarries = errors.New("party: the blocks of the ciphertext show more than its value")

func forUser(r *kmstypes.Request) bool { return r.Kind == kmstypes.REQUEST_KIND_USER_DECRYPTION }

// checkUser refuses a user decryption whose record does not say, in the right form,
// for whom it is, and one by more parties than clients can tell apart.
func checkUser(r *kmstypes.Request, parties int) error {
	if r.AuthorizedBy == nil {
		return fmt.Errorf("%w: a user decryption without a user", errRequest)
	}
	if parties > reencrypt.MaxParties {
		return fmt.Errorf("%w: shares of %d parties", errRequest, parties)
	}
	if err := r.AuthorizedBy.Validate(); err != nil {
		return fmt.Errorf("%w: %w", errRequest, err)
	}
	for _, c := range r.Ciphertexts {
		if err := r.AuthorizedBy.CheckContract(c.Contract); err != nil {
			return fmt.Errorf("%w: ciphertext %x: %w", errRequest, c.Handle, err)
		}
	}
	return nil
}

// keep returns what the shares of a group of a user decryption are drawn from, nil for a
// public one. Its context is like a session's without the offline items, so that all
// sessions of the group end with the same sharing: which of them this party finishes,
// before or after a restart, does not matter.
func (p *Party) keep(s *seat, request *kmstypes.Request, held *heldKey, g *group) (*prss.Source, error) {
	if !forUser(request) {
		return nil, nil
	}
	named := p.session(s, request, held, "keep", g, nil)
	named.Items = mpc.Digest{}
	return s.source(named.ID())
}

// signShares encrypts the shares of a request's ciphertexts to its user and signs them.
// The encryption is of fresh randomness: a party that answers again after a restart
// posts other bytes, in which there are the same shares.
func (p *Party) signShares(s *seat, request *kmstypes.Request, taken []*intake, shares [][]uint64) (*kmstypes.Result, error) {
	list, err := request.HandleList()
	if err != nil {
		return nil, err
	}
	recipient := reencrypt.Recipient{User: [kmstypes.AddressSize]byte(request.AuthorizedBy.User)}
	if recipient.Key, err = reencrypt.ParsePublicKey(request.AuthorizedBy.PublicKey); err != nil {
		return nil, err
	}
	if recipient.Link, err = request.Link(list); err != nil {
		return nil, err
	}
	key, err := crypto.ToECDSA(p.cfg.Identity.Signing.Key)
	if err != nil {
		return nil, err
	}
	payload := reencrypt.Payload{
		Signer: [33]byte(crypto.CompressPubkey(&key.PublicKey)), Link: recipient.Link,
		Party: uint32(s.identity.Self()), Degree: uint32(s.code.T()), // #nosec G115 -- at most n
	}
	for i, handle := range list {
		layout, err := reencrypt.NewLayout(handle.Type().Bits(), taken[i].outline.Packing(), s.code.T())
		if err != nil {
			return nil, err
		}
		entry := reencrypt.Entry{Type: uint32(handle.Type()), Handle: handle, Packing: uint32(layout.Packing())} // #nosec G115 -- 1 or 2
		if entry.Signcrypted, err = recipient.Signcrypt(p.random, key, entry.Type, layout, shares[i]); err != nil {
			return nil, err
		}
		payload.Entries = append(payload.Entries, entry)
	}
	result := resultOf(request)
	result.Share = payload.Encode()
	digest, err := request.ShareDigest(list, result.Share)
	if err != nil {
		return nil, err
	}
	result.Signature, err = eip712.Sign(digest, key)
	return result, err
}

// takesShares reports whether the chain takes further shares of a request that it no
// longer waits for: this party's may be missing, or another's, which needs this one's
// messages for it.
func takesShares(r *kmstypes.Request, parties int, height int64) bool {
	return forUser(r) && r.Status == kmstypes.REQUEST_STATUS_FULFILLED && len(r.Contributions) < parties && height < r.Deadline
}
