package certificate

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/tkms-network/tkms/x/acl/authorize"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// Step is the outcome of one check.
type Step struct {
	// Name says what was checked.
	Name string
	// Detail says what was found, if it holds.
	Detail string
	// Err is nil if it holds.
	Err error
}

// verification is a certificate being checked.
type verification struct {
	c *types.ProvenCertificate
	// request is the certificate's.
	request types.Request
	trust   Trust
	// headers are the TKMS chain's, sealed is the host chain's.
	headers headers
	sealed  acltypes.VerifiedHeader
}

// Verify checks a certificate and returns every step with its outcome, in order. It
// holds if, and only if, Failed finds none.
func Verify(c *types.ProvenCertificate, trust Trust) []Step {
	v := &verification{c: c, request: c.Certificate.Request, trust: trust}
	checks := []struct {
		name  string
		check func() (string, error)
	}{
		{"TKMS headers", v.checkHeaders},
		{"request in the TKMS state", v.checkRequest},
		{"committee in the TKMS state", v.checkCommittee},
		{"signatures of the committee", v.checkSignatures},
		{"host chain in the TKMS state", v.checkHostChain},
		{"proof and header of the host chain", v.checkSealed},
		{"permission and ciphertexts", v.checkPermission},
	}
	steps := make([]Step, len(checks))
	var failed error
	for i, check := range checks {
		steps[i].Name = check.name
		if failed != nil {
			steps[i].Err = ErrNotChecked
			continue
		}
		steps[i].Detail, steps[i].Err = check.check()
		failed = steps[i].Err
	}
	return steps
}

// Failed returns the first step that does not hold, or nil.
func Failed(steps []Step) *Step {
	for i := range steps {
		if steps[i].Err != nil {
			return &steps[i]
		}
	}
	return nil
}

func (v *verification) checkHeaders() (string, error) {
	if v.c.Format != Format {
		return "", fmt.Errorf("%w: format %.32q", ErrFormat, v.c.Format)
	}
	var err error
	if v.headers, err = verifyHeaders(v.c.LightBlocks, v.trust); err != nil {
		return "", err
	}
	b := v.c.LightBlocks
	return fmt.Sprintf("%s, heights %d to %d", b[0].SignedHeader.Header.ChainID, b[0].SignedHeader.Header.Height, b[len(b)-1].SignedHeader.Header.Height), nil
}

func (v *verification) checkRequest() (string, error) {
	if err := v.headers.proven(types.StoreKey, types.StoreKeyOfRequest(v.request.Id), &v.request, v.c.RequestProof); err != nil {
		return "", err
	}
	if v.request.Status != types.REQUEST_STATUS_FULFILLED {
		return "", fmt.Errorf("%w: it is %s", types.ErrNotFulfilled, v.request.Status)
	}
	return fmt.Sprintf("%x, accepted at height %d", v.request.Id, v.request.AcceptedHeight), nil
}

func (v *verification) checkCommittee() (string, error) {
	epoch, members, signers := v.c.Epoch, v.c.Members, v.c.Certificate.Signers
	if epoch.Id != v.request.EpochId {
		return "", fmt.Errorf("%w: epoch %d", ErrCommittee, epoch.Id)
	}
	if err := v.headers.proven(partiestypes.StoreKey, partiestypes.EpochKey(epoch.Id), &epoch, v.c.EpochProof); err != nil {
		return "", err
	}
	if n := len(epoch.Members); len(members) != n || len(v.c.MemberProofs) != n || len(signers) != n {
		return "", fmt.Errorf("%w: %d members, %d proofs and %d signers of %d", ErrCommittee, len(members), len(v.c.MemberProofs), len(signers), n)
	}
	for i := range members {
		if err := v.checkMember(i); err != nil {
			return "", fmt.Errorf("member %d: %w", i+1, err)
		}
	}
	if v.request.Threshold != 2*epoch.T+1 {
		return "", fmt.Errorf("%w: threshold %d, t is %d", ErrCommittee, v.request.Threshold, epoch.T)
	}
	return fmt.Sprintf("epoch %d, %d members, %d must sign", epoch.Id, len(members), v.request.Threshold), nil
}

// checkMember checks that the i-th signer is the i-th member.
func (v *verification) checkMember(i int) error {
	member, seat := v.c.Members[i], v.c.Epoch.Members[i]
	if seat.Index != uint32(i+1) || seat.PartyId != member.Id {
		return fmt.Errorf("%w: party %d", ErrCommittee, member.Id)
	}
	if err := v.headers.proven(partiestypes.StoreKey, partiestypes.PartyKey(member.Id), &member, v.c.MemberProofs[i]); err != nil {
		return err
	}
	key, err := crypto.DecompressPubkey(member.SigningKey)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCommittee, err)
	}
	if !bytes.Equal(crypto.PubkeyToAddress(*key).Bytes(), v.c.Certificate.Signers[i]) {
		return fmt.Errorf("%w: signer %x", ErrCommittee, v.c.Certificate.Signers[i])
	}
	return nil
}

