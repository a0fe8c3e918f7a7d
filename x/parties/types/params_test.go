package types

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"
)

func measurement(b byte) Measurement {
	register := bytes.Repeat([]byte{b}, pcrSize)
	return Measurement{TeeType: TEETypeNitro, Pcr0: register, Pcr1: register, Pcr2: register}
}

func TestAProposalWithValuesThatCanNeverBeIsRefusedAtSubmission(t *testing.T) {
	short := measurement(1)
	short.Pcr1 = make([]byte, 72)                                            // hex that was read as base64
	var _, _ sdk.HasValidateBasic = &MsgSetMeasurement{}, &MsgUpdateParams{} // what x/gov looks for
	require.NoError(t, (&MsgSetMeasurement{Measurement: measurement(1)}).ValidateBasic())
	require.ErrorIs(t, (&MsgSetMeasurement{Measurement: short}).ValidateBasic(), ErrInvalidParams)
	require.ErrorIs(t, (&MsgSetMeasurement{Measurement: short, Remove: true}).ValidateBasic(), ErrInvalidParams)
	require.NoError(t, (&MsgUpdateParams{Params: DefaultParams()}).ValidateBasic())
	require.ErrorIs(t, (&MsgUpdateParams{}).ValidateBasic(), ErrInvalidParams)
}

func TestDefaultParamsAreValidAndAcceptNothing(t *testing.T) {
	require.NoError(t, DefaultParams().Validate())
	require.Empty(t, DefaultParams().Measurements)
	require.False(t, DefaultParams().Simulated())
}

func TestParamsOutOfRangeAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Params){
		"document size 0":          func(p *Params) { p.MaxDocumentBytes = 0 },
		"document size":            func(p *Params) { p.MaxDocumentBytes = maxDocumentBytes + 1 },
		"document age 0":           func(p *Params) { p.MaxDocumentAge = 0 },
		"document age":             func(p *Params) { p.MaxDocumentAge = 25 * time.Hour },
		"negative skew":            func(p *Params) { p.MaxClockSkew = -1 },
		"skew":                     func(p *Params) { p.MaxClockSkew = time.Hour },
		"lifetime 0":               func(p *Params) { p.AttestationLifetime = 0 },
		"lifetime":                 func(p *Params) { p.AttestationLifetime = 91 * 24 * time.Hour },
		"no recent blocks":         func(p *Params) { p.RecentBlocks = 0 },
		"too many recent blocks":   func(p *Params) { p.RecentBlocks = maxRecentBlocks + 1 },
		"free attestation":         func(p *Params) { p.GasPerAttestation = 0 },
		"gas":                      func(p *Params) { p.GasPerAttestation = maxAttestationGas + 1 },
		"commit blocks":            func(p *Params) { p.SetupCommitBlocks = 0 },
		"confirm blocks":           func(p *Params) { p.SetupConfirmBlocks = 0 },
		"absence blocks":           func(p *Params) { p.AbsenceBlocks = 0 },
		"window within absence":    func(p *Params) { p.ReportWindowBlocks = p.AbsenceBlocks },
		"ready blocks":             func(p *Params) { p.ReadyBlocks = 0 },
		"no party transactions":    func(p *Params) { p.PartyTxsPerWindow = 0 },
		"window of no blocks":      func(p *Params) { p.PartyWindowBlocks = 0 },
		"no attempts":              func(p *Params) { p.MaxSetupAttempts = 0 },
		"accept blocks":            func(p *Params) { p.AcceptBlocks = 0 },
		"reshare blocks":           func(p *Params) { p.ReshareBlocks = 0 },
		"receive blocks":           func(p *Params) { p.ReceiveBlocks = 0 },
		"prove blocks":             func(p *Params) { p.ProveBlocks = maxPhaseBlocks + 1 },
		"no resharing attempts":    func(p *Params) { p.MaxReshareAttempts = 0 },
		"resharing attempts":       func(p *Params) { p.MaxReshareAttempts = maxReshareAttempts + 1 },
		"no time to drain":         func(p *Params) { p.DrainBlocks = 0 },
		"drains for ever":          func(p *Params) { p.DrainBlocks = maxDrainBlocks + 1 },
		"refresh":                  func(p *Params) { p.RefreshBlocks = maxRefreshBlocks + 1 },
		"nobody is pseudo-random":  func(p *Params) { p.PrssMaxMembers = 0 },
		"too many sets":            func(p *Params) { p.PrssMaxMembers = 14 },
		"rehearsal blocks":         func(p *Params) { p.RehearsalBlocks = 0 },
		"root size":                func(p *Params) { p.DevNitroRoot = make([]byte, maxRootSize+1) },
		"twice the same image":     func(p *Params) { p.Measurements = []Measurement{measurement(1), measurement(1)} },
		"too many images":          func(p *Params) { p.Measurements = make([]Measurement, maxMeasurements+1) },
		"image of a debug enclave": func(p *Params) { p.Measurements = []Measurement{measurement(0)} },
		"image of an unknown type": func(p *Params) { m := measurement(1); m.TeeType = "sgx"; p.Measurements = []Measurement{m} },
		"short register":           func(p *Params) { m := measurement(1); m.Pcr2 = m.Pcr2[1:]; p.Measurements = []Measurement{m} },
		"note": func(p *Params) {
			m := measurement(1)
			m.Note = string(make([]byte, 141))
			p.Measurements = []Measurement{m}
		},
	} {
		params := DefaultParams()
		change(&params)
		require.ErrorIs(t, params.Validate(), ErrInvalidParams, name)
	}
}

func TestGovernanceCanForbidSimulatedDevicesButNeverAllowThem(t *testing.T) {
	production, dev := DefaultParams(), DefaultParams()
	dev.DevNitroRoot = []byte("root")
	other := dev
	other.DevNitroRoot = []byte("other")
	require.ErrorIs(t, production.Replaceable(dev), ErrSimulated)
	require.ErrorIs(t, dev.Replaceable(other), ErrSimulated)
	require.NoError(t, dev.Replaceable(production))
	require.NoError(t, dev.Replaceable(dev))
	require.ErrorIs(t, production.Replaceable(Params{}), ErrInvalidParams)
}

func TestMeasurementsAreAddedReplacedAndRemoved(t *testing.T) {
	original := DefaultParams()
	one, err := original.WithMeasurement(measurement(1), false)
	require.NoError(t, err)
	noted := measurement(1)
	noted.Note = "v1"
	again, err := one.WithMeasurement(noted, false)
	require.NoError(t, err)
	require.Equal(t, []Measurement{noted}, again.Measurements)
	require.Empty(t, one.Measurements[0].Note, "the old value is left alone")
	two, err := again.WithMeasurement(measurement(2), false)
	require.NoError(t, err)
	left, err := two.WithMeasurement(measurement(1), true)
	require.NoError(t, err)
	require.Equal(t, []Measurement{measurement(2)}, left.Measurements)
	_, err = left.WithMeasurement(measurement(1), true)
	require.ErrorIs(t, err, ErrUnknownMeasurement)
	_, err = left.WithMeasurement(measurement(0), false)
	require.ErrorIs(t, err, ErrInvalidParams)
}
