package types

import (
	"bytes"
	"slices"

	errorsmod "cosmossdk.io/errors"
)

// Committee sizes that the parties' protocols take.
const (
	minCommittee = 1
	maxCommittee = 16
)

// maxRoundTripMicros is the longest round trip that a member is believed, 10 s.
const maxRoundTripMicros = 10_000_000

// DigestSize is the size of roots and transcripts in bytes.
const DigestSize = 32

// Change is one thing that happened to an epoch. Index is 0 for a change of status
// or attempt.
type Change struct {
	Index    uint32
	Excluded bool
}

// CheckCommitteeSize returns ErrInvalidCommittee unless n members can form a
// committee.
func CheckCommitteeSize(n int) error {
	if n < minCommittee || n > maxCommittee || n%3 != 1 {
		return ErrInvalidCommittee.Wrapf("%d members; 1, 4, 7, 10, 13 or 16 are possible", n)
	}
	return nil
}

// NewEpoch returns a first committee that is formed at height; its members take the
// indices 1..n in order. It begins with attempt 1 of the set-up, unless there is none.
func NewEpoch(id uint64, parties []Party, height int64, params Params) (Epoch, error) {
	epoch, err := seat(id, parties, 0, height, params)
	if err != nil {
		return Epoch{}, err
	}
	if epoch.Dealt {
		epoch.Status = EPOCH_STATUS_PROPOSED
		for _, member := range epoch.Members {
			epoch.Accepted = append(epoch.Accepted, member.Index)
		}
		return epoch, nil
	}
	epoch.startAttempt(1, height, params)
	return epoch, nil
}

func (e *Epoch) startAttempt(attempt uint32, height int64, params Params) {
	e.Status = EPOCH_STATUS_COMMITTING
	e.Attempt = attempt
	e.Deadline = height + int64(params.SetupCommitBlocks)
	e.Roots, e.Confirmations, e.Complaints, e.Dropped = nil, nil, nil, nil
}

// N is the number of members.
func (e *Epoch) N() int { return len(e.Members) }

// Quorum is n-t, the number of members that can always be waited for.
func (e *Epoch) Quorum() int { return len(e.Members) - int(e.T) }

// MemberOf returns the member that the party is.
func (e *Epoch) MemberOf(partyID uint64) (Member, bool) {
	for _, member := range e.Members {
		if member.PartyId == partyID {
			return member, true
		}
	}
	return Member{}, false
}

// PartyIDs returns the members' parties in the order of their index.
func (e *Epoch) PartyIDs() []uint64 {
	ids := make([]uint64, len(e.Members))
	for i, member := range e.Members {
		ids[i] = member.PartyId
	}
	return ids
}

// Live reports whether the end of a block may change the epoch.
func (e *Epoch) Live() bool { return e.InTheMaking() || e.Serving() }

// InTheMaking reports whether the epoch may still become active, or fail.
func (e *Epoch) InTheMaking() bool {
	switch e.Status {
	case EPOCH_STATUS_PROPOSED, EPOCH_STATUS_COMMITTING, EPOCH_STATUS_CONFIRMING:
		return true
	default:
		return e.HoldsAnswers() || e.HandsOver()
	}
}

// HoldsAnswers reports whether answers to complaints are kept: until the attempt
// of the set-up is over.
func (e *Epoch) HoldsAnswers() bool {
	switch e.Status {
	case EPOCH_STATUS_ANSWERING, EPOCH_STATUS_REVEALING, EPOCH_STATUS_CONCLUDING:
		return true
	default:
		return false
	}
}

// Serving reports whether members work with the epoch's shares.
func (e *Epoch) Serving() bool {
	return e.Status == EPOCH_STATUS_ACTIVE || e.Status == EPOCH_STATUS_DRAINING
}

// stands reports whether a member takes part: it is not removed, nor convicted.
func (e *Epoch) stands(index uint32) bool {
	return !e.Members[index-1].Removed && !e.IsConvicted(index)
}