func (v *verification) checkSignatures() (string, error) {
	counted, err := v.c.Certificate.Verify()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("members %d", counted), nil
}

func (v *verification) checkHostChain() (string, error) {
	chain, r := v.c.HostChain, v.request
	if chain.Id != r.HostChainId {
		return "", fmt.Errorf("%w: chain %d", ErrHostChain, chain.Id)
	}
	if v.c.HostChainProof.Height != r.AcceptedHeight {
		return "", fmt.Errorf("%w: as of height %d, not %d", ErrHostChain, v.c.HostChainProof.Height, r.AcceptedHeight)
	}
	if err := v.headers.proven(acltypes.StoreKey, acltypes.StoreKeyOfHostChain(chain.Id), &chain, v.c.HostChainProof); err != nil {
		return "", err
	}
	if !chain.VerifierDomain.SameDomain(r.Domain) {
		return "", fmt.Errorf("%w: another verifier domain", ErrHostChain)
	}
	return fmt.Sprintf("%d, %q, %d validators", chain.Id, chain.Name, len(chain.Validators)), nil
}

// checkSealed checks that the proof is the recorded one, and that its header was sealed by
// the validators that TKMS knew.
func (v *verification) checkSealed() (string, error) {
	raw, err := v.c.Proof.Marshal()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrOtherProof, err)
	}
	recorded := v.request.Authorization
	if digest := sha256.Sum256(raw); !bytes.Equal(digest[:], recorded.ProofDigest) {
		return "", fmt.Errorf("%w: its digest is %x", ErrOtherProof, digest)
	}
	header, err := authorize.DecodeHeader(v.c.Proof.Header)
	if err != nil {
		return "", err
	}
	v.sealed = authorize.Summary(header, v.c.Proof.Header)
	if !bytes.Equal(v.sealed.Hash, recorded.HeaderHash) || v.sealed.Height != recorded.HeaderHeight || v.sealed.Timestamp != recorded.HeaderTimestamp {
		return "", fmt.Errorf("%w: block %d, %x", ErrOtherHeader, v.sealed.Height, v.sealed.Hash)
	}
	if err := authorize.CheckHeight(v.c.HostChain, header); err != nil {
		return "", err
	}
	if err := authorize.CheckSeals(v.c.HostChain, header); err != nil {
		return "", err
	}
	return fmt.Sprintf("block %d, %x", v.sealed.Height, v.sealed.Hash), nil
}

// checkPermission asks what consensus asked, at the time of the block that accepted the
// request.
func (v *verification) checkPermission() (string, error) {
	accepted := v.headers[v.request.AcceptedHeight]
	if accepted == nil {
		return "", fmt.Errorf("%w: no header of height %d", ErrNotProven, v.request.AcceptedHeight)
	}
	now := uint64(max(0, accepted.Time.Unix()))
	question, err := v.question(now)
	if err != nil {
		return "", err
	}
	if err := question.Admit(v.c.HostChain); err != nil {
		return "", err
	}
	digests, err := question.Prove(v.c.HostChain, v.sealed)
	if err != nil {
		return "", err
	}
	for i, c := range v.request.Ciphertexts {
		if !bytes.Equal(digests[i][:], c.Digest) {
			return "", fmt.Errorf("%w: %x has %x", ErrOtherCiphertext, c.Handle, digests[i])
		}
	}
	if a := v.request.AuthorizedBy; a != nil {
		return fmt.Sprintf("%d handles for %x", len(digests), a.User), nil
	}
	return fmt.Sprintf("%d handles for anybody", len(digests)), nil
}

// question is what x/kms asked x/acl. The signature of a user who has a key was checked
// with the committee's.
func (v *verification) question(now uint64) (authorize.Question, error) {
	access := acltypes.UserAccess{}
	for _, c := range v.request.Ciphertexts {
		access.Handles = append(access.Handles, [types.IDSize]byte(c.Handle))
	}
	a := v.request.AuthorizedBy
	if a == nil {
		return authorize.Public(v.c.Proof, access.Handles, nil, now)
	}
	if err := a.CheckWindow(now, v.c.HostChain.Freshness.MaxAheadSeconds); err != nil {
		return authorize.Question{}, err
	}
	for _, c := range v.request.Ciphertexts {
		access.Contracts = append(access.Contracts, [types.AddressSize]byte(c.Contract))
	}
	var err error
	if access.User, err = a.UserAddress(); err != nil {
		return authorize.Question{}, err
	}
	if access.Delegator, err = a.DelegatorAddress(); err != nil {
		return authorize.Question{}, err
	}
	if len(a.Signature) == 0 {
		digest, err := a.Digest(v.request.HostChainId, v.request.Domain)
		if err != nil {
			return authorize.Question{}, err
		}
		access.Approval = &digest
	}
	return authorize.User(v.c.Proof, access, now)
}
