package authorize

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/tkms-network/tkms/x/acl/slots"
	"github.com/tkms-network/tkms/x/acl/types"
)

// SignersQuestion is whether a host chain's verifier takes the signatures of exactly a
// set of signers, and the answer that was submitted.
type SignersQuestion struct {
	proof     types.SignersProof
	signers   []common.Address
	threshold uint32
	// now is the time, in seconds since the epoch, at which it has to be true.
	now uint64
}

// Signers asks whether the verifier takes exactly these signers, in this order, and
// threshold of them for a result.
func Signers(proof types.SignersProof, signers [][20]byte, threshold uint32, now uint64) SignersQuestion {
	q := SignersQuestion{proof: proof, threshold: threshold, now: now}
	for _, s := range signers {
		q.signers = append(q.signers, s)
	}
	return q
}

// Admit checks what needs no header: that the record names a verifier, and that there is
// one storage proof for each slot. Errors: ErrNoVerifier, ErrMalformedProof.
func (q SignersQuestion) Admit(chain types.HostChain) error {
	if chain.Verifier == nil {
		return types.ErrNoVerifier.Wrapf("%d", chain.Id)
	}
	words := slots.SignerWords(q.signers, q.threshold)
	if n := len(q.proof.Verifier.Storage); n != len(words) {
		return types.ErrMalformedProof.Wrapf("%d storage proofs for %d slots of the verifier", n, len(words))
	}
	return nil
}

// Size returns the bytes of header and nodes together, and the number of nodes.
func (q SignersQuestion) Size() (size, nodes int) { return sizeOf(q.proof.Header, q.proof.Verifier) }

// Prove checks the header's time and what the state under it shows. The header must be
// one that the host chain's validators sealed, and Admit must have passed with the same
// record. A verifier with other signers, another order or another threshold is
// ErrOtherSigners; each other reason has an error of its own, too.
func (q SignersQuestion) Prove(chain types.HostChain, header types.VerifiedHeader) error {
	if err := checkFresh(q.now, chain.Freshness, header); err != nil {
		return err
	}
	layout, err := slots.NewVerifier(chain.VerifierLayout)
	if err != nil {
		return types.ErrInvalidHostChain.Wrap(err.Error())
	}
	words, err := proveSlots("verifier", common.Hash(header.StateRoot), *chain.Verifier, q.proof.Verifier, layout.Slots(len(q.signers)))
	if err != nil {
		return err
	}
	for i, want := range slots.SignerWords(q.signers, q.threshold) {
		if words[i] != want {
			return types.ErrOtherSigners.Wrapf("%s is %X, not %X", signerField(i), words[i], want)
		}
	}
	return nil
}

// signerField names what the i-th slot of a set of signers holds.
func signerField(i int) string {
	switch i {
	case 0:
		return "the number of signers"
	case 1:
		return "the threshold"
	}
	return "a signer"
}