// standing is the number of members that take part.
func (e *Epoch) standing() int {
	count := 0
	for _, member := range e.Members {
		if e.stands(member.Index) {
			count++
		}
	}
	return count
}

// during returns why a member's word is not taken, if it is none of the present
// attempt of a set-up in one of the given states.
func (e *Epoch) during(index, attempt uint32, states ...EpochStatus) error {
	switch {
	case !slices.Contains(states, e.Status):
		return ErrWrongStatus.Wrap(e.Status.String())
	case attempt != e.Attempt:
		return ErrWrongAttempt
	case e.IsConvicted(index):
		return ErrConvicted
	}
	return nil
}

// CommitRoot takes a member's set-up root for an attempt. Repeating it changes nothing.
func (e *Epoch) CommitRoot(index, attempt uint32, root []byte, height int64) error {
	err := e.during(index, attempt, EPOCH_STATUS_COMMITTING)
	if err != nil {
		return err
	}
	e.Roots, err = addEntry(e.Roots, SetupEntry{Index: index, Digest: root, Height: height})
	return err
}

// Confirm takes a member's transcript digest for an attempt, with the round trip to
// its peers that it measured in microseconds, 0 if none. Repeating it changes nothing.
func (e *Epoch) Confirm(index, attempt uint32, transcript []byte, roundTrip uint32, height int64) error {
	err := e.during(index, attempt, EPOCH_STATUS_CONFIRMING, EPOCH_STATUS_CONCLUDING)
	if err != nil {
		return err
	}
	if e.Status == EPOCH_STATUS_CONFIRMING && e.complained(index) {
		return ErrSpoken
	}
	e.Confirmations, err = addEntry(e.Confirmations, SetupEntry{
		Index: index, Digest: transcript, Height: height, RoundTripMicros: min(roundTrip, maxRoundTripMicros),
	})
	return err
}

// addEntry keeps entries ascending by index, one a member.
func addEntry(entries []SetupEntry, entry SetupEntry) ([]SetupEntry, error) {
	if len(entry.Digest) != DigestSize {
		return entries, errorsmod.Wrapf(ErrInvalidMessage, "digest of %d bytes, want %d", len(entry.Digest), DigestSize)
	}
	at, found := slices.BinarySearchFunc(entries, entry.Index, func(e SetupEntry, index uint32) int {
		return int(e.Index) - int(index)
	})
	if found {
		if bytes.Equal(entries[at].Digest, entry.Digest) {
			return entries, nil
		}
		return entries, ErrConflictingEntry
	}
	return slices.Insert(entries, at, entry), nil
}

// Advance does what is due at the end of the block at height and returns what
// changed, in order. The epoch's record is to be stored if Advance reports dirty.
// Nothing of the origin is changed.
func (e *Epoch) Advance(height int64, params Params, origin Origin) (changes []Change, dirty bool) {
	switch e.Status {
	case EPOCH_STATUS_PROPOSED:
		changes = e.advanceProposed(height, params, origin)
	case EPOCH_STATUS_COMMITTING:
		changes = e.advanceCommitting(height, params)
	case EPOCH_STATUS_CONFIRMING, EPOCH_STATUS_CONCLUDING:
		changes = e.advanceConfirming(height, params, origin)
	case EPOCH_STATUS_ANSWERING:
		changes = e.advanceAnswering(height, params)
	case EPOCH_STATUS_REVEALING:
		changes = e.advanceRevealing(height, params)
	case EPOCH_STATUS_RESHARING, EPOCH_STATUS_RECEIVING, EPOCH_STATUS_PROVING:
		return e.advanceResharing(height, params, origin)
	case EPOCH_STATUS_ACTIVE, EPOCH_STATUS_DRAINING:
		return e.advanceAbsences(height, params)
	}
	return changes, len(changes) > 0
}

