package client

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/tkms-network/tkms/enclave/reencrypt"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"
	"github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

var (
	// ErrExpired reports a request that the parties did not answer before its deadline.
	ErrExpired = errors.New("the parties did not answer before the deadline; the fee was returned, ask again")
	// ErrUnreadable reports a request with the shares of all parties that give no value.
	ErrUnreadable = errors.New("the parties' shares give no value")
)

// UserAnswer is what a user reads from parties' shares.
type UserAnswer struct {
	// Values are in the order of the handles.
	Values []*big.Int
	// Contributed are the indices of the parties whose shares are right, ascending.
	Contributed []int
	// Wrong are the indices of parties that signed a share that is wrong, ascending.
	Wrong []int
}

// Read decrypts the shares of a question. signers are the signing addresses of the
// epoch's members in the order of their indices. A share that its party did not sign is
// as good as missing. It returns reencrypt.ErrUndecodable while fewer than 2t+1 right
// shares are there.
func (s *UserSession) Read(q UserQuestion, signers [][types.AddressSize]byte, shares []types.Share) (*UserAnswer, error) {
	r, err := s.newReading(q, signers)
	if err != nil {
		return nil, err
	}
	for _, share := range shares {
		r.add(share)
	}
	answer := &UserAnswer{}
	for h := range q.Handles {
		value, err := r.value(h)
		if err != nil {
			return nil, fmt.Errorf("handle %s: %w", q.Handles[h], err)
		}
		answer.Values = append(answer.Values, value)
	}
	for i := range r.signed {
		if r.wrong[i] {
			answer.Wrong = append(answer.Wrong, i)
		} else {
			answer.Contributed = append(answer.Contributed, i)
		}
	}
	slices.Sort(answer.Wrong)
	slices.Sort(answer.Contributed)
	return answer, nil
}

// reading collects what parties signed.
type reading struct {
	session *UserSession
	domain  eip712.Domain
	link    [32]byte
	user    [types.AddressSize]byte
	handles []handles.Handle
	signers [][types.AddressSize]byte
	// signed are the parties with a share of their own, wrong those whose share is wrong.
	signed, wrong map[int]bool
	// opened has for each handle and packing the shares by party.
	opened []map[uint32]map[int][]byte
}

func (s *UserSession) newReading(q UserQuestion, signers [][types.AddressSize]byte) (*reading, error) {
	domain, err := types.SigningDomain(q.HostChain.VerifierDomain)
	if err != nil {
		return nil, err
	}
	user, err := q.Authorization.UserAddress()
	if err != nil {
		return nil, err
	}
	r := &reading{
		session: s, domain: domain, user: user, handles: q.Handles, signers: signers,
		link:   eip712.UserDecryptionLink(domain, s.key.Public().Bytes(), q.Handles, user),
		signed: map[int]bool{}, wrong: map[int]bool{}, opened: make([]map[uint32]map[int][]byte, len(q.Handles)),
	}
	for h := range r.opened {
		r.opened[h] = map[uint32]map[int][]byte{}
	}
	return r, nil
}

func (r *reading) degree() int { return sharing.Threshold(len(r.signers)) }

// add opens a share that its party signed, and notes the party if that fails.
func (r *reading) add(share types.Share) {
	party := int(share.Index)
	if party < 1 || party > len(r.signers) || r.signed[party] {
		return
	}
	digest := eip712.UserDecryptResponse(r.domain, r.session.key.Public().Bytes(), r.handles, share.Payload)
	if eip712.Verify(digest, share.Signature, r.signers[party-1]) != nil {
		return
	}
	r.signed[party] = true
	opened, err := r.open(party, share.Payload)
	if err != nil {
		r.wrong[party] = true
		return
	}
	for h, e := range opened {
		if r.opened[h][e.packing] == nil {
			r.opened[h][e.packing] = map[int][]byte{}
		}
		r.opened[h][e.packing][party] = e.share
	}
}

var errOther = errors.New("the payload answers another question")

// part is one handle's part of a share.
type part struct {
	packing uint32
	share   []byte
}

