package cli

import (
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/tkms-network/tkms/x/parties/types"
)

// soonLapsed is how long before its end an attestation is warned of: a day covers a
// vote's last hours and a resharing that is repeated.
const soonLapsed = 24 * time.Hour

// largeCommittee is the number of members from which production keys are not generated.
const largeCommittee = 13

// Seat is a member of a committee.
type Seat struct {
	Index    uint32 `json:"index"`
	PartyID  uint64 `json:"party_id"`
	Moniker  string `json:"moniker"`
	Operator string `json:"operator"`
}

// Committee is who holds shares.
type Committee struct {
	// Epoch is 0 for one that is not yet proposed.
	Epoch   uint64 `json:"epoch,omitempty"`
	Members []Seat `json:"members"`
	N       int    `json:"n"`
	// T is the number of corruptions tolerated.
	T int `json:"t"`
	// Margin is how many more members may fail until nothing is decrypted.
	Margin int `json:"margin"`
}

// Change is a number before and after.
type Change struct {
	Before uint64 `json:"before"`
	After  uint64 `json:"after"`
}

// Outlook is what a proposal does, as far as one can tell before.
type Outlook struct {
	Rehearsal bool      `json:"rehearsal"`
	Before    Committee `json:"before"`
	// After, Joins, Leaves and Cost are nil if there is no other epoch.
	After  *Committee `json:"after,omitempty"`
	Joins  []Seat     `json:"joins,omitempty"`
	Leaves []Seat     `json:"leaves,omitempty"`
	Cost   *Cost      `json:"cost,omitempty"`
	// Accepts and Rejects are enclave images.
	Accepts []Image `json:"accepts,omitempty"`
	Rejects []Image `json:"rejects,omitempty"`
	// RefreshBlocks is nil if it stays.
	RefreshBlocks *Change  `json:"refresh_blocks,omitempty"`
	Warnings      []string `json:"warnings,omitempty"`
}

// outlook tells what the plan does to what there is.
func (p *Plan) outlook(s *Snapshot) (*Outlook, error) {
	o := &Outlook{Before: s.committee(&s.Active)}
	o.Before.Margin -= len(s.Active.Excluded())
	if s.Params.RefreshBlocks != p.Params.RefreshBlocks {
		o.RefreshBlocks = &Change{s.Params.RefreshBlocks, p.Params.RefreshBlocks}
	}
	o.Accepts = missingFrom(p.Params.Measurements, s.Params.Measurements)
	rejects := missingFrom(s.Params.Measurements, p.Params.Measurements)
	if p.Rotate == nil {
		o.Rejects = rejects
		return o, nil
	}
	for _, m := range p.Rotate.Rejects {
		rejects = append(rejects, imageOf(m))
	}
	o.Rejects, o.Rehearsal = rejects, p.Rotate.Rehearsal
	next, err := p.epoch(s)
	if err != nil {
		return nil, err
	}
	after := s.committee(&next)
	o.After, o.Joins, o.Leaves = &after, without(after.Members, o.Before.Members), without(o.Before.Members, after.Members)
	cost, err := costOf(s.Keys, o.Before.N, o.Before.T, after.N, after.T, next.Dealt)
	if err != nil {
		return nil, err
	}
	o.Cost = &cost
	o.Warnings = p.warnings(s, &next)
	return o, nil
}

// epoch returns the epoch that the chain would propose, without its id, or why it would
// not.
func (p *Plan) epoch(s *Snapshot) (types.Epoch, error) {
	ids := p.Rotate.PartyIds
	if len(ids) == 0 {
		ids = s.Active.PartyIDs()
	}
	parties := make([]types.Party, len(ids))
	for i, id := range ids {
		party, known := s.party(id)
		if !known {
			return types.Epoch{}, fmt.Errorf("party %d: %w", id, types.ErrUnknownParty)
		}
		parties[i] = party
	}
	terms := types.Terms{T: p.Rotate.T, Rehearsal: p.Rotate.Rehearsal, Rejects: p.Rotate.Rejects}
	return types.NewRotation(0, &s.Active, parties, terms, 0, p.Params)
}

func (s *Snapshot) committee(epoch *types.Epoch) Committee {
	c := Committee{Epoch: epoch.Id, N: epoch.N(), T: int(epoch.T), Margin: int(epoch.T)}
	for _, member := range epoch.Members {
		party, _ := s.party(member.PartyId)
		c.Members = append(c.Members, Seat{member.Index, member.PartyId, party.Moniker, party.Operator})
	}
	return c
}

