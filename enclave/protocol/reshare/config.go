package reshare

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// Errors of this package.
var (
	// ErrConfig reports committees, items or shares that do not fit each other.
	ErrConfig = errors.New("reshare: configuration does not fit the committees")
	// ErrVectors reports vectors that are not those of a quorum of old members, or not of
	// the length of the items.
	ErrVectors = errors.New("reshare: vectors do not fit the configuration")
	// ErrUndecodable reports old shares of which too few lie on one polynomial.
	ErrUndecodable = errors.New("reshare: too few old shares lie on one polynomial")
	// ErrInconsistent reports an opening that is no integers.
	ErrInconsistent = errors.New("reshare: an opening is no integers, masks do not belong together")
)

// MaxItems is the largest number of keys in one resharing.
const MaxItems = 1024

// Item is a key whose secrets are reshared.
type Item struct {
	KeyID      mpc.Digest
	Parameters tfhe.Parameters
}

// Masks draws sharings of random values among the new committee, as prss.Source does:
// the same at all members, for one address always the same.
type Masks interface {
	Draw(a prss.Address, v prss.Vectors) error
	DrawWide(a prss.Address, v prss.WideVectors) error
}

// Config is what one member of either committee, or of both, takes part with.
type Config struct {
	// Session is the id of the attempt's handover, which no other attempt has. The masks
	// are addressed by it.
	Session mpc.Digest
	// Items are the keys, in ascending order of their ids, 1..MaxItems.
	Items []Item
	// Old and New are the codes of the committees.
	Old, New *sharing.Code
	// OldSelf and NewSelf are the own index in each committee, 0 for who is no member.
	OldSelf, NewSelf int
	// Union is, at j−1, the index that old member j has on the wire: see Union.
	Union []int
	// Masks belong to a member of New.
	Masks Masks
	// Shares belong to a member of Old: its share of each item. One that lost some has
	// none here: it hands nothing over, and takes over all the same.
	Shares []*keygen.KeyShare
	// Members are those of New that take part, n₂−t₂ at least.
	Members sharing.Parties
}

// Union returns the indices that old members have on the wire where both committees talk:
// who is in both has its new index, the others have len(new)+1 and so on in the order of
// their old index. Ids are distinct within a committee.
func Union[ID comparable](old, new []ID) []int {
	out, next := make([]int, len(old)), len(new)
	for j, id := range old {
		out[j] = slices.Index(new, id) + 1
		if out[j] == 0 {
			next++
			out[j] = next
		}
	}
	return out
}

// check returns ErrConfig unless all that both machines need fits.
func (c *Config) check() error {
	switch {
	case c.Old == nil || c.New == nil:
		return fmt.Errorf("%w: no codes", ErrConfig)
	case len(c.Items) < 1 || len(c.Items) > MaxItems:
		return fmt.Errorf("%w: %d keys", ErrConfig, len(c.Items))
	case c.OldSelf < 0 || c.OldSelf > c.Old.N() || c.NewSelf < 0 || c.NewSelf > c.New.N():
		return fmt.Errorf("%w: member %d of %d old, %d of %d new", ErrConfig, c.OldSelf, c.Old.N(), c.NewSelf, c.New.N())
	case c.NewSelf > 0 && c.Masks == nil:
		return fmt.Errorf("%w: a new member without masks", ErrConfig)
	case !c.Members.Within(c.New.N()) || c.Members.Count() < c.New.Quorum():
		return fmt.Errorf("%w: %v of %d new members", ErrConfig, c.Members, c.New.N())
	}
	for i := 1; i < len(c.Items); i++ {
		if bytes.Compare(c.Items[i-1].KeyID[:], c.Items[i].KeyID[:]) >= 0 {
			return fmt.Errorf("%w: keys out of order", ErrConfig)
		}
	}
	return nil
}

// checkUnion returns ErrConfig unless Union is as the function of that name makes it.
func (c *Config) checkUnion() error {
	n, next := c.New.N(), c.New.N()
	if len(c.Union) != c.Old.N() {
		return fmt.Errorf("%w: %d union indices of %d old members", ErrConfig, len(c.Union), c.Old.N())
	}
	for j, at := range c.Union {
		if at > n {
			next++
		}
		if at < 1 || at > n && at != next || slices.Contains(c.Union[:j], at) {
			return fmt.Errorf("%w: old member %d has union index %d", ErrConfig, j+1, at)
		}
	}
	switch {
	case c.OldSelf == 0 && c.NewSelf == 0:
		return fmt.Errorf("%w: a member of neither committee", ErrConfig)
	case c.OldSelf > 0 && c.Union[c.OldSelf-1] <= n && c.Union[c.OldSelf-1] != c.NewSelf,
		c.OldSelf > 0 && c.Union[c.OldSelf-1] > n && c.NewSelf > 0,
		c.OldSelf == 0 && slices.Contains(c.Union, c.NewSelf):
		return fmt.Errorf("%w: old member %d is not new member %d", ErrConfig, c.OldSelf, c.NewSelf)
	}
	return nil
}

// checkShares returns ErrConfig unless there is a share of each item.
func (c *Config) checkShares() error {
	if len(c.Shares) != len(c.Items) {
		return fmt.Errorf("%w: %d shares of %d keys", ErrConfig, len(c.Shares), len(c.Items))
	}
	for i, item := range c.Items {
		s := c.Shares[i]
		if s == nil || s.ID() != item.KeyID || s.Self() != c.OldSelf || s.N() != c.Old.N() || s.Parameters().Name != item.Parameters.Name {
			return fmt.Errorf("%w: share %d is another one", ErrConfig, i)
		}
		for _, secret := range item.Parameters.Secrets() {
			if len(s.Part(secret)) != item.Parameters.Dimension(secret)*c.Old.Degree() {
				return fmt.Errorf("%w: share %d is over another ring", ErrConfig, i)
			}
		}
	}
	return nil
}

// segment is one secret of one item, which all messages and vectors go by.
type segment struct {
	item   int
	secret tfhe.Secret
	k      uint // bits of the ring, 64 or 128
	count  int  // coefficients
}

// segments returns the secrets of all items, in order.
func segments(items []Item) []segment {
	var out []segment
	for i, item := range items {
		p := item.Parameters
		for _, s := range p.Secrets() {
			out = append(out, segment{item: i, secret: s, k: p.SecretWidth(s), count: p.Dimension(s)})
		}
	}
	return out
}
