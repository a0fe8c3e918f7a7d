package types

import (
	"bytes"
	"cmp"
	"time"

	errorsmod "cosmossdk.io/errors"
)

// DefaultGenesis has no parties and accepts no image.
func DefaultGenesis() *GenesisState { return &GenesisState{Params: DefaultParams()} }

// Validate checks that the state is one that the module could have reached.
func (g GenesisState) Validate() error {
	if err := g.Params.Validate(); err != nil {
		return err
	}
	taken := make(map[string]bool)
	for i := range g.Parties {
		party := &g.Parties[i]
		if party.Id != uint64(i+1) {
			return errorsmod.Wrapf(ErrInvalidMessage, "party %d in place %d: ids count from 1 without gaps", party.Id, i+1)
		}
		if err := party.validate(); err != nil {
			return errorsmod.Wrapf(err, "party %d", party.Id)
		}
		for kind, key := range [][]byte{party.SigningKey, party.SessionKey, party.TlsKeyHash, party.EncryptionKey} {
			name := string(append([]byte{byte(kind)}, key...))
			if taken[name] {
				return errorsmod.Wrapf(ErrKeysTaken, "party %d", party.Id)
			}
			taken[name] = true
		}
	}
	for i := range g.Epochs {
		epoch := &g.Epochs[i]
		if epoch.Id != uint64(i+1) {
			return errorsmod.Wrapf(ErrInvalidCommittee, "epoch %d in place %d: ids count from 1 without gaps", epoch.Id, i+1)
		}
		if err := epoch.validate(g.Parties); err != nil {
			return errorsmod.Wrapf(err, "epoch %d", epoch.Id)
		}
	}
	if err := g.validateSuccession(); err != nil {
		return err
	}
	var last uint64
	for _, activity := range g.Activities {
		if activity.PartyId <= last || activity.PartyId > uint64(len(g.Parties)) {
			return ErrInvalidMessage.Wrap("activities: of known parties, ascending")
		}
		if err := activity.validate(); err != nil {
			return err
		}
		last = activity.PartyId
	}
	if err := g.validateBonds(); err != nil {
		return err
	}
	if err := g.validateEvidence(); err != nil {
		return err
	}
	return g.validateAnswers()
}

func (g GenesisState) validateEvidence() error {
	for i, e := range g.Evidence {
		if e.Id != uint64(i+1) || e.EpochId < 1 || e.EpochId > uint64(len(g.Epochs)) {
			return ErrInvalidEvidence.Wrapf("evidence %d in place %d: ids count from 1 without gaps, epochs are known", e.Id, i+1)
		}
		epoch := &g.Epochs[e.EpochId-1]
		member, seated := epoch.MemberOf(e.PartyId)
		byQuorum := e.Kind == EVIDENCE_KIND_WRONG_RESHARING
		if !seated || member.Index != e.Index || !epoch.IsConvicted(e.Index) || (e.Reporter == 0) != byQuorum || e.Reporter > uint64(len(g.Parties)) {
			return ErrInvalidEvidence.Wrapf("evidence %d: against a convicted member of its epoch, from a party or by a quorum", e.Id)
		}
		// Of a set-up there is no session.
		sessionSize, maxSubject := DigestSize, maxSubjectSize
		switch e.Kind {
		case EVIDENCE_KIND_EQUIVOCATION, EVIDENCE_KIND_WRONG_OPENING, EVIDENCE_KIND_WRONG_VECTOR, EVIDENCE_KIND_FALSE_ACCUSATION:
		case EVIDENCE_KIND_WRONG_RESHARING:
			sessionSize = 0
		case EVIDENCE_KIND_WRONG_ANSWER, EVIDENCE_KIND_FALSE_COMPLAINT:
			sessionSize, maxSubject = 0, 0
		default:
			return ErrInvalidEvidence.Wrapf("evidence %d: kind", e.Id)
		}
		if len(e.SessionId) != sessionSize || len(e.Subject) > maxSubject {
			return ErrInvalidEvidence.Wrapf("evidence %d: session or subject", e.Id)
		}
		for _, other := range g.Evidence[:i] {
			if other.EpochId == e.EpochId && other.Index == e.Index && other.Kind == e.Kind && bytes.Equal(other.SessionId, e.SessionId) {
				return ErrKnownEvidence.Wrapf("evidence %d and %d", other.Id, e.Id)
			}
		}
	}
	return nil
}

// validateAnswers checks that there is an answer of the right form for each
// complaint that has one, and no other.
func (g GenesisState) validateAnswers() error {
	answered := 0
	for i := range g.Epochs {
		for _, complaint := range g.Epochs[i].Complaints {
			if complaint.Answered {
				answered++
			}
		}
	}
	if len(g.Answers) != answered {
		return ErrInvalidAnswer.Wrapf("%d answers to %d answered complaints", len(g.Answers), answered)
	}
	for i, a := range g.Answers {
		if i > 0 && compareAnswers(g.Answers[i-1], a) >= 0 || a.EpochId < 1 || a.EpochId > uint64(len(g.Epochs)) {
			return ErrInvalidAnswer.Wrap("answers: ascending by epoch, accuser and accused")
		}
		epoch := &g.Epochs[a.EpochId-1]
		complaint, err := epoch.ComplaintOf(a.Accuser, a.Accused)
		if err != nil {
			return err
		}
		if !complaint.Answered {
			return ErrInvalidAnswer.Wrap("the complaint is not answered")
		}
		if err := epoch.checkAnswer(complaint, a.Answer.Openings); err != nil {
			return err
		}
	}
	return nil
}

