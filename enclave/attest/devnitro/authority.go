package devnitro

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha1" // #nosec G505 -- RFC 5280 §4.2.1.2 key identifiers, no security use
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"
)

// SeedSize is the size of the seed of a simulated root.
const SeedSize = 32

// The root's validity does not depend on when it is derived, so that all who
// know the seed hold the same certificate.
var (
	rootNotBefore = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	rootNotAfter  = time.Date(2099, 12, 31, 23, 59, 59, 0, time.UTC)
)

// authority is a certificate with its key.
type authority struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
}

// Root is the simulated vendor.
type Root struct{ authority }

// NewRoot derives the root from a seed of SeedSize bytes: the same seed gives the
// same certificate, byte for byte.
func NewRoot(seed []byte) (*Root, error) {
	if len(seed) != SeedSize {
		return nil, fmt.Errorf("devnitro: seed has %d bytes, not %d", len(seed), SeedSize)
	}
	// FIPS 186-5 A.2.1: reducing 64 more bits than the order leaves no bias to speak of.
	wide, err := hkdf.Key(sha512.New384, seed, nil, "tkms/v1/devnitro/root", 56)
	if err != nil {
		return nil, fmt.Errorf("devnitro: deriving the root key: %w", err)
	}
	order := elliptic.P384().Params().N
	scalar := new(big.Int).SetBytes(wide)
	scalar.Mod(scalar, new(big.Int).Sub(order, big.NewInt(1))).Add(scalar, big.NewInt(1))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P384(), scalar.FillBytes(make([]byte, 48)))
	if err != nil {
		return nil, fmt.Errorf("devnitro: deriving the root key: %w", err)
	}
	template := certificateTemplate("SIMULATED tkms nitro-enclaves root", rootNotBefore, rootNotAfter)
	template.SerialNumber = big.NewInt(1)
	asAuthority(template, 3)
	a, err := sign(template, key, nil)
	if err != nil {
		return nil, err
	}
	return &Root{*a}, nil
}

// DER returns the root certificate, to be put into genesis.
func (r *Root) DER() []byte { return append([]byte(nil), r.certificate.Raw...) }

func certificateTemplate(name string, notBefore, notAfter time.Time) *x509.Certificate {
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: name, Organization: []string{"SIMULATED"}, Country: []string{"ZZ"}},
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		BasicConstraintsValid: true,
		SignatureAlgorithm:    x509.ECDSAWithSHA384,
		KeyUsage:              x509.KeyUsageDigitalSignature,
	}
}

func asAuthority(template *x509.Certificate, pathLength int) {
	template.IsCA = true
	template.MaxPathLen, template.MaxPathLenZero = pathLength, pathLength == 0
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
}

// issue makes a certificate with a fresh key under parent.
func issue(template *x509.Certificate, parent *authority) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("devnitro: making a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("devnitro: making a serial number: %w", err)
	}
	template.SerialNumber = serial.Add(serial, big.NewInt(1))
	return sign(template, key, parent)
}

// sign signs the template for key under parent, itself if parent is nil. Without
// a source of randomness ECDSA signatures are deterministic (RFC 6979).
func sign(template *x509.Certificate, key *ecdsa.PrivateKey, parent *authority) (*authority, error) {
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("devnitro: encoding a key: %w", err)
	}
	id := sha1.Sum(point) // #nosec G401 -- see import
	template.SubjectKeyId = id[:]
	issuer, issuerKey := template, key
	if parent != nil {
		issuer, issuerKey = parent.certificate, parent.key
	}
	der, err := x509.CreateCertificate(nil, template, issuer, &key.PublicKey, issuerKey)
	if err != nil {
		return nil, fmt.Errorf("devnitro: signing a certificate: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("devnitro: reading an own certificate: %w", err)
	}
	return &authority{key, certificate}, nil
}
