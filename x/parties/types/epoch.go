package types

import (
	"bytes"
	"slices"

	errorsmod "cosmossdk.io/errors"
)

// Committee sizes that the parties' protocols take.
const (
	minCommittee = 1
	maxCommittee = 7
)

// DigestSize is the size of roots and transcripts in bytes.
const DigestSize = 32

// Change is one thing that happened to an epoch at the end of a block.
// Index is 0 for a change of status or attempt.
type Change struct {
	Index    uint32
	Excluded bool
}

// ValidCommitteeSize reports whether n members can form a committee: 1, 4 or 7.
func ValidCommitteeSize(n int) bool {
	return n >= minCommittee && n <= maxCommittee && n%3 == 1
}

// NewEpoch returns attempt 1 of the set-up of a committee that is formed at
// height; its members take the indices 1..n in order.
func NewEpoch(id uint64, parties []Party, height int64, params Params) (Epoch, error) {
	n := len(parties)
	if !ValidCommitteeSize(n) {
		return Epoch{}, errorsmod.Wrapf(ErrInvalidCommittee, "%d members; 1, 4 or 7 are possible", n)
	}
	epoch := Epoch{Id: id, T: uint32((n - 1) / 3), CreatedHeight: height}
	for i, party := range parties {
		if _, twice := epoch.MemberOf(party.Id); twice {
			return Epoch{}, errorsmod.Wrapf(ErrInvalidCommittee, "party %d is named twice", party.Id)
		}
		epoch.Members = append(epoch.Members, Member{Index: uint32(i + 1), PartyId: party.Id})
		epoch.Simulated = epoch.Simulated || party.Simulated
	}
	epoch.startAttempt(1, height, params)
	return epoch, nil
}

func (e *Epoch) startAttempt(attempt uint32, height int64, params Params) {
	e.Status = EPOCH_STATUS_COMMITTING
	e.Attempt = attempt
	e.Deadline = height + int64(params.SetupCommitBlocks)
	e.Roots, e.Confirmations = nil, nil
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

// Live reports whether the end of a block may change the epoch.
func (e *Epoch) Live() bool {
	switch e.Status {
	case EPOCH_STATUS_COMMITTING, EPOCH_STATUS_CONFIRMING, EPOCH_STATUS_ACTIVE, EPOCH_STATUS_DRAINING:
		return true
	default:
		return false
	}
}

// Serving reports whether members work with the epoch's shares.
func (e *Epoch) Serving() bool {
	return e.Status == EPOCH_STATUS_ACTIVE || e.Status == EPOCH_STATUS_DRAINING
}

func (e *Epoch) removed(index uint32) bool { return e.Members[index-1].Removed }

// CommitRoot takes a member's set-up root for an attempt. Repeating it changes nothing.
func (e *Epoch) CommitRoot(index, attempt uint32, root []byte, height int64) error {
	if e.Status != EPOCH_STATUS_COMMITTING {
		return ErrWrongStatus.Wrap("roots are not taken now")
	}
	if attempt != e.Attempt {
		return ErrWrongAttempt
	}
	var err error
	e.Roots, err = addEntry(e.Roots, SetupEntry{Index: index, Digest: root, Height: height})
	return err
}

// Confirm takes a member's transcript digest for an attempt. Repeating it changes nothing.
func (e *Epoch) Confirm(index, attempt uint32, transcript []byte, height int64) error {
	if e.Status != EPOCH_STATUS_CONFIRMING {
		return ErrWrongStatus.Wrap("confirmations are not taken now")
	}
	if attempt != e.Attempt {
		return ErrWrongAttempt
	}
	var err error
	e.Confirmations, err = addEntry(e.Confirmations, SetupEntry{Index: index, Digest: transcript, Height: height})
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
func (e *Epoch) Advance(height int64, params Params) (changes []Change, dirty bool) {
	switch e.Status {
	case EPOCH_STATUS_COMMITTING:
		changes = e.advanceCommitting(height, params)
	case EPOCH_STATUS_CONFIRMING:
		changes = e.advanceConfirming(height, params)
	case EPOCH_STATUS_ACTIVE, EPOCH_STATUS_DRAINING:
		return e.advanceAbsences(height, params)
	}
	return changes, len(changes) > 0
}

func (e *Epoch) advanceCommitting(height int64, params Params) []Change {
	standing, posted := 0, 0
	for _, member := range e.Members {
		if member.Removed {
			continue
		}
		standing++
		if hasEntry(e.Roots, member.Index) {
			posted++
		}
	}
	switch {
	case standing < e.Quorum():
		e.Status = EPOCH_STATUS_FAILED
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

// advanceConfirming waits for every member that posted a root. A member that did
// not confirm in time begins the epoch excluded: it has no keys to work with, and
// comes in by READY once it holds the transcript.
func (e *Epoch) advanceConfirming(height int64, params Params) []Change {
	complete := true
	for _, root := range e.Roots {
		if !e.removed(root.Index) && !hasEntry(e.Confirmations, root.Index) {
			complete = false
		}
	}
	if !complete && height < e.Deadline {
		return nil
	}
	transcript, agreeing := e.majority()
	if agreeing < e.Quorum() {
		e.retry(height, params)
		return []Change{{}}
	}
	e.Status = EPOCH_STATUS_ACTIVE
	e.Transcript = transcript
	e.ActiveHeight = height
	e.Deadline = 0
	e.Generation = 1
	changes := []Change{{}}
	for _, member := range e.Members {
		if !member.Removed && e.confirmed(member.Index, transcript) {
			continue
		}
		e.exclude(member.Index, height)
		changes = append(changes, Change{Index: member.Index, Excluded: true})
	}
	return changes
}

func (e *Epoch) retry(height int64, params Params) {
	if e.Attempt >= params.MaxSetupAttempts {
		e.Status = EPOCH_STATUS_FAILED
		return
	}
	e.startAttempt(e.Attempt+1, height, params)
}

// majority returns the transcript that most standing members confirmed, and
// their number. At n-t of n >= 3t+1 it is the only one with as many.
func (e *Epoch) majority() (transcript []byte, agreeing int) {
	for _, candidate := range e.Confirmations {
		count := 0
		for _, other := range e.Confirmations {
			if !e.removed(other.Index) && bytes.Equal(other.Digest, candidate.Digest) {
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
