package nitro

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hf/nitrite"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/attest"
)

// realDocument is a document made by AWS hardware, published by its owners.
type realDocument struct {
	file  string
	at    string
	debug bool
}

var realDocuments = []realDocument{
	{"veracruz.cbor", "2022-11-09T22:52:00Z", false},
	{"blocky_nitro_attestation.b64", "2024-09-07T14:37:39Z", false},
	{"blocky_nitro_attestation_debug.b64", "2024-09-07T14:38:06Z", true},
	{"sparsity_1.bin", "2024-08-16T09:11:49Z", true},
	{"nautilus.bin", "2025-04-15T02:25:23Z", false},
	{"dlab.b64", "2025-08-18T08:41:49Z", true},
}

func (d realDocument) read(t *testing.T) ([]byte, time.Time) {
	t.Helper()
	folder := os.Getenv("TKMS_NITRO_VECTORS")
	if folder == "" {
		t.Skip("TKMS_NITRO_VECTORS names no folder of real attestation documents: NOT CHECKED against real hardware")
	}
	data, err := os.ReadFile(filepath.Join(folder, d.file))
	require.NoError(t, err)
	if filepath.Ext(d.file) == ".b64" {
		data, err = base64.StdEncoding.DecodeString(string(bytes.TrimSpace(data)))
		require.NoError(t, err)
	}
	at, err := time.Parse(time.RFC3339, d.at)
	require.NoError(t, err)
	return data, at
}

// permissive is the policy under which verdicts should agree with an oracle that
// checks signatures and certificates only.
func permissive(t testing.TB, evidence []byte) attest.Policy {
	t.Helper()
	_, doc, err := decode(evidence)
	require.NoError(t, err, attest.Reason(err))
	claims := verifier{attest.Nitro}.claims(doc, time.Time{})
	return attest.Policy{
		Measurements: []attest.Measurement{claims.Measurement()}, AllowDebug: true, MaxSize: attest.MaxDocument,
		MaxAge: 1000 * time.Hour, MaxSkew: time.Second,
	}
}

// oracle asks hf/nitrite, which panics on some inputs.
func oracle(evidence []byte, roots *x509.CertPool, at time.Time) (accepted bool) {
	defer func() {
		if recover() != nil {
			accepted = false
		}
	}()
	_, err := nitrite.Verify(evidence, nitrite.VerifyOptions{Roots: roots, CurrentTime: at})
	return err == nil
}

func TestRealDocumentsAreAccepted(t *testing.T) {
	for _, d := range realDocuments {
		t.Run(d.file, func(t *testing.T) {
			evidence, at := d.read(t)
			policy := permissive(t, evidence)
			claims, err := New().Verify(evidence, policy, at)
			require.NoError(t, err, attest.Reason(err))
			require.True(t, oracle(evidence, nil, at))
			require.Equal(t, d.debug, claims.Debug)
			require.LessOrEqual(t, at.Sub(claims.IssuedAt).Abs(), 10*time.Minute)
			policy.AllowDebug = false
			_, err = New().Verify(evidence, policy, at)
			require.Equal(t, d.debug, err != nil)
			late := claims.NotAfter.Add(time.Second)
			_, err = New().Verify(evidence, permissive(t, evidence), late)
			require.ErrorIs(t, err, attest.ErrAttestation)
			require.False(t, oracle(evidence, nil, late))
		})
	}
}

// agree compares the verdicts on single-byte changes at a stride through the
// whole document. Where only the oracle accepts, the change must be outside what
// is signed: there our format is stricter on purpose.
func agree(t *testing.T, evidence []byte, roots *x509.CertPool, policy attest.Policy, at time.Time, stride int) {
	t.Helper()
	payloadAt := bytes.Index(evidence, []byte("module_id"))
	require.Positive(t, payloadAt)
	_, err := New().Verify(evidence, policy, at)
	require.NoError(t, err, attest.Reason(err))
	require.True(t, oracle(evidence, roots, at))
	refused := 0
	for i := 0; i < len(evidence); i++ {
		// The envelope's few bytes are all tried, the body at the stride.
		if i > payloadAt && i < len(evidence)-100 && i%stride != 0 {
			continue
		}
		changed := bytes.Clone(evidence)
		changed[i] ^= 1 << (i % 8)
		_, err := New().Verify(changed, policy, at)
		theirs := oracle(changed, roots, at)
		if err == nil {
			require.True(t, theirs, "only we accept a change of byte %d", i)
			t.Errorf("a change of byte %d is accepted", i)
		} else if theirs {
			require.Less(t, i, payloadAt, "only the oracle accepts a change of byte %d: %s", i, attest.Reason(err))
		} else {
			refused++
		}
	}
	require.Positive(t, refused)
}

func TestVerdictsOnMutatedRealDocumentsAgreeWithTheOracle(t *testing.T) {
	for _, d := range realDocuments {
		t.Run(d.file, func(t *testing.T) {
			evidence, at := d.read(t)
			agree(t, evidence, nil, permissive(t, evidence), at, 127)
		})
	}
}

func TestVerdictsOnForgedDocumentsAgreeWithTheOracle(t *testing.T) {
	evidence, root := newForgery().build(t)
	certificate, err := x509.ParseCertificate(root)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	policy := permissive(t, evidence)
	policy.Roots = [][]byte{root}
	agree(t, evidence, pool, policy, noon, 71)
	for minutes := range 400 {
		at := noon.Add(time.Duration(minutes-100) * time.Minute)
		_, err := New().Verify(evidence, policy, at)
		require.Equal(t, oracle(evidence, pool, at), err == nil, fmt.Sprint(at, attest.Reason(err)))
	}
}