func compareAnswers(a, b SetupAnswer) int {
	return cmp.Or(cmp.Compare(a.EpochId, b.EpochId), cmp.Compare(a.Accuser, b.Accuser), cmp.Compare(a.Accused, b.Accused))
}

func (p *Party) validate() error {
	message := MsgRegisterParty{
		Moniker: p.Moniker, SigningKey: p.SigningKey, SessionKey: p.SessionKey, TlsKeyHash: p.TlsKeyHash,
		EncryptionKey: p.EncryptionKey, PeerAddress: p.PeerAddress, VaultUrl: p.VaultUrl, TeeType: p.TeeType,
		Evidence: []byte{0}, SealPolicyHash: p.SealPolicyHash,
		TrustedHeight: p.TrustedHeight, TrustedHash: p.TrustedHash, RecentHeight: 1, RecentHash: p.TrustedHash,
	}
	if err := message.ValidateBasic(); err != nil {
		return err
	}
	_, signing, err := SigningAddresses(p.SigningKey)
	if err != nil {
		return err
	}
	switch {
	case !bytes.Equal(signing, p.SigningAddress):
		return ErrInvalidMessage.Wrap("signing_address is not that of signing_key")
	case p.Simulated != (p.TeeType == TEETypeDevNitro):
		return ErrInvalidMessage.Wrap("simulated must say whether the device is")
	case len(p.Pcr0) != pcrSize:
		return ErrInvalidMessage.Wrap("pcr0 has 48 bytes")
	case p.AttestedUntil.Before(p.AttestedAt) || !p.AttestedAt.After(time.Unix(0, 0)):
		return ErrInvalidMessage.Wrap("attested_at and attested_until are times in order")
	}
	return nil
}

func (e *Epoch) validate(parties []Party) error {
	n := len(e.Members)
	if err := CheckCommitteeSize(n); err != nil {
		return err
	}
	if t, err := Threshold(n, e.T); err != nil || t != e.T {
		return ErrInvalidCommittee.Wrap("of n members t are tolerated, 1 to (n-1)/3")
	}
	if err := e.validateStatus(); err != nil {
		return err
	}
	seats := make(map[uint64]bool)
	simulated := false
	for i, member := range e.Members {
		if member.Index != uint32(i+1) || member.PartyId < 1 || member.PartyId > uint64(len(parties)) || seats[member.PartyId] {
			return ErrInvalidCommittee.Wrap("members are different parties, their indices 1..n in order")
		}
		seats[member.PartyId] = true
		party := parties[member.PartyId-1]
		if e.Live() && member.Removed != party.Removed {
			return ErrInvalidCommittee.Wrapf("member %d is removed if and only if its party is", member.Index)
		}
		simulated = simulated || party.Simulated
	}
	if simulated != e.Simulated {
		return ErrInvalidCommittee.Wrap("simulated must say whether a member's device is")
	}
	if !entriesOf(e.Roots, n) || !entriesOf(e.Confirmations, n) {
		return ErrInvalidCommittee.Wrap("set-up entries: one a member, ascending, with a digest")
	}
	if err := e.validateComplaints(); err != nil {
		return err
	}
	return e.validateAbsences()
}

func (e *Epoch) validateComplaints() error {
	if len(e.Complaints) > 0 && e.Status != EPOCH_STATUS_CONFIRMING && !e.HoldsAnswers() {
		return ErrInvalidComplaint.Wrap("complaints are of an attempt under way")
	}
	for i, c := range e.Complaints {
		if i > 0 && compareComplaints(e.Complaints[i-1], c) >= 0 || c.Accuser < 1 || int(c.Accuser) > e.N() || c.Accused < 1 || int(c.Accused) > e.N() {
			return ErrInvalidComplaint.Wrap("complaints: of members about members, ascending")
		}
		if c.Revealed && !c.Answered {
			return ErrInvalidComplaint.Wrap("only answered complaints are revealed")
		}
		if err := e.checkGrievance(c.Accuser, Grievance{Accused: c.Accused, Sets: c.Sets, RecipientKey: c.RecipientKey}); err != nil {
			return err
		}
	}
	var last uint32
	for _, d := range e.Dropped {
		if d.Index <= last || int(d.Index) > e.N() || !hasEntry(e.Roots, d.Index) {
			return ErrInvalidComplaint.Wrap("dropped: of members that posted a root, ascending")
		}
		last = d.Index
		sets, err := e.setsOf(d.Index)
		if err != nil {
			return err
		}
		if !ascending(d.Sets, len(sets)) {
			return ErrInvalidComplaint.Wrapf("dropped sets of member %d", d.Index)
		}
	}
	return nil
}

func (e *Epoch) validateAbsences() error {
	var last uint32
	for _, absence := range e.Absences {
		if absence.Index <= last || int(absence.Index) > e.N() {
			return ErrInvalidCommittee.Wrap("absences: of members, ascending")
		}
		last = absence.Index
		if absence.Excluded && len(absence.Reports) > 0 || !absence.Excluded && absence.ReadyHeight != 0 {
			return ErrInvalidCommittee.Wrap("reports are about members that count, READY is of excluded ones")
		}
		var reporter uint32
		for _, report := range absence.Reports {
			if report.Index <= reporter || int(report.Index) > e.N() || report.Index == absence.Index || e.IsExcluded(report.Index) {
				return ErrInvalidCommittee.Wrap("reports: of other members that count, ascending")
			}
			reporter = report.Index
		}
	}
	if len(e.Excluded()) > int(e.T) {
		return ErrTooManyExcluded
	}
	return nil
}