func (e *Epoch) advanceCommitting(height int64, params Params) []Change {
	standing, posted := e.standing(), 0
	for _, root := range e.Roots {
		if e.stands(root.Index) {
			posted++
		}
	}
	switch {
	case standing < e.Quorum():
		e.Fail(EPOCH_FAILURE_NO_QUORUM, height)
	case posted == standing, height >= e.Deadline && posted >= e.Quorum():
		e.Status = EPOCH_STATUS_CONFIRMING
		e.Deadline = height + int64(params.SetupConfirmBlocks)
	case height >= e.Deadline:
		e.retry(height, params)
	default:
		return nil
	}
	return []Change{{}}
}

// advanceConfirming waits for every member that posted a root to confirm or to
// complain; complaints are answered before anything becomes active. A member that
// did not confirm in time begins the epoch excluded: it has no keys to work with, and
// comes in by READY once it holds the transcript. So does a convicted one, for good.
func (e *Epoch) advanceConfirming(height int64, params Params, origin Origin) []Change {
	if !e.heard() && height < e.Deadline {
		return nil
	}
	if e.Status == EPOCH_STATUS_CONFIRMING && len(e.Complaints) > 0 {
		e.Status = EPOCH_STATUS_ANSWERING
		e.Deadline = height + int64(params.SetupAnswerBlocks)
		return []Change{{}}
	}
	transcript, agreeing := e.majority()
	if agreeing < e.Quorum() {
		e.retry(height, params)
		return []Change{{}}
	}
	e.Transcript = transcript
	e.RoundTripMicros = e.roundTrip(transcript)
	return e.settle(height, params, origin, func(index uint32) bool {
		return e.stands(index) && e.confirmed(index, transcript)
	})
}

// heard reports whether all members that posted a root and take part have
// confirmed, or complained where that is possible.
func (e *Epoch) heard() bool {
	for _, root := range e.Roots {
		spoke := hasEntry(e.Confirmations, root.Index) || e.Status == EPOCH_STATUS_CONFIRMING && e.complained(root.Index)
		if e.stands(root.Index) && !spoke {
			return false
		}
	}
	return true
}

// retry begins the next attempt. Without the convicted there may be too few for it;
// the set-up has failed then, and another committee is to be formed.
func (e *Epoch) retry(height int64, params Params) {
	switch {
	case e.standing() < e.Quorum():
		e.Fail(EPOCH_FAILURE_NO_QUORUM, height)
	case e.Attempt >= params.MaxSetupAttempts:
		e.Fail(EPOCH_FAILURE_SETUP, height)
	default:
		e.startAttempt(e.Attempt+1, height, params)
	}
}

// majority returns the transcript that most members that take part confirmed, and
// their number. At n-t of n >= 3t+1 it is the only one with as many.
func (e *Epoch) majority() (transcript []byte, agreeing int) {
	for _, candidate := range e.Confirmations {
		count := 0
		for _, other := range e.Confirmations {
			if e.stands(other.Index) && bytes.Equal(other.Digest, candidate.Digest) {
				count++
			}
		}
		if count > agreeing {
			transcript, agreeing = candidate.Digest, count
		}
	}
	return transcript, agreeing
}

func (e *Epoch) confirmed(index uint32, transcript []byte) bool {
	for _, entry := range e.Confirmations {
		if entry.Index == index {
			return bytes.Equal(entry.Digest, transcript)
		}
	}
	return false
}

func hasEntry(entries []SetupEntry, index uint32) bool {
	return slices.ContainsFunc(entries, func(e SetupEntry) bool { return e.Index == index })
}

// roundTrip returns the lower median of the round trips that members which
// confirmed the transcript measured, 0 if none did. With fewer than half of them
// liars it is between two honest ones.
func (e *Epoch) roundTrip(transcript []byte) uint32 {
	var measured []uint32
	for _, entry := range e.Confirmations {
		if entry.RoundTripMicros > 0 && e.stands(entry.Index) && bytes.Equal(entry.Digest, transcript) {
			measured = append(measured, entry.RoundTripMicros)
		}
	}
	if len(measured) == 0 {
		return 0
	}
	slices.Sort(measured)
	return measured[(len(measured)-1)/2]
}
