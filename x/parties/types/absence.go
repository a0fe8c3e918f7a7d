package types

import (
	"bytes"
	"slices"

	errorsmod "cosmossdk.io/errors"

	"github.com/tkms-network/tkms/enclave/mpc"
)

// maxReadyDoublings bounds the delay that a member who comes and goes earns.
const maxReadyDoublings = 6

// Excluded returns the indices of the members that are not waited for, ascending.
func (e *Epoch) Excluded() []uint32 {
	var indices []uint32
	for _, absence := range e.Absences {
		if absence.Excluded {
			indices = append(indices, absence.Index)
		}
	}
	return indices
}

// IsExcluded reports whether the member is not waited for.
func (e *Epoch) IsExcluded(index uint32) bool { return slices.Contains(e.Excluded(), index) }

// IsConvicted reports whether evidence convicted the member in this epoch.
func (e *Epoch) IsConvicted(index uint32) bool {
	return slices.ContainsFunc(e.Absences, func(a Absence) bool { return a.Index == index && a.Convicted })
}

// Convict takes a member of a serving epoch out for good. If t members are excluded
// already it is as good as excluded only when one of them comes back: until then the
// others cannot do without it, but its word about others no longer counts.
func (e *Epoch) Convict(index uint32, height int64) []Change {
	absence := e.absence(index)
	absence.Convicted = true
	absence.ReadyHeight = 0
	for i := range e.Absences {
		e.Absences[i].withdraw(index)
	}
	return e.excludeFallen(height)
}

// excludeFallen excludes convicted and removed members that are not yet, as far as t
// allows.
func (e *Epoch) excludeFallen(height int64) (changes []Change) {
	for i := range e.Absences {
		if index := e.Absences[i].Index; !e.stands(index) && !e.Absences[i].Excluded && len(e.Excluded()) < int(e.T) {
			changes = append(changes, e.leaveOut(index, height))
		}
	}
	return changes
}

// Report replaces the reporter's standing reports by indices, the members that
// it finds silent now; a member it named before keeps the height of that report.
// Withdrawn reports matter as much as new ones: t liars alone exclude nobody.
func (e *Epoch) Report(reporter, generation uint32, indices []uint32, height int64) error {
	if !e.Serving() && !e.HandsOver() {
		return ErrWrongStatus.Wrap("absence is reported in an epoch that serves, or that secrets are handed over to")
	}
	if generation != e.Generation {
		return ErrOldGeneration
	}
	if e.IsConvicted(reporter) {
		return ErrConvicted
	}
	if e.IsExcluded(reporter) {
		return ErrExcluded.Wrap("the reporter is excluded")
	}
	var last uint32
	for _, index := range indices {
		switch {
		case index <= last || int(index) > e.N():
			return errorsmod.Wrap(ErrInvalidMessage, "indices of members, strictly ascending")
		case index == reporter:
			return errorsmod.Wrap(ErrInvalidMessage, "a member cannot report itself")
		case e.IsExcluded(index):
			return ErrExcluded.Wrapf("member %d", index)
		}
		last = index
	}
	for i := range e.Absences {
		if !slices.Contains(indices, e.Absences[i].Index) {
			e.Absences[i].withdraw(reporter)
		}
	}
	for _, index := range indices {
		e.absence(index).report(reporter, height)
	}
	return nil
}

// ReadyDigest is what a member shows to be counted again: SHA-256 over the domain
// "tkms/v1/ready", the transcript and the generation as 8 bytes big-endian, each
// with its length before it. It is fresh by the generation: a message that was
// long under way, or a store of another set-up, brings nobody back.
func ReadyDigest(transcript []byte, generation uint32) [DigestSize]byte {
	return mpc.Hash("tkms/v1/ready", transcript, mpc.Uint64(uint64(generation)))
}

// Ready takes the word of an excluded member that it takes part again, with the
// ReadyDigest of the epoch as it is. Of a member that is not excluded it voids the
// reports, as any of its messages does. A convicted one does not come back.
func (e *Epoch) Ready(index uint32, digest []byte, height int64, params Params) error {
	if !e.Serving() {
		return ErrWrongStatus.Wrap("no epoch to be ready for")
	}
	if e.IsConvicted(index) {
		return ErrConvicted
	}
	if want := ReadyDigest(e.Transcript, e.Generation); !bytes.Equal(digest, want[:]) {
		return ErrReadyDigest
	}
	if !e.IsExcluded(index) {
		e.Seen(index, height, params)
		return nil
	}
	if absence := e.absence(index); absence.ReadyHeight == 0 {
		absence.ReadyHeight = height
	}
	return nil
}

