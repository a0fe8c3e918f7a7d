package attest

import (
	"crypto/sha512"
	"errors"
	"fmt"
	"time"
)

// Type names a kind of enclave, as it appears in chain state.
type Type string

// The known types.
const (
	// Nitro is an AWS Nitro enclave.
	Nitro Type = "nitro"
	// DevNitro is a simulated device that speaks the same format under a root
	// whose key is public. It proves nothing and is refused unless the policy
	// allows it.
	DevNitro Type = "dev-nitro"
)

// ErrAttestation is the one outward failure of every verification.
var ErrAttestation = errors.New("attestation refused")

// failure carries a reason that does not show in the error's text.
type failure struct{ reason string }

func (*failure) Error() string { return ErrAttestation.Error() }

func (*failure) Is(target error) bool { return target == ErrAttestation }

// Refuse makes an ErrAttestation whose reason only Reason reveals. For verifiers.
func Refuse(format string, arguments ...any) error {
	return &failure{reason: fmt.Sprintf(format, arguments...)}
}

// Reason says why a verification failed, for logs only: the text may differ
// between builds and must never reach consensus state. It is empty for errors of
// other origin.
func Reason(err error) string {
	var f *failure
	if errors.As(err, &f) {
		return f.reason
	}
	return ""
}

// MeasurementSize is the size of one measurement register, a SHA-384 digest.
const MeasurementSize = sha512.Size384

// Registers is the number of measurement registers a document may carry.
const Registers = 32

// Measurement identifies an enclave image: registers 0 (whole image), 1 (kernel
// and boot ramdisk) and 2 (application).
type Measurement [3][MeasurementSize]byte

// Policy says what is accepted. On chain it is part of the state.
type Policy struct {
	// Roots are DER root certificates, one of which must head the chain of
	// certificates byte for byte. Empty means the vendor's own root for Nitro
	// and nothing at all for DevNitro.
	Roots [][]byte
	// Measurements lists the accepted images; one must match in all three registers.
	Measurements []Measurement
	// AllowSimulated admits DevNitro.
	AllowSimulated bool
	// AllowDebug admits enclaves in debug mode, whose memory the host can read.
	AllowDebug bool
	// MaxSize bounds the document in bytes; above MaxDocument it counts as that.
	MaxSize int
	// MaxAge bounds verification time minus the document's time.
	MaxAge time.Duration
	// MaxSkew bounds the document's time minus verification time: block time trails.
	MaxSkew time.Duration
}

// MaxDocument is the largest document that any policy admits, in bytes. Real
// ones are below 8 KiB.
const MaxDocument = 16 << 10

// Claims is what an accepted document says.
type Claims struct {
	// Type is the kind of enclave.
	Type Type
	// Registers holds the measurement registers; nil where the document has none.
	Registers [Registers][]byte
	// UserData, PublicKey and Nonce were chosen by the program in the enclave.
	UserData, PublicKey, Nonce []byte
	// IssuedAt is the time inside the document.
	IssuedAt time.Time
	// NotAfter is when the first of the certificates expires.
	NotAfter time.Time
	// Module identifies the enclave instance.
	Module string
	// Debug says that the enclave runs in debug mode.
	Debug bool
	// Simulated says that the device is no hardware.
	Simulated bool
}

// Measurement returns registers 0, 1 and 2; a missing one is zero.
func (c *Claims) Measurement() Measurement {
	var m Measurement
	for i := range m {
		copy(m[i][:], c.Registers[i])
	}
	return m
}

// Verifier judges one type of evidence. Verify is a pure function; at is the
// time to judge at, block time on chain. Errors are ErrAttestation.
type Verifier interface {
	Type() Type
	Verify(evidence []byte, policy Policy, at time.Time) (*Claims, error)
}

// Verify judges evidence and that it vouches for exactly this binding. It is
// what the chain calls.
func Verify(v Verifier, evidence []byte, policy Policy, binding *Binding, at time.Time) (*Claims, error) {
	if binding.Type != v.Type() {
		return nil, Refuse("the binding is for %q, the evidence for %q", binding.Type, v.Type())
	}
	claims, err := v.Verify(evidence, policy, at)
	if err != nil {
		return nil, err
	}
	if digest := binding.Digest(); string(claims.UserData) != string(digest[:]) {
		return nil, Refuse("the document vouches for other keys, another party or another chain")
	}
	return claims, nil
}
