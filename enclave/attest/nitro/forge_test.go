package nitro

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/attest"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// forgery is a document with every part open to change before it is signed.
type forgery struct {
	templates []*x509.Certificate // root … instance, leaf
	curves    []elliptic.Curve
	fields    map[string]any
	envelope  func(protected, payload, signature []byte) []byte
	payload   func([]byte) []byte
	certs     func([][]byte) [][]byte
	// issuerNames makes the right key sign under another issuer's name.
	issuerNames map[int]string
}

func register(i byte) []byte {
	sum := sha512.Sum384([]byte{i})
	return sum[:]
}

var goodMeasurement = attest.Measurement{[48]byte(register(0)), [48]byte(register(1)), [48]byte(register(2))}

func newForgery() *forgery {
	f := &forgery{fields: map[string]any{
		"module_id": "i-0test-enc0", "digest": "SHA384", "timestamp": uint64(noon.UnixMilli()),
		"pcrs":       map[uint][]byte{0: register(0), 1: register(1), 2: register(2), 3: make([]byte, 48)},
		"public_key": nil, "user_data": []byte("hello"), "nonce": nil,
	}}
	for i, name := range []string{"root", "region", "zone", "instance", "leaf"} {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: name},
			NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(time.Duration(100-i) * time.Hour),
			BasicConstraintsValid: true, SignatureAlgorithm: x509.ECDSAWithSHA384,
		}
		if name == "leaf" {
			template.KeyUsage = x509.KeyUsageDigitalSignature
			template.NotBefore, template.NotAfter = noon.Add(-3*time.Second), noon.Add(3*time.Hour)
		} else {
			template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign
			template.MaxPathLen, template.MaxPathLenZero = 3-i, i == 3
		}
		f.templates = append(f.templates, template)
		f.curves = append(f.curves, elliptic.P384())
	}
	return f
}

// build signs everything and returns the document and its root.
func (f *forgery) build(t testing.TB) (evidence, root []byte) {
	t.Helper()
	var ders [][]byte
	var parent *x509.Certificate
	var parentKey, key *ecdsa.PrivateKey
	for i, template := range f.templates {
		var err error
		key, err = ecdsa.GenerateKey(f.curves[i], rand.Reader)
		require.NoError(t, err)
		issuer, issuerKey := parent, parentKey
		if issuer == nil {
			issuer, issuerKey = template, key
		}
		if name, ok := f.issuerNames[i]; ok {
			renamed := *issuer
			renamed.RawSubject, renamed.Subject = nil, pkix.Name{CommonName: name}
			issuer = &renamed
		}
		der, err := x509.CreateCertificate(rand.Reader, template, issuer, &key.PublicKey, issuerKey)
		require.NoError(t, err)
		parent, err = x509.ParseCertificate(der)
		require.NoError(t, err)
		parentKey = key
		ders = append(ders, der)
	}
	root = ders[0]
	if f.certs != nil {
		ders = f.certs(ders)
	}
	fields := map[string]any{"certificate": ders[len(ders)-1], "cabundle": ders[:len(ders)-1]}
	for name, value := range f.fields {
		fields[name] = value
	}
	payload, err := cbor.Marshal(fields)
	require.NoError(t, err)
	if f.payload != nil {
		payload = f.payload(payload)
	}
	signed, err := cbor.Marshal([]any{"Signature1", protectedES384, []byte{}, payload})
	require.NoError(t, err)
	digest := sha512.Sum384(signed)
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	require.NoError(t, err)
	size := (key.Curve.Params().BitSize + 7) / 8
	signature := append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	if f.envelope != nil {
		return f.envelope(protectedES384, payload, signature), root
	}
	evidence, err = cbor.Marshal([]any{protectedES384, map[int]int{}, payload, signature})
	require.NoError(t, err)
	return evidence, root
}

func marshal(t testing.TB, value any) []byte {
	t.Helper()
	encoded, err := cbor.Marshal(value)
	require.NoError(t, err)
	return encoded
}

// nameConstraints is a critical extension that Go's parser handles and this
// verifier does not enforce.
var nameConstraints = pkix.Extension{
	Id: asn1.ObjectIdentifier{2, 5, 29, 30}, Critical: true,
	Value: []byte{0x30, 0x0a, 0xa0, 0x08, 0x30, 0x06, 0x82, 0x04, 'x', '.', 'y', 'z'},
}

func testPolicy(root []byte) attest.Policy {
	return attest.Policy{
		Roots: [][]byte{root}, Measurements: []attest.Measurement{goodMeasurement},
		AllowSimulated: true, MaxSize: attest.MaxDocument, MaxAge: time.Hour, MaxSkew: 10 * time.Second,
	}
}
