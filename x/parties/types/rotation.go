package types

import (
	"slices"

	errorsmod "cosmossdk.io/errors"

	"github.com/tkms-network/tkms/enclave/mpc"
)

// maxInvolved is the number of parties that the members of two epochs can be together.
const maxInvolved = 31

// Terms are what a rotation asks for beside its members.
type Terms struct {
	// T is the number of corruptions tolerated; 0: as many as the members can.
	T uint32
	// Rehearsal stops short of the activation.
	Rehearsal bool
	// Rejects are measurements that are no longer accepted once the epoch before ended.
	Rejects []Measurement
}

// Origin is the epoch before, as a rotation sees it at the end of a block. Of a first
// committee it is zero.
type Origin struct {
	Epoch *Epoch
	// Keys are the ids of the keys that it holds, ascending.
	Keys [][]byte
}

// Threshold returns how many corruptions n members tolerate: ⌊(n−1)/3⌋, or t if that
// is at least 1 and not more. It returns ErrInvalidCommittee.
func Threshold(n int, t uint32) (uint32, error) {
	most := uint32((n - 1) / 3)
	if t == 0 {
		return most, nil
	}
	if t > most {
		return 0, ErrInvalidCommittee.Wrapf("%d members tolerate %d corruptions at most", n, most)
	}
	return t, nil
}

// NewRotation returns the epoch of a committee that is to take over the secrets of
// from, proposed at height: its members take the indices 1..n in order; those that sit
// in from need not accept their seat.
func NewRotation(id uint64, from *Epoch, parties []Party, terms Terms, height int64, params Params) (Epoch, error) {
	epoch, err := seat(id, parties, terms.T, height, params)
	if err != nil {
		return Epoch{}, err
	}
	epoch.From, epoch.Rehearsal, epoch.Rejects = from.Id, terms.Rehearsal, terms.Rejects
	epoch.Status = EPOCH_STATUS_PROPOSED
	epoch.Deadline = height + int64(params.AcceptBlocks)
	for _, member := range epoch.Members {
		if _, sits := from.MemberOf(member.PartyId); sits {
			epoch.Accepted = append(epoch.Accepted, member.Index)
		}
	}
	if both := from.N() + epoch.N() - len(epoch.Accepted); both > maxInvolved {
		return Epoch{}, ErrInvalidCommittee.Wrapf("%d parties in both committees, at most %d: change it in two steps", both, maxInvolved)
	}
	return epoch, nil
}

// SameCommittee reports whether a rotation to the parties, none standing for those of e,
// and the threshold t is a refresh: in whatever order, nobody else gets shares, and no
// fewer corrupt members than before are too many.
func (e *Epoch) SameCommittee(parties []uint64, t uint32) bool {
	own := e.PartyIDs()
	if len(parties) == 0 {
		parties = own
	}
	slices.Sort(own)
	same := slices.Equal(own, slices.Sorted(slices.Values(parties)))
	threshold, err := Threshold(len(parties), t)
	return same && err == nil && threshold == e.T
}

// seat returns an epoch without a status.
func seat(id uint64, parties []Party, t uint32, height int64, params Params) (Epoch, error) {
	n := len(parties)
	if err := CheckCommitteeSize(n); err != nil {
		return Epoch{}, err
	}
	t, err := Threshold(n, t)
	if err != nil {
		return Epoch{}, err
	}
	epoch := Epoch{Id: id, T: t, CreatedHeight: height, Dealt: n > int(params.PrssMaxMembers)}
	for i, party := range parties {
		if _, twice := epoch.MemberOf(party.Id); twice {
			return Epoch{}, errorsmod.Wrapf(ErrInvalidCommittee, "party %d is named twice", party.Id)
		}
		epoch.Members = append(epoch.Members, Member{Index: uint32(i + 1), PartyId: party.Id})
		epoch.Simulated = epoch.Simulated || party.Simulated
	}
	return epoch, nil
}

// Accept takes the word of an operator that its party takes the seat. Repeating it
// changes nothing.
func (e *Epoch) Accept(index uint32) error {
	if e.Status != EPOCH_STATUS_PROPOSED {
		return ErrWrongStatus.Wrap(e.Status.String())
	}
	if at, found := slices.BinarySearch(e.Accepted, index); !found {
		e.Accepted = slices.Insert(e.Accepted, at, index)
	}
	return nil
}