// without lists the seats of parties that have none in the others.
func without(seats, others []Seat) (list []Seat) {
	for _, seat := range seats {
		if !slices.ContainsFunc(others, func(o Seat) bool { return o.PartyID == seat.PartyID }) {
			list = append(list, seat)
		}
	}
	return list
}

func missingFrom(list, others []types.Measurement) (images []Image) {
	for _, m := range list {
		if !slices.ContainsFunc(others, func(o types.Measurement) bool { return imageOf(o).same(imageOf(m)) }) {
			images = append(images, imageOf(m))
		}
	}
	return images
}

func imageOf(m types.Measurement) Image {
	return Image{TeeType: m.TeeType, Pcr0: hex.EncodeToString(m.Pcr0), Pcr1: hex.EncodeToString(m.Pcr1), Pcr2: hex.EncodeToString(m.Pcr2), Note: m.Note}
}

// same reports whether two images differ in nothing but the note.
func (i Image) same(other Image) bool {
	i.Note = other.Note
	return i == other
}

// warnings are reasons to think twice, and reasons why the chain would refuse the
// rotation as things are now.
func (p *Plan) warnings(s *Snapshot, next *types.Epoch) (list []string) {
	say := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	for _, other := range s.Others {
		switch {
		case other.Status == types.EPOCH_STATUS_DRAINING:
			say("epoch %d still drains, until block %d at the latest: a rotation is refused before", other.Id, other.DrainDeadline)
		case other.Rehearsal && !p.Rotate.Rehearsal:
			say("the rehearsal under way (epoch %d) ends for it", other.Id)
		default:
			say("epoch %d is in the making: another rotation is refused before it is over", other.Id)
		}
	}
	if most := (next.N() - 1) / 3; next.N() > 15 || int(next.T) != most {
		say("published clients cannot put the shares of %d members with t = %d together: user decryption is refused (kms/42)", next.N(), next.T)
	}
	if next.N() >= largeCommittee {
		say("%d members generate no production key: those that there are are handed over, new host chains wait for a smaller committee", next.N())
	}
	for _, member := range next.Members {
		if _, sits := s.Active.MemberOf(member.PartyId); p.Rotate.Rehearsal && !sits {
			say("the rehearsal gives party %d shares of the keys, which it is to erase", member.PartyId)
		}
	}
	if next.T == 0 {
		say("one member holds every key alone")
	}
	for _, member := range next.Members {
		party, _ := s.party(member.PartyId)
		for _, text := range p.aboutParty(s, &party) {
			say("party %d (%s) %s", party.Id, party.Moniker, text)
		}
	}
	return list
}

// aboutParty are the warnings about a member to be.
func (p *Plan) aboutParty(s *Snapshot, party *types.Party) (list []string) {
	until := party.AttestedUntil.UTC().Format(time.RFC3339)
	switch {
	case party.Removed:
		list = append(list, "was removed: refused")
	case !s.Now.Before(party.AttestedUntil):
		list = append(list, "has no valid attestation since "+until+": refused until it registers again")
	case s.Now.Add(soonLapsed).After(party.AttestedUntil):
		list = append(list, "is attested until "+until+" only")
	}
	if party.Simulated {
		list = append(list, "has a simulated enclave, which protects nothing")
	}
	if bond := s.Bonds[party.Id]; bond < p.Params.MinBond {
		list = append(list, fmt.Sprintf("has a bond of %d of the %d utkms that a seat takes: refused", bond, p.Params.MinBond))
	}
	accepted := slices.ContainsFunc(p.Params.Measurements, func(m types.Measurement) bool {
		return m.TeeType == party.TeeType && string(m.Pcr0) == string(party.Pcr0)
	})
	rejected := slices.ContainsFunc(p.Rotate.Rejects, func(m types.Measurement) bool {
		return m.TeeType == party.TeeType && string(m.Pcr0) == string(party.Pcr0)
	})
	if !accepted || rejected {
		list = append(list, "runs an image that will not be accepted: it keeps its seat, but cannot renew its attestation")
	}
	return list
}

func hexText(raw []byte) string { return hex.EncodeToString(raw) }
