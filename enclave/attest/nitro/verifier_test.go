package nitro

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/attest"
)

func TestAGoodDocumentYieldsItsClaims(t *testing.T) {
	evidence, root := newForgery().build(t)
	claims, err := NewSimulated().Verify(evidence, testPolicy(root), noon.Add(time.Minute))
	require.NoError(t, err, attest.Reason(err))
	require.Equal(t, attest.DevNitro, claims.Type)
	require.True(t, claims.Simulated)
	require.False(t, claims.Debug)
	require.Equal(t, "hello", string(claims.UserData))
	require.Equal(t, goodMeasurement, claims.Measurement())
	require.True(t, claims.IssuedAt.Equal(noon))
	require.True(t, claims.NotAfter.Equal(noon.Add(3*time.Hour)))
	require.Equal(t, make([]byte, 48), claims.Registers[3])
	require.Nil(t, claims.Registers[4])

	claims, err = New().Verify(evidence, testPolicy(root), noon)
	require.NoError(t, err, "the same format under another root is hardware, if the policy says so")
	require.False(t, claims.Simulated)
}

func TestThePolicyDecidesWhatElseIsAccepted(t *testing.T) {
	evidence, root := newForgery().build(t)
	_, otherRoot := newForgery().build(t)
	cases := []struct {
		name   string
		at     time.Time
		change func(*attest.Policy)
		accept bool
	}{
		{"as it is", noon, nil, true},
		{"block time trails within the skew", noon.Add(-10 * time.Second), nil, true},
		{"block time trails too far", noon.Add(-10*time.Second - time.Millisecond), nil, false},
		{"old but not too old", noon.Add(time.Hour), nil, true},
		{"too old", noon.Add(time.Hour + time.Millisecond), nil, false},
		{"leaf expired though age would do", noon.Add(3*time.Hour + time.Second), func(p *attest.Policy) { p.MaxAge = 9 * time.Hour }, false},
		{"leaf not expired", noon.Add(3 * time.Hour), func(p *attest.Policy) { p.MaxAge = 9 * time.Hour }, true},
		{"no time", time.Time{}, func(p *attest.Policy) { p.MaxAge, p.MaxSkew = 1<<62, 1<<62 }, false},
		{"unix time zero", time.Unix(0, 0), func(p *attest.Policy) { p.MaxSkew = 1 << 62 }, false},
		{"another root", noon, func(p *attest.Policy) { p.Roots = [][]byte{otherRoot} }, false},
		{"one of two roots", noon, func(p *attest.Policy) { p.Roots = [][]byte{otherRoot, root} }, true},
		{"no root", noon, func(p *attest.Policy) { p.Roots = nil }, false},
		{"simulation forbidden", noon, func(p *attest.Policy) { p.AllowSimulated = false }, false},
		{"the hardware's root among the simulated", noon, func(p *attest.Policy) { p.Roots = append(p.Roots, AWSRoot()) }, false},
		{"no measurement", noon, func(p *attest.Policy) { p.Measurements = nil }, false},
		{"register 0 differs", noon, func(p *attest.Policy) { p.Measurements[0][0][0]++ }, false},
		{"register 1 differs", noon, func(p *attest.Policy) { p.Measurements[0][1][0]++ }, false},
		{"register 2 differs", noon, func(p *attest.Policy) { p.Measurements[0][2][47]++ }, false},
		{"exactly the size", noon, func(p *attest.Policy) { p.MaxSize = len(evidence) }, true},
		{"a byte too large", noon, func(p *attest.Policy) { p.MaxSize = len(evidence) - 1 }, false},
	}
	for _, c := range cases {
		policy := testPolicy(root)
		if c.change != nil {
			c.change(&policy)
		}
		claims, err := NewSimulated().Verify(evidence, policy, c.at)
		if c.accept {
			require.NoError(t, err, "%s: %s", c.name, attest.Reason(err))
			continue
		}
		require.ErrorIs(t, err, attest.ErrAttestation, c.name)
		require.Nil(t, claims, c.name)
		require.NotEmpty(t, attest.Reason(err), c.name)
	}
	_, err := New().Verify(evidence, attest.Policy{Measurements: []attest.Measurement{goodMeasurement}, MaxSize: 1 << 20, MaxAge: time.Hour}, noon)
	require.ErrorIs(t, err, attest.ErrAttestation, "without roots only AWS's counts")
}