func (r *reading) open(party int, payload []byte) ([]part, error) {
	p, err := reencrypt.DecodePayload(payload, len(r.handles))
	if err != nil {
		return nil, err
	}
	signer, err := crypto.DecompressPubkey(p.Signer[:])
	if err != nil {
		return nil, err
	}
	if crypto.PubkeyToAddress(*signer) != r.signers[party-1] || p.Link != r.link || int(p.Party) != party || int(p.Degree) != r.degree() {
		return nil, errOther
	}
	out := make([]part, len(p.Entries))
	for h, e := range p.Entries {
		if e.Handle != r.handles[h] || e.Type != uint32(r.handles[h].Type()) {
			return nil, errOther
		}
		share, err := r.session.key.Open(e.Signcrypted, signer, r.user, r.link, e.Type)
		if err != nil {
			return nil, err
		}
		out[h] = part{e.Packing, share}
	}
	return out, nil
}

// value decodes the shares of one handle with the packing that enough parties state.
func (r *reading) value(h int) (*big.Int, error) {
	failure := fmt.Errorf("%w: there are none", reencrypt.ErrUndecodable)
	for _, packing := range []uint32{1, 2} {
		shares := r.opened[h][packing]
		if len(shares) == 0 {
			continue
		}
		layout, err := reencrypt.NewLayout(r.handles[h].Type().Bits(), int(packing), r.degree())
		if err != nil {
			return nil, err
		}
		value, wrong, err := layout.Reconstruct(len(r.signers), shares)
		if err != nil {
			failure = err
			continue
		}
		for _, party := range wrong {
			r.wrong[party] = true
		}
		for party := range r.signed {
			if _, ok := shares[party]; !ok {
				r.wrong[party] = true
			}
		}
		return value, nil
	}
	return nil, failure
}

// ShareSource returns the record of a request and the shares that are in, from one height.
type ShareSource func(ctx context.Context, id [types.IDSize]byte) (*types.QuerySharesResponse, error)

// Await reads an answer as soon as enough right shares are in. It returns ErrExpired if
// the request expires, ErrUnreadable if no share is missing and still there is no value,
// and the errors of source but ErrNotFound: the node that answers may be a block behind.
func (s *UserSession) Await(ctx context.Context, q UserQuestion, signers [][types.AddressSize]byte, source ShareSource) (*UserAnswer, error) {
	id, err := q.ID()
	if err != nil {
		return nil, err
	}
	tried := 2 * sharing.Threshold(len(signers))
	lacking := fmt.Errorf("%w: fewer than %d are there", reencrypt.ErrUndecodable, tried+1)
	for {
		response, err := source(ctx, id)
		switch {
		case err != nil && !errors.Is(err, ErrNotFound):
			return nil, err
		case err == nil && response.Request.Status == types.REQUEST_STATUS_EXPIRED:
			return nil, fmt.Errorf("request %x: %w", id, ErrExpired)
		case err == nil && len(response.Shares) > tried:
			tried = len(response.Shares)
			answer, err := s.Read(q, signers, response.Shares)
			if err == nil || !errors.Is(err, reencrypt.ErrUndecodable) {
				return answer, err
			}
			if tried >= len(signers) {
				return nil, fmt.Errorf("request %x: %w: %w", id, ErrUnreadable, err)
			}
			lacking = err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for request %x: %w (%w)", id, context.Cause(ctx), lacking)
		case <-time.After(pollInterval):
		}
	}
}

// Shares is the ShareSource of the client's node.
func (c *Client) Shares(ctx context.Context, id [types.IDSize]byte) (*types.QuerySharesResponse, error) {
	var response types.QuerySharesResponse
	err := c.Query(ctx, "/tkms.kms.v1.Query/Shares", &types.QuerySharesRequest{Id: hex.EncodeToString(id[:])}, &response)
	return &response, err
}

// Signers returns the signing addresses of an epoch's members in the order of their
// indices, or ErrNotFound. 0 stands for the active epoch.
func (c *Client) Signers(ctx context.Context, epochID uint64) ([][types.AddressSize]byte, error) {
	var response partiestypes.QueryEpochResponse
	if err := c.Query(ctx, "/tkms.parties.v1.Query/Epoch", &partiestypes.QueryEpochRequest{Id: epochID}, &response); err != nil {
		return nil, err
	}
	return SignersOf(response.Parties)
}

// SignersOf returns the signing addresses of parties.
func SignersOf(parties []partiestypes.Party) ([][types.AddressSize]byte, error) {
	out := make([][types.AddressSize]byte, len(parties))
	for i, p := range parties {
		if len(p.SigningAddress) != types.AddressSize {
			return nil, fmt.Errorf("%w: party %d has a signing address of %d bytes", types.ErrMalformed, p.Id, len(p.SigningAddress))
		}
		out[i] = [types.AddressSize]byte(p.SigningAddress)
	}
	return out, nil
}