// advanceProposed waits for all members that are not removed to accept.
func (e *Epoch) advanceProposed(height int64, params Params, origin Origin) []Change {
	if e.standing() < e.Quorum() {
		e.Fail(EPOCH_FAILURE_NO_QUORUM, height)
		return []Change{{}}
	}
	for _, member := range e.Members {
		if e.stands(member.Index) && !slices.Contains(e.Accepted, member.Index) {
			if height < e.Deadline {
				return nil
			}
			e.Fail(EPOCH_FAILURE_NOT_ACCEPTED, height)
			return []Change{{}}
		}
	}
	if !e.Dealt {
		e.startAttempt(1, height, params)
		return []Change{{}}
	}
	e.Transcript = DealtTranscript(e.Id)
	return e.settle(height, params, origin, e.stands)
}

// DealtTranscript is the transcript of an epoch that has no set-up: SHA-256 over the
// domain "tkms/v1/dealt" and the epoch as 8 bytes big-endian with its length before it.
func DealtTranscript(epoch uint64) []byte {
	sum := mpc.Hash("tkms/v1/dealt", mpc.Uint64(epoch))
	return sum[:]
}

// settle ends the set-up. Members that are not in begin excluded. What follows is the
// handing over of what the epoch before holds, or the activation if that is nothing.
func (e *Epoch) settle(height int64, params Params, origin Origin, in func(index uint32) bool) []Change {
	e.Generation = 1
	e.Complaints = nil
	changes := []Change{{}}
	for _, member := range e.Members {
		if !in(member.Index) {
			e.exclude(member.Index, height)
			changes = append(changes, Change{Index: member.Index, Excluded: true})
		}
	}
	if len(origin.Keys) == 0 {
		e.activate(height)
	} else {
		e.startResharing(height, params, origin)
	}
	return changes
}

// activate ends the making of an epoch well.
func (e *Epoch) activate(height int64) {
	e.Deadline = 0
	if e.Rehearsal {
		e.Status = EPOCH_STATUS_REHEARSED
		e.ClosedHeight = height
		return
	}
	e.Status = EPOCH_STATUS_ACTIVE
	e.ActiveHeight = height
}

// Fail ends the making of an epoch for good.
func (e *Epoch) Fail(why EpochFailure, height int64) {
	e.Status = EPOCH_STATUS_FAILED
	e.Failure = why
	e.ClosedHeight = height
	e.Complaints = nil
}

// Drain has an active epoch serve nothing but the requests that are pinned to it, since
// another took over its secrets.
func (e *Epoch) Drain(height int64, params Params) {
	e.Status = EPOCH_STATUS_DRAINING
	e.DrainDeadline = height + int64(params.DrainBlocks)
}

// Retire ends an epoch that drains: its parties erase its secrets.
func (e *Epoch) Retire(height int64) {
	e.Status = EPOCH_STATUS_RETIRED
	e.ClosedHeight = height
}

// Vouch keeps the signature of member index of the epoch before under the signers of e.
// Repeating it changes nothing. Whether the signature is right is the caller's to check.
func (e *Epoch) Vouch(index uint32, signature []byte) error {
	if e.Status != EPOCH_STATUS_ACTIVE || e.From == 0 {
		return ErrWrongStatus.Wrap("an active epoch that followed another is certified")
	}
	at, found := slices.BinarySearchFunc(e.Vouchers, index, func(v Voucher, index uint32) int {
		return int(v.Index) - int(index)
	})
	if !found {
		e.Vouchers = slices.Insert(e.Vouchers, at, Voucher{Index: index, Signature: signature})
	}
	return nil
}

// RefreshMark is the height from which the blocks to the next refresh are counted on,
// as far as e is concerned: of its activation, or of its failure to follow another.
func (e *Epoch) RefreshMark() int64 {
	if e.Status == EPOCH_STATUS_FAILED && e.From != 0 && !e.Rehearsal {
		return e.ClosedHeight
	}
	return e.ActiveHeight
}

// ValidateBasic refuses a proposal when it is submitted that could only fail once
// it is voted; what depends on state is checked then.
func (m *MsgRotate) ValidateBasic() error {
	if len(m.PartyIds) > 0 {
		if err := CheckCommitteeSize(len(m.PartyIds)); err != nil {
			return err
		}
		if _, err := Threshold(len(m.PartyIds), m.T); err != nil {
			return err
		}
	}
	if m.Rehearsal && len(m.Accepts)+len(m.Rejects) > 0 {
		return ErrInvalidMessage.Wrap("a rehearsal changes no measurements")
	}
	for i, list := range [][]Measurement{m.Accepts, m.Rejects} {
		if len(list) > maxMeasurements {
			return ErrInvalidMessage.Wrapf("more than %d measurements", maxMeasurements)
		}
		for j, measurement := range list {
			if err := measurement.Validate(); err != nil {
				return err
			}
			if measurement.indexIn(list) != j || i == 0 && measurement.indexIn(m.Rejects) >= 0 {
				return ErrInvalidMessage.Wrap("a measurement is listed twice")
			}
		}
	}
	return nil
}