func TestADebugEnclaveNeedsPermission(t *testing.T) {
	f := newForgery()
	f.fields["pcrs"] = map[uint][]byte{0: make([]byte, 48), 1: make([]byte, 48), 2: make([]byte, 48)}
	evidence, root := f.build(t)
	policy := testPolicy(root)
	policy.Measurements = []attest.Measurement{{}}
	_, err := NewSimulated().Verify(evidence, policy, noon)
	require.ErrorIs(t, err, attest.ErrAttestation)
	policy.AllowDebug = true
	claims, err := NewSimulated().Verify(evidence, policy, noon)
	require.NoError(t, err)
	require.True(t, claims.Debug)
	policy.AllowDebug = false
	delete(f.fields, "pcrs")
	f.fields["pcrs"] = map[uint][]byte{0: register(0), 1: register(1)}
	evidence, root = f.build(t)
	policy.Roots, policy.Measurements = [][]byte{root}, []attest.Measurement{{goodMeasurement[0], goodMeasurement[1]}}
	_, err = NewSimulated().Verify(evidence, policy, noon)
	require.ErrorIs(t, err, attest.ErrAttestation, "a missing register counts as zero")
}

func TestDocumentsOutsideTheFormatAreRefused(t *testing.T) {
	many := map[uint][]byte{}
	for i := range uint(33) {
		many[i] = make([]byte, 48)
	}
	cases := map[string]func(*forgery){
		"unknown field":            func(f *forgery) { f.fields["extra"] = 1 },
		"digest of another length": func(f *forgery) { f.fields["digest"] = "SHA256" },
		"no module":                func(f *forgery) { f.fields["module_id"] = "" },
		"long module":              func(f *forgery) { f.fields["module_id"] = string(make([]byte, 257)) },
		"no timestamp":             func(f *forgery) { delete(f.fields, "timestamp") },
		"negative timestamp":       func(f *forgery) { f.fields["timestamp"] = -1 },
		"endless timestamp":        func(f *forgery) { f.fields["timestamp"] = uint64(1) << 63 },
		"timestamp before leaf":    func(f *forgery) { f.fields["timestamp"] = uint64(noon.Add(-4 * time.Second).UnixMilli()) },
		"no registers":             func(f *forgery) { f.fields["pcrs"] = map[uint][]byte{} },
		"33 registers":             func(f *forgery) { f.fields["pcrs"] = many },
		"register 32":              func(f *forgery) { f.fields["pcrs"].(map[uint][]byte)[32] = make([]byte, 48) },
		"short register":           func(f *forgery) { f.fields["pcrs"].(map[uint][]byte)[5] = make([]byte, 47) },
		"empty register":           func(f *forgery) { f.fields["pcrs"].(map[uint][]byte)[5] = nil },
		"long user data":           func(f *forgery) { f.fields["user_data"] = make([]byte, 1025) },
		"long nonce":               func(f *forgery) { f.fields["nonce"] = make([]byte, 1025) },
		"long public key":          func(f *forgery) { f.fields["public_key"] = make([]byte, 1025) },
		"field names in capitals": func(f *forgery) {
			delete(f.fields, "nonce")
			f.fields["Nonce"] = []byte{1}
		},
		"payload with a trailing byte": func(f *forgery) { f.payload = func(b []byte) []byte { return append(b, 0) } },
		"payload with a tag":           func(f *forgery) { f.payload = func(b []byte) []byte { return append([]byte{0xd8, 55}, b...) } },
		"payload with a repeated field": func(f *forgery) {
			f.payload = func(b []byte) []byte {
				b[0]++
				return append(append(b, marshal(t, "digest")...), marshal(t, "SHA384")...)
			}
		},
	}
	for name, change := range cases {
		f := newForgery()
		change(f)
		evidence, root := f.build(t)
		_, err := NewSimulated().Verify(evidence, testPolicy(root), noon)
		require.ErrorIs(t, err, attest.ErrAttestation, name)
	}
}

