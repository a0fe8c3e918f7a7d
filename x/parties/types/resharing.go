package types

import (
	"bytes"
	"slices"

	errorsmod "cosmossdk.io/errors"
)

// HandsOver reports whether the secrets of the epoch before are on their way to e.
func (e *Epoch) HandsOver() bool {
	switch e.Status {
	case EPOCH_STATUS_RESHARING, EPOCH_STATUS_RECEIVING, EPOCH_STATUS_PROVING:
		return true
	default:
		return false
	}
}

// startResharing begins the next attempt, with all members that are not excluded and
// the keys that the epoch before holds now.
func (e *Epoch) startResharing(height int64, params Params, origin Origin) {
	attempt := uint32(1)
	if e.Resharing != nil {
		attempt = e.Resharing.Attempt + 1
	}
	e.Resharing = &Resharing{Attempt: attempt, KeyIds: origin.Keys, Without: e.Excluded(), StartedHeight: height}
	e.Status = EPOCH_STATUS_RESHARING
	e.Deadline = height + int64(params.ReshareBlocks)
}

// duringResharing returns why a word in a resharing is not taken, if it is none of the
// present attempt.
func (e *Epoch) duringResharing(attempt uint32, phase EpochStatus) error {
	if e.Status != phase {
		return ErrWrongStatus.Wrap(e.Status.String())
	}
	if attempt != e.Resharing.Attempt {
		return ErrWrongAttempt
	}
	return nil
}

// partaker returns why a member of e has no word in an attempt.
func (e *Epoch) partaker(index uint32) error {
	if e.IsConvicted(index) {
		return ErrConvicted
	}
	if e.IsExcluded(index) {
		return ErrExcluded
	}
	return nil
}

// CommitVectors takes the digest of what a member of the epoch before hands over; index
// is the one that it has there. Repeating it changes nothing.
func (e *Epoch) CommitVectors(from *Epoch, index, attempt uint32, digest []byte, height int64) error {
	err := e.duringResharing(attempt, EPOCH_STATUS_RESHARING)
	if err != nil {
		return err
	}
	if from.IsConvicted(index) {
		return ErrConvicted
	}
	e.Resharing.Digests, err = addEntry(e.Resharing.Digests, SetupEntry{Index: index, Digest: digest, Height: height})
	return err
}

// Receive takes a member's word whose vectors it holds, as posted. Repeating it changes
// nothing.
func (e *Epoch) Receive(index, attempt uint32, received []uint32, height int64) error {
	if err := e.duringResharing(attempt, EPOCH_STATUS_RECEIVING); err != nil {
		return err
	}
	if err := e.partaker(index); err != nil {
		return err
	}
	if !ascendingAmong(received, indicesOf(e.Resharing.Digests)) {
		return ErrInvalidResharing.Wrap("received: of members that posted a digest, strictly ascending")
	}
	at, found := e.Resharing.findReceipt(index)
	if found {
		if slices.Equal(e.Resharing.Receipts[at].Received, received) {
			return nil
		}
		return ErrConflictingEntry
	}
	e.Resharing.Receipts = slices.Insert(e.Resharing.Receipts, at, Receipt{Index: index, Received: received, Height: height})
	return nil
}

// ConfirmShares takes a member's word that it holds new shares that decrypt: the digest
// of what was reshared, and whose vectors were wrong. Repeating it changes nothing.
func (e *Epoch) ConfirmShares(index, attempt uint32, transcript []byte, wrong []uint32, height int64) error {
	if err := e.duringResharing(attempt, EPOCH_STATUS_PROVING); err != nil {
		return err
	}
	if err := e.partaker(index); err != nil {
		return err
	}
	if len(transcript) != DigestSize {
		return errorsmod.Wrapf(ErrInvalidMessage, "digest of %d bytes, want %d", len(transcript), DigestSize)
	}
	if !ascendingAmong(wrong, e.Resharing.Used) {
		return ErrInvalidResharing.Wrap("wrong: of members whose vectors are used, strictly ascending")
	}
	word := ReshareWord{Index: index, Transcript: transcript, Wrong: wrong, Height: height}
	at, found := e.Resharing.findWord(index)
	if found {
		if e.Resharing.Words[at].agrees(word) {
			return nil
		}
		return ErrConflictingEntry
	}
	e.Resharing.Words = slices.Insert(e.Resharing.Words, at, word)
	return nil
}

