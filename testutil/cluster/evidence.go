package cluster

import (
	"crypto/ed25519"

	"github.com/tkms-network/tkms/enclave/evidence"
	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// maxEvidence is what a chain's default takes, in bytes.
const maxEvidence = 192 << 10

// opening is a machine that opens values at degree t.
type opening interface {
	mpc.Machine
	Culprits() sharing.Parties
	Evidence() ([]transcript.WrongOpening, []transcript.Equivocation)
}

// collect takes over what a party's machine found and convicts whom anybody else
// would, the way the chain does: from bytes, with nothing but the members' keys.
func (c *Cluster) collect(phase *Phase, s mpc.Session, machine mpc.Machine) {
	var found []evidence.Body
	switch m := machine.(type) {
	case *preproc.Machine:
		for _, e := range m.Evidence() {
			found = append(found, e)
		}
	case opening:
		wrong, equivocations := m.Evidence()
		for _, e := range wrong {
			found = append(found, e)
		}
		for _, e := range equivocations {
			found = append(found, e)
		}
	}
	for _, body := range found {
		if conviction, ok := c.verify(s, body); ok {
			phase.convict(conviction)
		}
	}
}

func (c *Cluster) verify(s mpc.Session, body evidence.Body) (Conviction, bool) {
	raw, err := evidence.New(s, body).Encode()
	if err != nil {
		return Conviction{}, false
	}
	e, err := evidence.Decode(raw, maxEvidence)
	if err != nil {
		return Conviction{}, false
	}
	culprit, err := e.Verify(chainID, epochNumber, c.keys(), c.code.T())
	return Conviction{Party: culprit, Kind: e.Kind().String()}, err == nil
}

func (c *Cluster) keys() []ed25519.PublicKey {
	var keys []ed25519.PublicKey
	for _, p := range c.parties {
		keys = append(keys, p.public)
	}
	return keys
}
