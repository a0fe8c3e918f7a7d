package vss

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// A dealer's list is, for each member of E in ascending order, the commitment to what it
// gets (32 bytes), then those to the coin and the seed.

// listBytes is the length of a list.
func (p *plan) listBytes() int { return (p.from.Count() + 2) * mpc.DigestSize }

// commitShare is the commitment to a member's share. The blind keeps it from being guessed.
func commitShare(session mpc.Digest, dealer, member int, blind, share []byte) mpc.Digest {
	return mpc.Hash("tkms/v1/vss/share", session[:], mpc.Uint64(uint64(dealer)), mpc.Uint64(uint64(member)), blind, share) // #nosec G115 -- indices
}

// commitSecret is the commitment to a coin or a seed, which cannot be guessed.
func commitSecret(label string, session mpc.Digest, dealer int, secret []byte) mpc.Digest {
	return mpc.Hash(label, session[:], mpc.Uint64(uint64(dealer)), secret) // #nosec G115 -- an index
}

const (
	coinLabel = "tkms/v1/vss/coin"
	seedLabel = "tkms/v1/vss/seed"
)

// opens reports whether a share behind its blind is what a dealer's list says.
func (p *plan) opens(list []byte, session mpc.Digest, dealer, member int, payload []byte) bool {
	at := 0
	for _, i := range p.from.List() {
		if i == member {
			break
		}
		at += mpc.DigestSize
	}
	return same(commitShare(session, dealer, member, payload[:mpc.DigestSize], payload[mpc.DigestSize:]), mpc.Digest(list[at:]))
}

func (p *plan) commitsCoin(list []byte, session mpc.Digest, dealer int, coin []byte) bool {
	return same(commitSecret(coinLabel, session, dealer, coin), mpc.Digest(list[len(list)-2*mpc.DigestSize:]))
}

func (p *plan) commitsSeed(list []byte, session mpc.Digest, dealer int, seed []byte) bool {
	return same(commitSecret(seedLabel, session, dealer, seed), mpc.Digest(list[len(list)-mpc.DigestSize:]))
}

// origin is what a party keeps of a dealing for the case that it has to be laid open: its
// seed, and what all dealers committed themselves to.
type origin struct {
	plan    *plan
	session mpc.Digest
	seed    mpc.Digest
	lists   [][]byte // by party, nil until they are agreed on

	seeds secrets
}

func newOrigin(p *plan, session mpc.Digest, secret [SeedSize]byte) *origin {
	mac := hmac.New(sha256.New, secret[:])
	label := mpc.Hash("tkms/v1/vss/dealer", session[:])
	mac.Write(label[:])
	return &origin{plan: p, session: session, seed: mpc.Digest(mac.Sum(nil)), seeds: newSecrets(p)}
}

// blind is what the own commitment to a member's share is blinded with.
func (o *origin) blind(member int) mpc.Digest { return blindOf(o.seed, member) }

func blindOf(seed mpc.Digest, member int) mpc.Digest {
	return mpc.Hash("tkms/v1/vss/blind", seed[:], mpc.Uint64(uint64(member))) // #nosec G115 -- an index
}

// coinOf is the coin of a dealer with a seed.
func coinOf(seed mpc.Digest) []byte {
	coin := mpc.Hash("tkms/v1/vss/coin of", seed[:])
	return coin[:]
}

// list returns the list of a dealer with a seed, which dealt what it gives.
func (o *origin) list(seed mpc.Digest, dealer int, dealt [][]byte) []byte {
	out := make([]byte, 0, o.plan.listBytes())
	for _, i := range o.plan.from.List() {
		blind := blindOf(seed, i)
		c := commitShare(o.session, dealer, i, blind[:], dealt[i])
		out = append(out, c[:]...)
	}
	coin, committed := commitSecret(coinLabel, o.session, dealer, coinOf(seed)), commitSecret(seedLabel, o.session, dealer, seed[:])
	return append(append(out, coin[:]...), committed[:]...)
}

// isSeed reports whether a seed opens a dealer's commitment.
func (o *origin) isSeed(dealer int, seed []byte) bool {
	return o.plan.commitsSeed(o.lists[dealer], o.session, dealer, seed)
}

// open computes from the seeds, which are all there, what every dealer should have dealt,
// and calls take with it, by party. It returns the dealers that committed themselves to
// something else.
func (o *origin) open(take func(dealer int, dealt [][]byte) error) (culprits sharing.Parties, err error) {
	for _, i := range o.plan.from.List() {
		seed := mpc.Digest(o.seeds.have[i])
		dealt := o.plan.deal(seed)
		if !bytes.Equal(o.list(seed, i, dealt), o.lists[i]) {
			culprits = culprits.With(i)
		}
		if err := take(i, dealt); err != nil {
			return 0, fmt.Errorf("vss: compute the dealing of party %d: %w", i, err)
		}
	}
	return culprits, nil
}

// blame returns the dealers that did not deal what their seeds give, else the members
// whose sums are not those of what they were dealt.
func (o *origin) blame(challenge mpc.Digest, agreed [][]byte) (sharing.Parties, error) {
	all := map[int]*sums{}
	for _, i := range o.plan.from.List() {
		all[i] = o.plan.newSums()
	}
	culprits, err := o.open(func(dealer int, dealt [][]byte) error {
		for i, s := range all { // each on its own
			if err := s.add(challenge, dealer, dealt[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || culprits != 0 {
		return culprits, err
	}
	for _, i := range o.plan.from.List() {
		if !bytes.Equal(all[i].encode(nil), agreed[i]) {
			culprits = culprits.With(i)
		}
	}
	return culprits, nil
}
