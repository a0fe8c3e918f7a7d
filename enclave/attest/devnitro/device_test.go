package devnitro

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hf/nitrite"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/attest"
	"github.com/tkms-network/tkms/enclave/attest/nitro"
	"github.com/tkms-network/tkms/enclave/attest/nsm"
)

var seed = bytes.Repeat([]byte{7}, SeedSize)

func device(t *testing.T, now func() time.Time) (*Device, *Root, attest.Measurement) {
	t.Helper()
	root, err := NewRoot(seed)
	require.NoError(t, err)
	measurement, err := Measure(strings.NewReader("program"))
	require.NoError(t, err)
	d, err := New(Config{Root: root, Measurement: measurement, Instance: "alice", Now: now})
	require.NoError(t, err)
	return d, root, measurement
}

func policyFor(root *Root, m attest.Measurement) attest.Policy {
	return attest.Policy{
		Roots: [][]byte{root.DER()}, Measurements: []attest.Measurement{m}, AllowSimulated: true,
		MaxSize: attest.MaxDocument, MaxAge: time.Minute, MaxSkew: time.Minute,
	}
}

func TestADocumentVerifiesForAsLongAsTheDeviceRuns(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now := start
	d, root, measurement := device(t, func() time.Time { return now })
	pool := x509.NewCertPool()
	pool.AddCert(root.certificate)
	for hours := 0; hours < 24*60; hours += 17 {
		now = start.Add(time.Duration(hours) * time.Hour)
		binding := attest.Binding{ChainID: "tkms-dev", Party: "alice", Type: attest.DevNitro, RecentHeight: int64(hours)}
		digest := binding.Digest()
		document, err := nsm.Attest(d, digest[:])
		require.NoError(t, err)
		claims, err := attest.Verify(nitro.NewSimulated(), document, policyFor(root, measurement), &binding, now)
		require.NoError(t, err, attest.Reason(err))
		require.True(t, claims.Simulated)
		require.Contains(t, claims.Module, "SIMULATED-alice")
		_, err = nitrite.Verify(document, nitrite.VerifyOptions{Roots: pool, CurrentTime: now})
		require.NoError(t, err)
		_, err = nitro.New().Verify(document, attest.Policy{Measurements: []attest.Measurement{measurement}, MaxSize: attest.MaxDocument, MaxAge: time.Minute}, now)
		require.ErrorIs(t, err, attest.ErrAttestation, "a simulated device is never taken for hardware")
	}
}

func TestTheSameSeedGivesTheSameRoot(t *testing.T) {
	a, err := NewRoot(seed)
	require.NoError(t, err)
	b, err := NewRoot(seed)
	require.NoError(t, err)
	require.Equal(t, a.DER(), b.DER())
	other, err := NewRoot(bytes.Repeat([]byte{8}, SeedSize))
	require.NoError(t, err)
	require.NotEqual(t, a.DER(), other.DER())
	require.Contains(t, a.certificate.Subject.CommonName, "SIMULATED")
	_, err = NewRoot(seed[1:])
	require.Error(t, err)
}

func TestRegistersFollowTheRulesOfTheHardware(t *testing.T) {
	d, _, measurement := device(t, time.Now)
	response, err := d.Send(nsm.DescribeRegister{Index: 0})
	require.NoError(t, err)
	require.Equal(t, measurement[0][:], response.Value)
	require.True(t, response.Locked)
	_, err = d.Send(nsm.ExtendRegister{Index: 0, Data: []byte("x")})
	require.ErrorIs(t, err, nsm.ErrReadOnly)
	_, err = d.Send(nsm.ExtendRegister{Index: 15, Data: []byte("x")})
	require.ErrorIs(t, err, nsm.ErrReadOnly)

	response, err = d.Send(nsm.ExtendRegister{Index: 16, Data: []byte("configuration")})
	require.NoError(t, err)
	want := Extend([48]byte{}, []byte("configuration"))
	require.Equal(t, want[:], response.Value)
	document := func() *attest.Claims {
		raw, err := nsm.Attest(d, nil)
		require.NoError(t, err)
		claims, err := nitro.NewSimulated().Verify(raw, policyFor(d.root, measurement), time.Now())
		require.NoError(t, err, attest.Reason(err))
		return claims
	}
	require.Nil(t, document().Registers[16], "an open register is not reported")
	_, err = d.Send(nsm.LockRegister{Index: 16})
	require.NoError(t, err)
	require.Equal(t, want[:], document().Registers[16])
	_, err = d.Send(nsm.ExtendRegister{Index: 16, Data: []byte("again")})
	require.ErrorIs(t, err, nsm.ErrReadOnly)

	for _, request := range []nsm.Request{nsm.DescribeRegister{Index: 32}, nsm.ExtendRegister{Index: -1}, nsm.Attestation{UserData: make([]byte, 1025)}} {
		_, err = d.Send(request)
		require.ErrorIs(t, err, nsm.ErrInput)
	}
	_, err = d.Send(nil)
	require.ErrorIs(t, err, nsm.ErrOperation)
	first, err := d.Send(nsm.GetRandom{})
	require.NoError(t, err)
	second, err := d.Send(nsm.GetRandom{})
	require.NoError(t, err)
	require.NotEqual(t, first.Random, second.Random)
	require.NoError(t, d.Close())
	_, err = d.Send(nsm.GetRandom{})
	require.ErrorIs(t, err, nsm.ErrClosed)
}

func TestTheMeasurementIsThatOfTheExecutable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(path, []byte("program"), 0o600))
	fromFile, err := MeasureFile(path)
	require.NoError(t, err)
	fromBytes, err := Measure(strings.NewReader("program"))
	require.NoError(t, err)
	require.Equal(t, fromBytes, fromFile)
	other, err := Measure(strings.NewReader("program."))
	require.NoError(t, err)
	require.NotEqual(t, fromBytes[0], other[0])
	_, err = MeasureFile(path + ".missing")
	require.ErrorIs(t, err, os.ErrNotExist)
	// As on hardware without a second ramdisk; seen in real documents.
	require.Equal(t, "21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c10edb30948c90ba67310f7b964fc500a", hexOf(other[2]))
}

func hexOf(m [48]byte) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for _, v := range m {
		b.WriteByte(digits[v>>4])
		b.WriteByte(digits[v&15])
	}
	return b.String()
}

func TestADeviceNeedsItsParts(t *testing.T) {
	root, err := NewRoot(seed)
	require.NoError(t, err)
	for _, cfg := range []Config{
		{Now: time.Now, Instance: "a"}, {Root: root, Instance: "a"}, {Root: root, Now: time.Now},
		{Root: root, Now: time.Now, Instance: strings.Repeat("a", 65)},
	} {
		_, err := New(cfg)
		require.Error(t, err)
	}
}