// Seen voids the reports about a member that sent a message and returns whether
// there were any. It does so once in a report window: a member that talks to the
// chain but not to its peers would else never be excluded, and stop all offline work.
func (e *Epoch) Seen(index uint32, height int64, params Params) bool {
	for i := range e.Absences {
		absence := &e.Absences[i]
		if absence.Index != index || absence.Excluded || len(absence.Reports) == 0 {
			continue
		}
		if absence.VoidedHeight > 0 && height-absence.VoidedHeight <= int64(params.ReportWindowBlocks) {
			return false
		}
		absence.Reports = nil
		absence.VoidedHeight = height
		return true
	}
	return false
}

// Remove marks a member as removed by governance: excluded for good in an epoch that
// has shares or gets them, no longer waited for in a set-up. An active epoch that
// cannot do without it refuses; what one that drains still owes is lost first.
func (e *Epoch) Remove(index uint32, height int64) ([]Change, error) {
	if !e.Serving() && !e.HandsOver() {
		e.Members[index-1].Removed = true
		return nil, nil
	}
	if e.Status == EPOCH_STATUS_ACTIVE && !e.IsExcluded(index) && len(e.Excluded()) >= int(e.T) {
		return nil, ErrTooManyExcluded.Wrapf("epoch %d cannot do without member %d", e.Id, index)
	}
	e.Members[index-1].Removed = true
	e.absence(index).ReadyHeight = 0
	return e.excludeFallen(height), nil
}

// advanceAbsences brings back who is ready before anybody is excluded: there is
// room for t only, and the convicted and removed come first.
func (e *Epoch) advanceAbsences(height int64, params Params) (changes []Change, dirty bool) {
	for i := range e.Absences {
		absence := &e.Absences[i]
		if absence.Excluded && absence.ReadyHeight > 0 && height >= absence.ReadyHeight+absence.readyBlocks(params) {
			absence.Excluded, absence.ReadyHeight = false, 0
			e.Generation++
			changes = append(changes, Change{Index: absence.Index})
		}
	}
	changes = append(changes, e.excludeFallen(height)...)
	for i := range e.Absences {
		absence := &e.Absences[i]
		if absence.Excluded {
			continue
		}
		if absence.expire(height, params) {
			dirty = true
		}
		if e.absent(absence, height, params) && len(e.Excluded()) < int(e.T) {
			changes = append(changes, e.leaveOut(absence.Index, height))
		}
	}
	return changes, dirty || len(changes) > 0
}

// absent reports whether t+1 members (excluded ones have no report) have stood by their word for
// absence_blocks. The clock starts with the (t+1)th report, not the first: liars
// that report everybody all the time must not shorten it.
func (e *Epoch) absent(absence *Absence, height int64, params Params) bool {
	if len(absence.Reports) < int(e.T)+1 {
		return false
	}
	heights := make([]int64, len(absence.Reports))
	for i, report := range absence.Reports {
		heights[i] = report.Height
	}
	slices.Sort(heights)
	return height >= heights[e.T]+int64(params.AbsenceBlocks)
}

func (e *Epoch) exclude(index uint32, height int64) {
	absence := e.absence(index)
	absence.Excluded = true
	absence.ExcludedHeight = height
	absence.ReadyHeight = 0
	absence.Reports = nil
	absence.Exclusions++
	for i := range e.Absences {
		e.Absences[i].withdraw(index)
	}
}

// absence returns the member's record, which it makes if there is none.
func (e *Epoch) absence(index uint32) *Absence {
	at, found := slices.BinarySearchFunc(e.Absences, index, func(a Absence, index uint32) int {
		return int(a.Index) - int(index)
	})
	if !found {
		e.Absences = slices.Insert(e.Absences, at, Absence{Index: index})
	}
	return &e.Absences[at]
}

func (a *Absence) report(reporter uint32, height int64) {
	at, found := slices.BinarySearchFunc(a.Reports, reporter, func(r Report, index uint32) int {
		return int(r.Index) - int(index)
	})
	if !found {
		a.Reports = slices.Insert(a.Reports, at, Report{Index: reporter, Height: height})
	}
}

func (a *Absence) withdraw(reporter uint32) {
	a.Reports = slices.DeleteFunc(a.Reports, func(r Report) bool { return r.Index == reporter })
}

// expire drops reports older than the window and returns whether there were any.
func (a *Absence) expire(height int64, params Params) bool {
	before := len(a.Reports)
	a.Reports = slices.DeleteFunc(a.Reports, func(r Report) bool {
		return height-r.Height > int64(params.ReportWindowBlocks)
	})
	return len(a.Reports) < before
}

func (a *Absence) readyBlocks(params Params) int64 {
	doublings := min(max(a.Exclusions, 1)-1, maxReadyDoublings)
	return int64(params.ReadyBlocks) << doublings
}
