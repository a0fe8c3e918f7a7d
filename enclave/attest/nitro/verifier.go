package nitro

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/pem"
	"time"

	"github.com/tkms-network/tkms/enclave/attest"
)

//go:embed aws_root.pem
var awsRootPEM []byte

// AWSRootSHA256 is the SHA-256 of the DER encoding of AWS's root G1, which
// https://docs.aws.amazon.com/enclaves/latest/user/verify-root.html publishes as
// a fingerprint.
const AWSRootSHA256 = "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b"

var awsRoot = func() []byte {
	block, rest := pem.Decode(awsRootPEM)
	if block == nil || len(bytes.TrimSpace(rest)) != 0 || hexSHA256(block.Bytes) != AWSRootSHA256 {
		panic("nitro: the embedded AWS root is not the published one")
	}
	return block.Bytes
}()

// AWSRoot returns the DER encoding of AWS's root certificate.
func AWSRoot() []byte { return bytes.Clone(awsRoot) }

func hexSHA256(b []byte) string {
	const digits = "0123456789abcdef"
	sum := sha256.Sum256(b)
	text := make([]byte, 0, 2*len(sum))
	for _, v := range sum {
		text = append(text, digits[v>>4], digits[v&15])
	}
	return string(text)
}

type verifier struct{ kind attest.Type }

// New returns the verifier of real Nitro enclaves. Without roots in the policy it
// trusts AWS's root only.
func New() attest.Verifier { return verifier{attest.Nitro} }

// NewSimulated returns the verifier of the simulated device. It accepts nothing
// unless the policy allows simulation and names the root, which must not be
// AWS's.
func NewSimulated() attest.Verifier { return verifier{attest.DevNitro} }

// Type implements attest.Verifier.
func (v verifier) Type() attest.Type { return v.kind }

// Verify implements attest.Verifier.
func (v verifier) Verify(evidence []byte, policy attest.Policy, at time.Time) (claims *attest.Claims, err error) {
	// No panic is known in what is called; one would stop the chain.
	defer func() {
		if p := recover(); p != nil {
			claims, err = nil, attest.Refuse("verifier panicked: %v", p)
		}
	}()
	if at.Unix() <= 0 {
		return nil, attest.Refuse("no time to verify at")
	}
	if len(evidence) > min(policy.MaxSize, attest.MaxDocument) {
		return nil, attest.Refuse("document of %d bytes is too large", len(evidence))
	}
	roots, err := v.roots(policy)
	if err != nil {
		return nil, err
	}
	envelope, doc, err := decode(evidence)
	if err != nil {
		return nil, err
	}
	issued := time.UnixMilli(int64(doc.Timestamp)).UTC()
	if issued.After(at.Add(policy.MaxSkew)) || at.Sub(issued) > policy.MaxAge {
		return nil, attest.Refuse("document of %v is outside the window at %v", issued, at)
	}
	claims = v.claims(doc, issued)
	if claims.Debug && !policy.AllowDebug {
		return nil, attest.Refuse("enclave is in debug mode")
	}
	if !accepted(policy.Measurements, claims.Measurement()) {
		return nil, attest.Refuse("measurement is not accepted")
	}
	// Block time trails the clocks of issuers, so a fresh leaf may lie ahead of
	// it; the window above has bounded by how much.
	if issued.After(at) {
		at = issued
	}
	leaf, notAfter, err := verifyChain(doc, roots, issued, at)
	if err != nil {
		return nil, err
	}
	if !envelope.signedBy(leaf) {
		return nil, attest.Refuse("signature of the document is wrong")
	}
	claims.NotAfter = notAfter
	return claims, nil
}

func (v verifier) roots(policy attest.Policy) ([][]byte, error) {
	if v.kind == attest.Nitro {
		if len(policy.Roots) == 0 {
			return [][]byte{awsRoot}, nil
		}
		return policy.Roots, nil
	}
	if !policy.AllowSimulated || len(policy.Roots) == 0 {
		return nil, attest.Refuse("simulated devices are not allowed")
	}
	for _, root := range policy.Roots {
		if bytes.Equal(root, awsRoot) {
			return nil, attest.Refuse("hardware must not register as simulated")
		}
	}
	return policy.Roots, nil
}

func (v verifier) claims(doc *document, issued time.Time) *attest.Claims {
	c := &attest.Claims{
		Type:      v.kind,
		UserData:  doc.UserData,
		PublicKey: doc.PublicKey,
		Nonce:     doc.Nonce,
		IssuedAt:  issued,
		Module:    doc.ModuleID,
		Simulated: v.kind == attest.DevNitro,
	}
	for i := range c.Registers {
		c.Registers[i] = doc.Registers[uint(i)]
	}
	// In debug mode the hypervisor reports zeros for what it measured.
	var zero [attest.MeasurementSize]byte
	for _, register := range c.Measurement() {
		c.Debug = c.Debug || register == zero
	}
	return c
}

func accepted(list []attest.Measurement, got attest.Measurement) bool {
	for _, m := range list {
		if m == got {
			return true
		}
	}
	return false
}
