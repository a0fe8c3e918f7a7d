package nitro

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"time"

	"github.com/tkms-network/tkms/enclave/attest"
)

// verifyChain walks from the root down to the leaf exactly as the bundle lists
// them, and returns the leaf's key and the earliest expiry.
func verifyChain(doc *document, roots [][]byte, issued, at time.Time) (*ecdsa.PublicKey, time.Time, error) {
	if !contains(roots, doc.Bundle[0]) {
		return nil, time.Time{}, attest.Refuse("root certificate is not trusted")
	}
	chain := make([]*x509.Certificate, 0, maxBundle+1)
	for _, der := range doc.Bundle {
		certificate, err := parse(der)
		if err != nil {
			return nil, time.Time{}, err
		}
		chain = append(chain, certificate)
	}
	leaf, err := parse(doc.Certificate)
	if err != nil {
		return nil, time.Time{}, err
	}
	chain = append(chain, leaf)
	// The document must have been made while its leaf counted.
	if issued.Before(leaf.NotBefore) || issued.After(leaf.NotAfter) {
		return nil, time.Time{}, attest.Refuse("document is older or newer than its certificate")
	}
	notAfter := chain[0].NotAfter
	for i, certificate := range chain {
		if at.Before(certificate.NotBefore) || at.After(certificate.NotAfter) {
			return nil, time.Time{}, attest.Refuse("certificate %d is not valid at %v", i, at)
		}
		if certificate.NotAfter.Before(notAfter) {
			notAfter = certificate.NotAfter
		}
		if err := checkUse(certificate, len(chain)-1-i); err != nil {
			return nil, time.Time{}, err
		}
	}
	// Signatures last, when nothing cheaper can refuse. The root is pinned.
	for i := 1; i < len(chain); i++ {
		issuer, subject := chain[i-1], chain[i]
		if !bytes.Equal(issuer.RawSubject, subject.RawIssuer) {
			return nil, time.Time{}, attest.Refuse("certificate %d has another issuer", i)
		}
		if err := issuer.CheckSignature(x509.ECDSAWithSHA384, subject.RawTBSCertificate, subject.Signature); err != nil {
			return nil, time.Time{}, attest.Refuse("signature of certificate %d is wrong", i)
		}
	}
	return leaf.PublicKey.(*ecdsa.PublicKey), notAfter, nil
}

func contains(list [][]byte, item []byte) bool {
	for _, candidate := range list {
		if bytes.Equal(candidate, item) {
			return true
		}
	}
	return false
}

var (
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
)

// parse reads a P-384 certificate. What the standard library takes or leaves
// depending on GODEBUG (negative serial numbers) or on its release is refused
// explicitly, so that all nodes agree.
func parse(der []byte) (*x509.Certificate, error) {
	if len(der) < 1 || len(der) > maxCertificate {
		return nil, attest.Refuse("certificate of %d bytes", len(der))
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, attest.Refuse("malformed certificate: %v", err)
	}
	key, ok := certificate.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P384() || certificate.SignatureAlgorithm != x509.ECDSAWithSHA384 {
		return nil, attest.Refuse("certificate is not of P-384 and SHA-384")
	}
	if certificate.Version != 3 || certificate.SerialNumber.Sign() <= 0 || certificate.SerialNumber.BitLen() > maxSerialBits {
		return nil, attest.Refuse("version or serial number of a certificate is out of range")
	}
	for _, extension := range certificate.Extensions {
		// A critical extension that is not enforced here, name constraints say,
		// must not be passed over.
		if extension.Critical && !extension.Id.Equal(oidKeyUsage) && !extension.Id.Equal(oidBasicConstraints) {
			return nil, attest.Refuse("critical extension %v", extension.Id)
		}
	}
	return certificate, nil
}

// checkUse checks that a certificate may stand where it stands: below is the
// number of certificates below it, 0 for the leaf (RFC 5280 §6.1.4 k–n).
func checkUse(certificate *x509.Certificate, below int) error {
	if !certificate.BasicConstraintsValid || certificate.IsCA == (below == 0) {
		return attest.Refuse("basic constraints do not fit the place in the chain")
	}
	if below == 0 {
		if certificate.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
			return attest.Refuse("leaf must not sign")
		}
		return nil
	}
	if certificate.KeyUsage&x509.KeyUsageCertSign == 0 {
		return attest.Refuse("authority must not sign certificates")
	}
	limited := certificate.MaxPathLen > 0 || certificate.MaxPathLen == 0 && certificate.MaxPathLenZero
	if limited && below-1 > certificate.MaxPathLen {
		return attest.Refuse("path is too long")
	}
	return nil
}