func TestEnvelopesOutsideTheFormatAreRefused(t *testing.T) {
	cases := map[string]func(protected, payload, signature []byte) []byte{
		"tag 18": func(p, d, s []byte) []byte {
			return marshal(t, cbor.Tag{Number: 18, Content: []any{p, map[int]int{}, d, s}})
		},
		"trailing byte": func(p, d, s []byte) []byte {
			return append(marshal(t, []any{p, map[int]int{}, d, s}), 0)
		},
		"unprotected header": func(p, d, s []byte) []byte { return marshal(t, []any{p, map[int]int{1: 2}, d, s}) },
		"unprotected null":   func(p, d, s []byte) []byte { return marshal(t, []any{p, nil, d, s}) },
		"five parts":         func(p, d, s []byte) []byte { return marshal(t, []any{p, map[int]int{}, d, s, nil}) },
		"three parts":        func(p, d, s []byte) []byte { return marshal(t, []any{p, map[int]int{}, d}) },
		"ES512": func(_, d, s []byte) []byte {
			return marshal(t, []any{[]byte{0xa1, 1, 0x38, 0x23}, map[int]int{}, d, s})
		},
		"no protected header": func(_, d, s []byte) []byte { return marshal(t, []any{[]byte{}, map[int]int{}, d, s}) },
		"short signature":     func(p, d, s []byte) []byte { return marshal(t, []any{p, map[int]int{}, d, s[:95]}) },
		"signature of zeros":  func(p, d, _ []byte) []byte { return marshal(t, []any{p, map[int]int{}, d, make([]byte, 96)}) },
		"changed payload":     func(p, d, s []byte) []byte { d[len(d)-1] ^= 1; return marshal(t, []any{p, map[int]int{}, d, s}) },
		"no payload":          func(p, _, s []byte) []byte { return marshal(t, []any{p, map[int]int{}, []byte{}, s}) },
		"nothing":             func(_, _, _ []byte) []byte { return nil },
		"a number":            func(_, _, _ []byte) []byte { return []byte{1} },
		"swapped signature": func(p, d, s []byte) []byte {
			return marshal(t, []any{p, map[int]int{}, d, append(s[48:96:96], s[:48]...)})
		},
		"nested beyond measure": func(_, _, _ []byte) []byte { return bytes.Repeat([]byte{0x81}, 10_000) },
	}
	for name, envelope := range cases {
		f := newForgery()
		f.envelope = envelope
		evidence, root := f.build(t)
		_, err := NewSimulated().Verify(evidence, testPolicy(root), noon)
		require.ErrorIs(t, err, attest.ErrAttestation, name)
	}
}

func TestCertificatesThatMayNotStandWhereTheyStandAreRefused(t *testing.T) {
	const root, region, instance, leaf = 0, 1, 3, 4
	swap := func(i, j int) func([][]byte) [][]byte {
		return func(c [][]byte) [][]byte { c[i], c[j] = c[j], c[i]; return c }
	}
	cases := map[string]func(*forgery){
		"leaf of P-521": func(f *forgery) { f.curves[leaf] = elliptic.P521() },
		"leaf of P-256": func(f *forgery) { f.curves[leaf] = elliptic.P256() },
		"authority of P-256": func(f *forgery) {
			f.curves[region] = elliptic.P256()
			f.templates[2].SignatureAlgorithm = x509.ECDSAWithSHA384
		},
		"leaf signed with SHA-256":      func(f *forgery) { f.templates[leaf].SignatureAlgorithm = x509.ECDSAWithSHA256 },
		"region expired":                func(f *forgery) { f.templates[region].NotAfter = noon.Add(-time.Second) },
		"region not yet valid":          func(f *forgery) { f.templates[region].NotBefore = noon.Add(time.Second) },
		"root expired":                  func(f *forgery) { f.templates[root].NotAfter = noon.Add(-time.Second) },
		"leaf not yet valid":            func(f *forgery) { f.templates[leaf].NotBefore = noon.Add(time.Second) },
		"instance is no authority":      func(f *forgery) { f.templates[instance].IsCA = false; f.templates[instance].MaxPathLenZero = false },
		"instance without a CA's usage": func(f *forgery) { f.templates[instance].KeyUsage = x509.KeyUsageDigitalSignature },
		"leaf is an authority": func(f *forgery) {
			f.templates[leaf].IsCA = true
			f.templates[leaf].KeyUsage |= x509.KeyUsageCertSign
		},
		"leaf may not sign":    func(f *forgery) { f.templates[leaf].KeyUsage = x509.KeyUsageKeyEncipherment },
		"no basic constraints": func(f *forgery) { f.templates[leaf].BasicConstraintsValid = false },
		"path too long":        func(f *forgery) { f.templates[region].MaxPathLen = 1 },
		"root's path too long": func(f *forgery) { f.templates[root].MaxPathLen = 2 },
		"name constraints":     func(f *forgery) { f.templates[region].ExtraExtensions = []pkix.Extension{nameConstraints} },
		"unknown critical extension": func(f *forgery) {
			f.templates[leaf].ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		},
		"authorities swapped":       func(f *forgery) { f.certs = swap(1, 2) },
		"leaf and instance swapped": func(f *forgery) { f.certs = swap(3, 4) },
		"an authority left out":     func(f *forgery) { f.certs = func(c [][]byte) [][]byte { return append(c[:2:2], c[3:]...) } },
		"an authority twice": func(f *forgery) {
			f.certs = func(c [][]byte) [][]byte { return append(append(c[:2:2], c[1]), c[2:]...) }
		},
		"root only in the middle": func(f *forgery) { f.certs = func(c [][]byte) [][]byte { return append([][]byte{c[1]}, c...) } },
		"no bundle":               func(f *forgery) { f.certs = func(c [][]byte) [][]byte { return c[4:] } },
		"nine in the bundle": func(f *forgery) {
			f.certs = func(c [][]byte) [][]byte {
				out := c[:1:1]
				for range 5 {
					out = append(out, c[1])
				}
				return append(out, c[2:]...)
			}
		},
		"certificate over the limit": func(f *forgery) {
			f.templates[leaf].ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3}, Value: make([]byte, 1024)}}
		},
		"garbage for a certificate":       func(f *forgery) { f.certs = func(c [][]byte) [][]byte { c[2] = []byte{0x30, 0}; return c } },
		"certificate with trailing bytes": func(f *forgery) { f.certs = func(c [][]byte) [][]byte { c[2] = append(c[2], 0); return c } },
		"empty certificate":               func(f *forgery) { f.certs = func(c [][]byte) [][]byte { c[2] = nil; return c } },
		"leaf of another instance": func(f *forgery) {
			other, _ := newForgery().build(t)
			_, doc, err := decode(other)
			require.NoError(t, err)
			f.certs = func(c [][]byte) [][]byte { c[4] = doc.Certificate; return c }
		},
		"instance of another machine": func(f *forgery) {
			other, _ := newForgery().build(t)
			_, doc, err := decode(other)
			require.NoError(t, err)
			f.certs = func(c [][]byte) [][]byte { c[3] = doc.Bundle[3]; return c }
		},
		"issuer of another name": func(f *forgery) { f.issuerNames = map[int]string{3: "elsewhere"} },
	}
	for name, change := range cases {
		f := newForgery()
		change(f)
		evidence, rootDER := f.build(t)
		_, err := NewSimulated().Verify(evidence, testPolicy(rootDER), noon)
		require.ErrorIs(t, err, attest.ErrAttestation, name)
		require.NotContains(t, attest.Reason(err), "panicked", name)
	}
}

