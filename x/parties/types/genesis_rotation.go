package types

import (
	"bytes"
	"slices"
)

// voucherSize is that of a signature in a voucher.
const voucherSize = 65

// validateSuccession checks how epochs follow each other: there is one chain of them, and
// at most one that may still join it.
func (g GenesisState) validateSuccession() error {
	count := make(map[EpochStatus]int)
	making := 0
	for i := range g.Epochs {
		epoch := &g.Epochs[i]
		count[epoch.Status]++
		if epoch.InTheMaking() {
			making++
		}
		if err := g.validateOrigin(epoch); err != nil {
			return err
		}
	}
	active, draining := count[EPOCH_STATUS_ACTIVE], count[EPOCH_STATUS_DRAINING]
	if active > 1 || draining > active || making > 1 {
		return ErrInvalidCommittee.Wrapf("%d active, %d draining and %d epochs in the making", active, draining, making)
	}
	return nil
}

// validateOrigin checks that an epoch that follows another could.
func (g GenesisState) validateOrigin(epoch *Epoch) error {
	if epoch.From >= epoch.Id {
		return ErrInvalidCommittee.Wrapf("epoch %d follows an earlier one", epoch.Id)
	}
	if epoch.From == 0 {
		if epoch.Rehearsal || epoch.Resharing != nil || len(epoch.Vouchers)+len(epoch.Rejects) > 0 {
			return ErrInvalidCommittee.Wrapf("epoch %d follows none: it takes nothing over", epoch.Id)
		}
		return nil
	}
	from := &g.Epochs[epoch.From-1]
	is := []EpochStatus{EPOCH_STATUS_DRAINING, EPOCH_STATUS_RETIRED}
	switch {
	case epoch.InTheMaking():
		is = []EpochStatus{EPOCH_STATUS_ACTIVE}
	case epoch.ActiveHeight == 0:
		is = append(is, EPOCH_STATUS_ACTIVE)
	}
	if !slices.Contains(is, from.Status) {
		return ErrInvalidCommittee.Wrapf("epoch %d, %s, cannot follow one that is %s", epoch.Id, epoch.Status, from.Status)
	}
	for i, v := range epoch.Vouchers {
		if v.Index < 1 || int(v.Index) > from.N() || i > 0 && v.Index <= epoch.Vouchers[i-1].Index || len(v.Signature) != voucherSize {
			return ErrInvalidCommittee.Wrap("vouchers: of members of the epoch before, ascending")
		}
	}
	if err := epoch.validateResharing(from); err != nil {
		return err
	}
	return (&MsgRotate{Rejects: epoch.Rejects}).ValidateBasic()
}

// validateStatus checks what an epoch in its status must have.
func (e *Epoch) validateStatus() error {
	inSetUp := e.Status == EPOCH_STATUS_COMMITTING || e.Status == EPOCH_STATUS_CONFIRMING || e.HoldsAnswers()
	settled := e.HandsOver() || e.Serving() || e.Status == EPOCH_STATUS_RETIRED || e.Status == EPOCH_STATUS_REHEARSED
	switch {
	case e.Status <= EPOCH_STATUS_UNSPECIFIED || e.Status > EPOCH_STATUS_REHEARSED:
		return ErrInvalidCommittee.Wrap("status")
	case e.Dealt && (inSetUp || e.Attempt != 0), !e.Dealt && (inSetUp || settled) && e.Attempt < 1:
		return ErrInvalidCommittee.Wrap("attempt: there is one if, and only if, there is a set-up")
	case settled && (len(e.Transcript) != DigestSize || e.Generation < 1):
		return ErrInvalidCommittee.Wrap("an epoch after its set-up has a transcript and a generation")
	case e.HandsOver() && e.Resharing == nil:
		return ErrInvalidCommittee.Wrap("a resharing is missing")
	case (e.Status == EPOCH_STATUS_FAILED) != (e.Failure != EPOCH_FAILURE_UNSPECIFIED):
		return ErrInvalidCommittee.Wrap("failure: of failed epochs")
	case e.Status == EPOCH_STATUS_REHEARSED && !e.Rehearsal, e.Rehearsal && (e.Serving() || e.Status == EPOCH_STATUS_RETIRED):
		return ErrInvalidCommittee.Wrap("rehearsals are rehearsed, nothing else is")
	}
	for i, index := range e.Accepted {
		if index < 1 || int(index) > e.N() || i > 0 && index <= e.Accepted[i-1] {
			return ErrInvalidCommittee.Wrap("accepted: members, ascending")
		}
	}
	return nil
}

func (e *Epoch) validateResharing(from *Epoch) error {
	r := e.Resharing
	if r == nil {
		return nil
	}
	if r.Attempt < 1 || len(r.KeyIds) == 0 || !slices.IsSortedFunc(r.KeyIds, bytes.Compare) {
		return ErrInvalidResharing.Wrap("an attempt, and keys in order")
	}
	if e.HandsOver() && !slices.Equal(r.Without, e.Excluded()) {
		return ErrInvalidResharing.Wrap("without: the excluded members")
	}
	if !entriesOf(r.Digests, from.N()) || !ascendingAmong(r.Used, indicesOf(r.Digests)) {
		return ErrInvalidResharing.Wrap("digests: of members of the epoch before, ascending; used: some of them")
	}
	var last uint32
	for _, receipt := range r.Receipts {
		if receipt.Index <= last || int(receipt.Index) > e.N() || !ascendingAmong(receipt.Received, indicesOf(r.Digests)) {
			return ErrInvalidResharing.Wrap("receipts: of members, ascending")
		}
		last = receipt.Index
	}
	last = 0
	for _, word := range r.Words {
		if word.Index <= last || int(word.Index) > e.N() || len(word.Transcript) != DigestSize || !ascendingAmong(word.Wrong, r.Used) {
			return ErrInvalidResharing.Wrap("words: of members, ascending")
		}
		last = word.Index
	}
	return nil
}

// entriesOf reports whether entries are of members of n, ascending, with a digest each.
func entriesOf(entries []SetupEntry, n int) bool {
	var last uint32
	for _, entry := range entries {
		if entry.Index <= last || int(entry.Index) > n || len(entry.Digest) != DigestSize {
			return false
		}
		last = entry.Index
	}
	return true
}
