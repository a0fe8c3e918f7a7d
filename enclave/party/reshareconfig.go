package party

import (
	"bytes"
	"context"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/committee"
	"github.com/tkms-network/tkms/enclave/protocol/reshare"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// reshareConfig is what all members of both epochs know of an attempt alike.
func (p *Party) reshareConfig(next, previous *committee.Committee, keys []*kmstypes.Key) (c reshare.Config, err error) {
	c.OldSelf, c.NewSelf, c.Members = previous.Self, next.Self, reshareMembers(next)
	if c.Old, err = sharing.New(previous.N, previous.T, sharing.DegreeFor(previous.N)); err != nil {
		return c, err
	}
	if c.New, err = sharing.New(next.N, next.T, sharing.DegreeFor(next.N)); err != nil {
		return c, err
	}
	for _, key := range keys {
		parameters, err := tfhe.ByName(key.Params)
		if err != nil {
			return c, err
		}
		if len(key.Id) != mpc.DigestSize {
			return c, fmt.Errorf("%w: key %x", committee.ErrRecord, key.Id)
		}
		c.Items = append(c.Items, reshare.Item{KeyID: mpc.Digest(key.Id), Parameters: parameters})
	}
	c.Union = reshare.Union(memberIDs(previous), memberIDs(next))
	c.Session = p.reshareSession(next, "resharing", sharing.AllParties(next.N)).ID()
	return c, nil
}

// resharedKeys proves the records of the keys that an attempt is about, as of an epoch.
func (p *Party) resharedKeys(ctx context.Context, r *partiestypes.Resharing, epoch uint64, height int64) ([]*kmstypes.Key, error) {
	var keys []*kmstypes.Key
	for _, id := range r.KeyIds {
		key := new(kmstypes.Key)
		if err := record(ctx, p.cfg.Chain, kmstypes.StoreKey, kmstypes.StoreKeyOfKey(id), height, key); err != nil {
			return nil, err
		}
		keys = append(keys, under(key, epoch))
	}
	return keys, nil
}

// reshareMembers are those of the new epoch that take part in the attempt now: members
// may be excluded in the course of it.
func reshareMembers(next *committee.Committee) sharing.Parties {
	return allBut(next.N, next.Epoch.Resharing.Without)
}

func memberIDs(c *committee.Committee) []uint64 {
	ids := make([]uint64, 0, c.N)
	for _, member := range c.Epoch.Members {
		ids = append(ids, member.PartyId)
	}
	return ids
}

// reshareSession names a protocol of the attempt that a record is at, among members.
func (p *Party) reshareSession(next *committee.Committee, protocol string, members sharing.Parties) mpc.Session {
	r := next.Epoch.Resharing
	subject := mpc.Hash("tkms/v1/resharing", mpc.Uint64(next.Epoch.From), bytes.Join(r.KeyIds, nil))
	return mpc.Session{
		ChainID: p.cfg.ChainID, Subject: subject[:], Epoch: next.Epoch.Id, Attempt: r.Attempt,
		Protocol: protocol, Parties: members, T: next.T,
	}
}
