package types

import (
	"bytes"
	"slices"
	"time"

	errorsmod "cosmossdk.io/errors"

	"github.com/tkms-network/tkms/enclave/attest"
)

// TEE types that registration takes.
const (
	TEETypeNitro    = string(attest.Nitro)
	TEETypeDevNitro = string(attest.DevNitro)
)

const (
	pcrSize = attest.MeasurementSize

	maxMeasurements     = 64
	maxNoteSize         = 140
	maxRootSize         = 4 << 10
	maxDocumentBytes    = attest.MaxDocument
	maxAttestationGas   = 1_000_000_000
	maxDocumentAge      = 24 * time.Hour
	maxSkew             = 5 * time.Minute
	maxLifetime         = 90 * 24 * time.Hour
	maxRecentBlocks     = 20_000
	maxPhaseBlocks      = 1_000_000
	maxAttempts         = 1_000_000
	maxPartyTxs         = 100_000
	minDocumentBytes    = 1 << 10
	minAttestationGas   = 1
	smallestBlockWindow = 1
	minEvidenceBytes    = 1 << 10
	// With what is around it, it fits into a party's transaction.
	maxEvidenceBytes = 255 << 10
	minEvidenceGas   = 1
	maxEvidenceGas   = 10_000_000
	// Of the subject of a session, as enclave/mpc encodes it.
	maxSubjectSize = 64
	// A year of blocks of 200 ms, and some.
	maxUnbondBlocks  = 200_000_000
	maxRefreshBlocks = 200_000_000
	// Some weeks: an epoch ends for an adversary when its last secret is gone.
	maxDrainBlocks     = 10_000_000
	maxReshareAttempts = 1000
	// Of more, the sets of a pseudo-random sharing are too many.
	maxPrssMembers = 13
)

// DefaultParams suits blocks of about 200 ms; no enclave image is accepted and
// simulated devices are refused.
func DefaultParams() Params {
	return Params{
		MaxDocumentBytes:    attest.MaxDocument,
		MaxDocumentAge:      15 * time.Minute,
		MaxClockSkew:        30 * time.Second,
		AttestationLifetime: 7 * 24 * time.Hour,
		RecentBlocks:        4500,
		GasPerAttestation:   1_000_000,
		SetupCommitBlocks:   100,
		SetupConfirmBlocks:  100,
		AbsenceBlocks:       50,
		ReportWindowBlocks:  250,
		ReadyBlocks:         10,
		PartyTxsPerWindow:   60,
		PartyWindowBlocks:   10,
		MaxSetupAttempts:    1000,
		SetupAnswerBlocks:   100,
		SetupRevealBlocks:   100,
		MaxEvidenceBytes:    192 << 10,
		GasPerEvidence:      2_000_000,
		UnbondBlocks:        3_000_000,
		AcceptBlocks:        3000,
		ReshareBlocks:       150,
		ReceiveBlocks:       100,
		ProveBlocks:         900,
		MaxReshareAttempts:  5,
		DrainBlocks:         20_000,
		PrssMaxMembers:      maxPrssMembers,
		RehearsalBlocks:     500,
	}
}

