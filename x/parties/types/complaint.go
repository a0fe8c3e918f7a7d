package types

import (
	"bytes"
	"cmp"
	"slices"

	errorsmod "cosmossdk.io/errors"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Complain takes a member's word that it did not get valid openings: one complaint
// for each accused, all at once, instead of a confirmation. It returns ErrSpoken if
// the member said something else already, and ErrInvalidComplaint.
func (e *Epoch) Complain(accuser, attempt uint32, grievances []Grievance) error {
	if err := e.during(accuser, attempt, EPOCH_STATUS_CONFIRMING); err != nil {
		return err
	}
	if e.complained(accuser) || hasEntry(e.Confirmations, accuser) {
		return ErrSpoken
	}
	if len(grievances) == 0 {
		return ErrInvalidComplaint.Wrap("nobody is accused")
	}
	var last uint32
	for i, g := range grievances {
		if g.Accused <= last {
			return ErrInvalidComplaint.Wrap("accused: members, strictly ascending")
		}
		last = g.Accused
		if err := e.checkGrievance(accuser, g); err != nil {
			return errorsmod.Wrapf(err, "about member %d", g.Accused)
		}
		// What one key opens must not be what another answer was sealed to: a key that
		// is revealed would publish that too.
		for _, other := range grievances[:i] {
			if bytes.Equal(other.RecipientKey, g.RecipientKey) {
				return ErrInvalidComplaint.Wrap("a recipient key for each accused")
			}
		}
	}
	for _, g := range grievances {
		at, _ := e.findComplaint(accuser, g.Accused)
		e.Complaints = slices.Insert(e.Complaints, at, Complaint{
			Accuser: accuser, Accused: g.Accused, Sets: g.Sets, RecipientKey: g.RecipientKey,
		})
	}
	return nil
}

// checkGrievance returns ErrInvalidComplaint unless the accused owes the accuser
// openings for all the sets and could seal them to the key.
func (e *Epoch) checkGrievance(accuser uint32, g Grievance) error {
	if g.Accused == accuser || !hasEntry(e.Roots, g.Accused) {
		return ErrInvalidComplaint.Wrap("no other member that posted a root")
	}
	if prss.CheckComplaintKey(g.RecipientKey) != nil {
		return ErrInvalidComplaint.Wrap("recipient_key is no X25519 key to seal to")
	}
	sets, err := e.setsOf(g.Accused)
	if err != nil {
		return err
	}
	if !ascending(g.Sets, len(sets)) {
		return ErrInvalidComplaint.Wrap("sets: positions in the accused's list, strictly ascending, at least one")
	}
	for _, position := range g.Sets {
		if !sets[position].Has(int(accuser)) {
			return ErrInvalidComplaint.Wrapf("the accuser is not in set %d", position)
		}
	}
	return nil
}

// ascending reports whether positions are some of 0..count−1 in order, each once.
func ascending(positions []uint32, count int) bool {
	for i, position := range positions {
		if int64(position) >= int64(count) || i > 0 && position <= positions[i-1] {
			return false
		}
	}
	return len(positions) > 0
}

func (e *Epoch) setsOf(index uint32) ([]sharing.Parties, error) {
	sets, err := prss.SetsOf(e.N(), int(e.T), int(index))
	if err != nil {
		return nil, ErrInvalidCommittee.Wrap(err.Error())
	}
	return sets, nil
}

// ComplaintOf returns a complaint of the present attempt, ErrUnknownComplaint if
// there is none.
func (e *Epoch) ComplaintOf(accuser, accused uint32) (*Complaint, error) {
	at, found := e.findComplaint(accuser, accused)
	if !found {
		return nil, ErrUnknownComplaint
	}
	return &e.Complaints[at], nil
}

func (e *Epoch) findComplaint(accuser, accused uint32) (int, bool) {
	return slices.BinarySearchFunc(e.Complaints, Complaint{Accuser: accuser, Accused: accused}, compareComplaints)
}

func compareComplaints(a, b Complaint) int {
	return cmp.Or(cmp.Compare(a.Accuser, b.Accuser), cmp.Compare(a.Accused, b.Accused))
}

func (e *Epoch) complained(accuser uint32) bool {
	return slices.ContainsFunc(e.Complaints, func(c Complaint) bool { return c.Accuser == accuser })
}

// Answer takes the accused's answer to a complaint: for each of its sets the
// commitment, proven to be under the accused's root, and the opening sealed to the
// accuser. Whether it opens the commitment is seen by the accuser alone. It returns
// ErrUnknownComplaint, ErrAnswered or ErrInvalidAnswer.
func (e *Epoch) Answer(accused, attempt, accuser uint32, openings []OpeningAnswer) error {
	if err := e.during(accused, attempt, EPOCH_STATUS_ANSWERING); err != nil {
		return err
	}
	complaint, err := e.ComplaintOf(accuser, accused)
	if err != nil {
		return err
	}
	if complaint.Answered {
		return ErrAnswered
	}
	if err := e.checkAnswer(complaint, openings); err != nil {
		return err
	}
	complaint.Answered = true
	return nil
}

// checkAnswer returns ErrInvalidAnswer unless the answer has the form that the
// complaint demands and its commitments are those under the accused's root.
func (e *Epoch) checkAnswer(complaint *Complaint, openings []OpeningAnswer) error {
	if len(openings) != len(complaint.Sets) {
		return ErrInvalidAnswer.Wrapf("%d openings for %d sets", len(openings), len(complaint.Sets))
	}
	sets, err := e.setsOf(complaint.Accused)
	if err != nil {
		return err
	}
	var root mpc.Digest
	for _, entry := range e.Roots {
		if entry.Index == complaint.Accused {
			root = mpc.Digest(entry.Digest)
		}
	}
	for i, opening := range openings {
		if opening.Set != complaint.Sets[i] || len(opening.Commitment) != DigestSize || len(opening.Sealed) != prss.SealedSize {
			return ErrInvalidAnswer.Wrapf("form of opening %d", i)
		}
		path, ok := hashes(opening.Path, len(sets))
		if !ok || !merkle.Verify(root, opening.Commitment, int(opening.Set), len(sets), path) {
			return ErrInvalidAnswer.Wrapf("commitment of opening %d", i)
		}
	}
	return nil
}

// hashes reads a Merkle path, which is never longer than the tree has leaves.
func hashes(path [][]byte, leaves int) ([]merkle.Hash, bool) {
	if len(path) > leaves {
		return nil, false
	}
	out := make([]merkle.Hash, len(path))
	for i, node := range path {
		if len(node) != merkle.Size {
			return nil, false
		}
		out[i] = merkle.Hash(node)
	}
	return out, true
}

// Conviction is a member and what it did.
type Conviction struct {
	Index uint32
	Kind  EvidenceKind
}

// Reveal takes the private half of a complaint's one-time key and says who is
// guilty: the accused if an opening in its answer does not open or is not the one
// committed to, else the accuser, who had been answered right. The guilty member is
// convicted in e. It returns ErrUnknownComplaint if the complaint was not answered,
// ErrAnswered, or ErrInvalidMessage if the key is another.
func (e *Epoch) Reveal(setup mpc.Digest, accuser, attempt, accused uint32, private []byte, answer ComplaintAnswer) (Conviction, error) {
	if err := e.during(accuser, attempt, EPOCH_STATUS_REVEALING); err != nil {
		return Conviction{}, err
	}
	complaint, err := e.ComplaintOf(accuser, accused)
	if err != nil {
		return Conviction{}, err
	}
	switch {
	case !complaint.Answered:
		return Conviction{}, ErrUnknownComplaint.Wrap("it was not answered")
	case complaint.Revealed:
		return Conviction{}, ErrAnswered
	}
	public, err := prss.ComplaintPublicKey(private)
	if err != nil || !bytes.Equal(public, complaint.RecipientKey) {
		return Conviction{}, ErrInvalidMessage.Wrap("private_key is not that of the complaint")
	}
	right, err := e.opens(setup, complaint, private, answer)
	if err != nil {
		return Conviction{}, err
	}
	complaint.Revealed = true
	guilty := Conviction{Index: accused, Kind: EVIDENCE_KIND_WRONG_ANSWER}
	if right {
		guilty = Conviction{Index: accuser, Kind: EVIDENCE_KIND_FALSE_COMPLAINT}
	}
	e.absence(guilty.Index).Convicted = true
	return guilty, nil
}

// opens reports whether all of an answer opens the commitments in it.
func (e *Epoch) opens(setup mpc.Digest, complaint *Complaint, private []byte, answer ComplaintAnswer) (bool, error) {
	sets, err := e.setsOf(complaint.Accused)
	if err != nil {
		return false, err
	}
	for _, o := range answer.Openings {
		context := prss.AnswerContext{Setup: setup, Accused: int(complaint.Accused), Accuser: int(complaint.Accuser), Set: int(o.Set)}
		opening, err := prss.OpenAnswer(private, context, o.Sealed)
		if err != nil || !prss.CheckOpening(setup, int(complaint.Accused), sets[o.Set], opening, o.Commitment) {
			return false, nil
		}
	}
	return true, nil
}

// advanceAnswering waits for the answers of all accused that take part.
func (e *Epoch) advanceAnswering(height int64, params Params) []Change {
	answered := false
	for _, c := range e.Complaints {
		answered = answered || c.Answered
		if !c.Answered && e.stands(c.Accused) && height < e.Deadline {
			return nil
		}
	}
	if !answered { // there is nothing to reveal
		return e.conclude(height, params)
	}
	e.Status = EPOCH_STATUS_REVEALING
	e.Deadline = height + int64(params.SetupRevealBlocks)
	return []Change{{}}
}

// advanceRevealing waits for the keys of all answered complaints whose accusers
// take part. Who was answered right shows none, so that this mostly lasts until
// the deadline.
func (e *Epoch) advanceRevealing(height int64, params Params) []Change {
	for _, c := range e.Complaints {
		if c.Answered && !c.Revealed && e.stands(c.Accuser) && height < e.Deadline {
			return nil
		}
	}
	return e.conclude(height, params)
}

// conclude drops what was not answered or answered wrong and has the members
// confirm what is left. The words of before are about something else. The attempt is
// over if the convicted leave too few members, or if some set is left with
// contributions that may all be known to liars.
func (e *Epoch) conclude(height int64, params Params) []Change {
	e.Dropped = e.unopened()
	if e.standing() < e.Quorum() || e.depleted() {
		e.retry(height, params)
		return []Change{{}}
	}
	e.Status = EPOCH_STATUS_CONCLUDING
	e.Deadline = height + int64(params.SetupConfirmBlocks)
	e.Confirmations = nil
	return []Change{{}}
}

// unopened returns the contributions that an accuser could not be shown.
func (e *Epoch) unopened() []Dropped {
	dropped := make([][]uint32, e.N()+1)
	for _, c := range e.Complaints {
		if !c.Answered || c.Revealed && e.IsConvicted(c.Accused) {
			dropped[c.Accused] = append(dropped[c.Accused], c.Sets...)
		}
	}
	var out []Dropped
	for index, sets := range dropped {
		if len(sets) > 0 {
			slices.Sort(sets)
			out = append(out, Dropped{Index: uint32(index), Sets: slices.Compact(sets)})
		}
	}
	return out
}

// depleted reports whether some set is left with fewer than t+1 contributions: none
// of them need be honest.
func (e *Epoch) depleted() bool {
	all, err := prss.Sets(e.N(), int(e.T))
	if err != nil {
		return true
	}
	left := make([]int, len(all))
	for _, root := range e.Roots {
		position := uint32(0)
		for a, set := range all {
			if !set.Has(int(root.Index)) {
				continue
			}
			if !e.isDropped(root.Index, position) {
				left[a]++
			}
			position++
		}
	}
	return slices.Min(left) < int(e.T)+1
}

func (e *Epoch) isDropped(index, position uint32) bool {
	for _, d := range e.Dropped {
		if d.Index == index {
			_, found := slices.BinarySearch(d.Sets, position)
			return found
		}
	}
	return false
}