// advanceResharing moves an attempt on. It begins anew if a member is excluded before
// all that it masks is fixed, or if there is a key that it does not hand over.
func (e *Epoch) advanceResharing(height int64, params Params, origin Origin) (changes []Change, dirty bool) {
	changes, dirty = e.advanceAbsences(height, params)
	if e.participants() < e.Quorum() {
		e.Fail(EPOCH_FAILURE_NO_QUORUM, height)
		return append(changes, Change{}), true
	}
	excluded := e.Excluded()
	others := !slices.Equal(e.Resharing.Without, excluded)
	e.Resharing.Without = excluded
	if e.Status == EPOCH_STATUS_RESHARING && others || e.lacksKey(origin.Keys) {
		e.startResharing(height, params, origin)
		return append(changes, Change{}), true
	}
	var more []Change
	switch e.Status {
	case EPOCH_STATUS_RESHARING:
		more = e.advanceHandover(height, params, origin)
	case EPOCH_STATUS_RECEIVING:
		more = e.advanceReceiving(height, params, origin)
	case EPOCH_STATUS_PROVING:
		more = e.advanceProving(height, params, origin)
	}
	return append(changes, more...), dirty || others || len(more) > 0
}

// lacksKey reports whether a key became active after the attempt began.
func (e *Epoch) lacksKey(held [][]byte) bool {
	return slices.ContainsFunc(held, func(key []byte) bool {
		_, found := slices.BinarySearchFunc(e.Resharing.KeyIds, key, bytes.Compare)
		return !found
	})
}

// participates reports whether a member of e takes part in the attempt.
func (e *Epoch) participates(index uint32) bool { return e.stands(index) && !e.IsExcluded(index) }

func (e *Epoch) participants() int {
	count := 0
	for _, member := range e.Members {
		if e.participates(member.Index) {
			count++
		}
	}
	return count
}

// spoken counts the members that take part and have spoken, and says whether all have.
func (e *Epoch) spoken(has func(index uint32) bool) (count int, all bool) {
	all = true
	for _, member := range e.Members {
		switch {
		case !e.participates(member.Index):
		case has(member.Index):
			count++
		default:
			all = false
		}
	}
	return count, all
}

// advanceHandover waits for all members of the epoch before that stand there, or at
// the deadline for n−t.
func (e *Epoch) advanceHandover(height int64, params Params, origin Origin) []Change {
	all := true
	for _, member := range origin.Epoch.Members {
		all = all && (!origin.Epoch.stands(member.Index) || hasEntry(e.Resharing.Digests, member.Index))
	}
	enough := len(e.Resharing.Digests) >= origin.Epoch.Quorum()
	switch {
	case enough && (all || height >= e.Deadline):
		e.Status = EPOCH_STATUS_RECEIVING
		e.Deadline = height + int64(params.ReceiveBlocks)
		return []Change{{}}
	case height >= e.Deadline:
		return e.retryResharing(height, params, origin, nil)
	}
	return nil
}

// advanceReceiving waits for all members that take part, or at the deadline for n−t.
// Vectors count that t+1 hold: an honest one among them passes them on to the others.
func (e *Epoch) advanceReceiving(height int64, params Params, origin Origin) []Change {
	has := func(index uint32) bool { _, found := e.Resharing.findReceipt(index); return found }
	count, all := e.spoken(has)
	if !all && height < e.Deadline {
		return nil
	}
	used := e.received()
	if count < e.Quorum() || len(used) < origin.Epoch.Quorum() {
		return e.retryResharing(height, params, origin, has)
	}
	e.Resharing.Used = used
	e.Status = EPOCH_STATUS_PROVING
	e.Deadline = height + int64(params.ProveBlocks)
	return []Change{{}}
}