// Validate checks ranges.
func (p Params) Validate() error {
	if len(p.Measurements) > maxMeasurements {
		return errorsmod.Wrapf(ErrInvalidParams, "more than %d measurements", maxMeasurements)
	}
	for i, measurement := range p.Measurements {
		if err := measurement.Validate(); err != nil {
			return err
		}
		if measurement.indexIn(p.Measurements) != i {
			return ErrInvalidParams.Wrapf("measurement %d is listed twice", i)
		}
	}
	if len(p.DevNitroRoot) > maxRootSize {
		return errorsmod.Wrapf(ErrInvalidParams, "dev_nitro_root of more than %d bytes", maxRootSize)
	}
	for _, span := range []struct {
		name           string
		value, atLeast time.Duration
		atMost         time.Duration
	}{
		{"max_document_age", p.MaxDocumentAge, time.Second, maxDocumentAge},
		{"max_clock_skew", p.MaxClockSkew, 0, maxSkew},
		{"attestation_lifetime", p.AttestationLifetime, time.Minute, maxLifetime},
	} {
		if span.value < span.atLeast || span.value > span.atMost {
			return errorsmod.Wrapf(ErrInvalidParams, "%s must be between %s and %s", span.name, span.atLeast, span.atMost)
		}
	}
	for _, number := range []struct {
		name                   string
		value, atLeast, atMost uint64
	}{
		{"max_document_bytes", uint64(p.MaxDocumentBytes), minDocumentBytes, maxDocumentBytes},
		{"recent_blocks", uint64(p.RecentBlocks), smallestBlockWindow, maxRecentBlocks},
		{"gas_per_attestation", p.GasPerAttestation, minAttestationGas, maxAttestationGas},
		{"setup_commit_blocks", uint64(p.SetupCommitBlocks), smallestBlockWindow, maxPhaseBlocks},
		{"setup_confirm_blocks", uint64(p.SetupConfirmBlocks), smallestBlockWindow, maxPhaseBlocks},
		{"absence_blocks", uint64(p.AbsenceBlocks), smallestBlockWindow, maxPhaseBlocks},
		// A report must be able to stand for absence_blocks.
		{"report_window_blocks", uint64(p.ReportWindowBlocks), uint64(p.AbsenceBlocks) + 1, 2 * maxPhaseBlocks},
		{"ready_blocks", uint64(p.ReadyBlocks), smallestBlockWindow, maxPhaseBlocks},
		{"party_txs_per_window", uint64(p.PartyTxsPerWindow), 1, maxPartyTxs},
		{"party_window_blocks", uint64(p.PartyWindowBlocks), smallestBlockWindow, maxPhaseBlocks},
		{"max_setup_attempts", uint64(p.MaxSetupAttempts), 1, maxAttempts},
		{"setup_answer_blocks", uint64(p.SetupAnswerBlocks), smallestBlockWindow, maxPhaseBlocks},
		{"setup_reveal_blocks", uint64(p.SetupRevealBlocks), smallestBlockWindow, maxPhaseBlocks},
		{"max_evidence_bytes", uint64(p.MaxEvidenceBytes), minEvidenceBytes, maxEvidenceBytes},
		{"gas_per_evidence", p.GasPerEvidence, minEvidenceGas, maxEvidenceGas},
		{"accept_blocks", uint64(p.AcceptBlocks), smallestBlockWindow, maxPhaseBlocks},
		{"reshare_blocks", uint64(p.ReshareBlocks), smallestBlockWindow, maxPhaseBlocks},
		{"receive_blocks", uint64(p.ReceiveBlocks), smallestBlockWindow, maxPhaseBlocks},
		{"prove_blocks", uint64(p.ProveBlocks), smallestBlockWindow, maxPhaseBlocks},
		{"max_reshare_attempts", uint64(p.MaxReshareAttempts), 1, maxReshareAttempts},
		{"drain_blocks", uint64(p.DrainBlocks), smallestBlockWindow, maxDrainBlocks},
		{"refresh_blocks", p.RefreshBlocks, 0, maxRefreshBlocks},
		{"prss_max_members", uint64(p.PrssMaxMembers), minCommittee, maxPrssMembers},
		{"rehearsal_blocks", uint64(p.RehearsalBlocks), smallestBlockWindow, maxPhaseBlocks},
		{"unbond_blocks", uint64(p.UnbondBlocks), 0, maxUnbondBlocks},
	} {
		if number.value < number.atLeast || number.value > number.atMost {
			return errorsmod.Wrapf(ErrInvalidParams, "%s must be between %d and %d", number.name, number.atLeast, number.atMost)
		}
	}
	return nil
}

// Simulated reports whether the chain takes simulated enclave devices.
func (p Params) Simulated() bool { return len(p.DevNitroRoot) > 0 }

// Replaceable checks that governance may put next in the place of p: a chain
// that was not born with simulated devices never gets them.
func (p Params) Replaceable(next Params) error {
	if next.Simulated() && !bytes.Equal(next.DevNitroRoot, p.DevNitroRoot) {
		return ErrSimulated
	}
	return next.Validate()
}

// WithMeasurement returns p with a measurement accepted, in the place of an
// equal one, or removed.
func (p Params) WithMeasurement(measurement Measurement, remove bool) (Params, error) {
	if err := measurement.Validate(); err != nil {
		return p, err
	}
	at := measurement.indexIn(p.Measurements)
	next := slices.Clone(p.Measurements)
	switch {
	case remove && at < 0:
		return p, ErrUnknownMeasurement
	case remove:
		next = slices.Delete(next, at, at+1)
	case at >= 0:
		next[at] = measurement
	default:
		next = append(next, measurement)
	}
	p.Measurements = next
	return p, p.Validate()
}

// Validate checks sizes. All-zero registers belong to a debug enclave, whose
// memory its host can read.
func (m Measurement) Validate() error {
	if m.TeeType != TEETypeNitro && m.TeeType != TEETypeDevNitro {
		return ErrInvalidParams.Wrap("tee_type of a measurement must be nitro or dev-nitro")
	}
	for _, pcr := range [][]byte{m.Pcr0, m.Pcr1, m.Pcr2} {
		if len(pcr) != pcrSize {
			return errorsmod.Wrapf(ErrInvalidParams, "a register has %d bytes, want %d", len(pcr), pcrSize)
		}
	}
	if bytes.Equal(m.Pcr0, make([]byte, pcrSize)) {
		return ErrInvalidParams.Wrap("pcr0 of a debug enclave")
	}
	if len(m.Note) > maxNoteSize {
		return errorsmod.Wrapf(ErrInvalidParams, "note of more than %d bytes", maxNoteSize)
	}
	return nil
}

// ValidateBasic refuses a proposal when it is submitted that could only fail once
// it is voted; what depends on state is checked then.
func (m *MsgSetMeasurement) ValidateBasic() error { return m.Measurement.Validate() }

// ValidateBasic refuses a proposal when it is submitted that could only fail once
// it is voted; what depends on state is checked then.
func (m *MsgUpdateParams) ValidateBasic() error { return m.Params.Validate() }

// indexIn returns where the list has the same image, or -1.
func (m Measurement) indexIn(list []Measurement) int {
	return slices.IndexFunc(list, func(o Measurement) bool {
		return o.TeeType == m.TeeType && bytes.Equal(o.Pcr0, m.Pcr0) &&
			bytes.Equal(o.Pcr1, m.Pcr1) && bytes.Equal(o.Pcr2, m.Pcr2)
	})
}
