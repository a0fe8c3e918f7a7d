package keeper

import (
	"bytes"
	"fmt"
	"time"

	"github.com/tkms-network/tkms/enclave/attest"
	"github.com/tkms-network/tkms/enclave/attest/nitro"
	"github.com/tkms-network/tkms/x/parties/types"
)

// documentAttestor judges documents by the verifiers of package attest, under a
// policy made of chain state alone.
type documentAttestor struct {
	nitro, simulated attest.Verifier
}

// NewAttestor returns the attestor of the chain: real Nitro documents under
// AWS's root, simulated ones under the root that params name, if they do.
func NewAttestor() types.Attestor {
	return documentAttestor{nitro: nitro.New(), simulated: nitro.NewSimulated()}
}

// Attest implements types.Attestor.
func (a documentAttestor) Attest(chainID string, msg *types.MsgRegisterParty, params types.Params, blockTime time.Time) (types.Attested, error) {
	policy := attest.Policy{
		MaxSize: int(params.MaxDocumentBytes),
		MaxAge:  params.MaxDocumentAge,
		MaxSkew: params.MaxClockSkew,
	}
	var verifier attest.Verifier
	switch msg.TeeType {
	case types.TEETypeNitro:
		verifier = a.nitro
	case types.TEETypeDevNitro:
		verifier = a.simulated
		policy.AllowSimulated = params.Simulated()
		policy.Roots = [][]byte{params.DevNitroRoot}
	default:
		return types.Attested{}, attest.Refuse("no verifier for %q", msg.TeeType)
	}
	for _, accepted := range params.Measurements {
		if accepted.TeeType == msg.TeeType {
			policy.Measurements = append(policy.Measurements, measurement(accepted))
		}
	}
	claims, err := attest.Verify(verifier, msg.Evidence, policy, msg.Binding(chainID), blockTime)
	if err != nil {
		return types.Attested{}, fmt.Errorf("%w: %s", err, attest.Reason(err))
	}
	return types.Attested{Time: claims.IssuedAt, PCR0: bytes.Clone(claims.Registers[0])}, nil
}

func measurement(m types.Measurement) (registers attest.Measurement) {
	copy(registers[0][:], m.Pcr0)
	copy(registers[1][:], m.Pcr1)
	copy(registers[2][:], m.Pcr2)
	return registers
}