// received returns whose vectors t+1 members that take part hold, ascending.
func (e *Epoch) received() (used []uint32) {
	for _, entry := range e.Resharing.Digests {
		count := 0
		for _, receipt := range e.Resharing.Receipts {
			if e.participates(receipt.Index) && slices.Contains(receipt.Received, entry.Index) {
				count++
			}
		}
		if count > int(e.T) {
			used = append(used, entry.Index)
		}
	}
	return used
}

// advanceProving waits for all members that take part, or at the deadline for n−t. Who
// did not say the same as n−t others begins excluded: it is not known to hold shares.
func (e *Epoch) advanceProving(height int64, params Params, origin Origin) []Change {
	has := func(index uint32) bool { _, found := e.Resharing.findWord(index); return found }
	_, all := e.spoken(has)
	if !all && height < e.Deadline {
		return nil
	}
	verdict, agreeing := e.Verdict()
	if agreeing < e.Quorum() {
		return e.retryResharing(height, params, origin, has)
	}
	changes := []Change{{}}
	for _, member := range e.Members {
		at, found := e.Resharing.findWord(member.Index)
		if found && e.stands(member.Index) && e.Resharing.Words[at].agrees(verdict) || e.IsExcluded(member.Index) {
			continue
		}
		changes = append(changes, e.leaveOut(member.Index, height))
	}
	e.activate(height)
	return changes
}

// leaveOut excludes a member and counts the change of the excluded set.
func (e *Epoch) leaveOut(index uint32, height int64) Change {
	e.exclude(index, height)
	e.Generation++
	return Change{Index: index, Excluded: true}
}

// Verdict returns the word that most members that take part gave on the resharing, and
// their number. At n−t of n ≥ 3t+1 it is the only one with as many.
func (e *Epoch) Verdict() (verdict ReshareWord, agreeing int) {
	if e.Resharing == nil {
		return ReshareWord{}, 0
	}
	for _, candidate := range e.Resharing.Words {
		count := 0
		for _, other := range e.Resharing.Words {
			if e.participates(other.Index) && other.agrees(candidate) {
				count++
			}
		}
		if count > agreeing {
			verdict, agreeing = candidate, count
		}
	}
	return verdict, agreeing
}

// retryResharing begins the next attempt, or gives up. Members that were not heard of
// are left out, if the others can do without them: if they are more than that it helps
// nobody to take out some of them.
func (e *Epoch) retryResharing(height int64, params Params, origin Origin, heard func(index uint32) bool) []Change {
	if e.Resharing.Attempt >= params.MaxReshareAttempts {
		e.Fail(EPOCH_FAILURE_RESHARING, height)
		return []Change{{}}
	}
	var silent []uint32
	for _, member := range e.Members {
		if heard != nil && e.participates(member.Index) && !heard(member.Index) {
			silent = append(silent, member.Index)
		}
	}
	changes := []Change{{}}
	if e.participants()-len(silent) >= e.Quorum() {
		for _, index := range silent {
			changes = append(changes, e.leaveOut(index, height))
		}
	}
	e.startResharing(height, params, origin)
	return changes
}

func (r *Resharing) findReceipt(index uint32) (int, bool) {
	return slices.BinarySearchFunc(r.Receipts, index, func(r Receipt, index uint32) int {
		return int(r.Index) - int(index)
	})
}

func (r *Resharing) findWord(index uint32) (int, bool) {
	return slices.BinarySearchFunc(r.Words, index, func(w ReshareWord, index uint32) int {
		return int(w.Index) - int(index)
	})
}

// agrees reports whether two words say the same.
func (w ReshareWord) agrees(other ReshareWord) bool {
	return bytes.Equal(w.Transcript, other.Transcript) && slices.Equal(w.Wrong, other.Wrong)
}

func indicesOf(entries []SetupEntry) []uint32 {
	indices := make([]uint32, len(entries))
	for i, entry := range entries {
		indices[i] = entry.Index
	}
	return indices
}

// ascendingAmong reports whether indices are some of those given, in order and each
// once; none are too.
func ascendingAmong(indices, of []uint32) bool {
	for i, index := range indices {
		if i > 0 && index <= indices[i-1] || !slices.Contains(of, index) {
			return false
		}
	}
	return true
}