func TestAMapOfIndefiniteLengthIsAccepted(t *testing.T) {
	f := newForgery()
	f.payload = func(p []byte) []byte { return append(append([]byte{0xbf}, p[1:]...), 0xff) }
	evidence, root := f.build(t)
	_, err := NewSimulated().Verify(evidence, testPolicy(root), noon)
	require.NoError(t, err, attest.Reason(err))
}

// The standard library takes a negative serial number or leaves it, depending on
// an environment variable that nodes may set differently.
func TestTheVerdictDoesNotDependOnGODEBUG(t *testing.T) {
	evidence, root := newForgery().build(t)
	_, doc, err := decode(evidence)
	require.NoError(t, err)
	negative := bytes.Replace(doc.Certificate, []byte{2, 1, 5}, []byte{2, 1, 0x85}, 1)
	require.NotEqual(t, doc.Certificate, negative)
	for _, setting := range []string{"", "x509negativeserial=1"} {
		t.Setenv("GODEBUG", setting)
		_, libraryErr := x509.ParseCertificate(negative)
		require.Equal(t, setting != "", libraryErr == nil, "the setting does change the library")
		_, err := parse(negative)
		require.ErrorIs(t, err, attest.ErrAttestation)
		require.Equal(t, attest.ErrAttestation.Error(), err.Error())
		_, err = NewSimulated().Verify(evidence, testPolicy(root), noon)
		require.NoError(t, err)
	}
	huge := newForgery()
	huge.templates[2].SerialNumber = new(big.Int).Lsh(big.NewInt(1), maxSerialBits)
	evidence, root = huge.build(t)
	_, err = NewSimulated().Verify(evidence, testPolicy(root), noon)
	require.ErrorIs(t, err, attest.ErrAttestation)
}

func TestTheEmbeddedRootIsAWSs(t *testing.T) {
	require.Equal(t, AWSRootSHA256, hexSHA256(AWSRoot()))
	certificate, err := x509.ParseCertificate(AWSRoot())
	require.NoError(t, err)
	require.Equal(t, "aws.nitro-enclaves", certificate.Subject.CommonName)
	require.NoError(t, certificate.CheckSignatureFrom(certificate))
	block, _ := pem.Decode(awsRootPEM)
	require.Equal(t, AWSRoot(), block.Bytes)
	changed := AWSRoot()
	changed[0]++
	require.NotEqual(t, changed, AWSRoot(), "callers get a copy")
}

func FuzzVerify(f *testing.F) {
	evidence, root := newForgery().build(f)
	f.Add(evidence)
	for i := 0; i < len(evidence); i += 97 {
		changed := bytes.Clone(evidence)
		changed[i] ^= 0x55
		f.Add(changed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		claims, err := NewSimulated().Verify(data, testPolicy(root), noon)
		if err == nil {
			require.NotNil(t, claims)
			return
		}
		require.Nil(t, claims)
		require.ErrorIs(t, err, attest.ErrAttestation)
		require.NotContains(t, attest.Reason(err), "panicked")
	})
}

func BenchmarkVerify(b *testing.B) {
	evidence, root := newForgery().build(b)
	for b.Loop() {
		if _, err := NewSimulated().Verify(evidence, testPolicy(root), noon); err != nil {
			b.Fatal(err)
		}
	}
}
