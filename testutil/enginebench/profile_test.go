package enginebench

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"runtime/pprof"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

func zipped(t testing.TB, raw []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(raw)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

// varint appends a number's field, message one with bytes.
func varint(b []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

func message(b []byte, field protowire.Number, body []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), body)
}

// handmade is a profile with a sample for each list of functions, of weights 1, 2, ….
func handmade(samples ...[]string) []byte {
	raw := message(nil, profileStrings, nil)
	id := uint64(0)
	for weight, functions := range samples {
		var body, packed []byte
		for _, name := range functions {
			id++
			raw = message(raw, profileStrings, []byte(name))
			raw = message(raw, profileFunction, varint(varint(nil, functionID, id), functionName, id))
			raw = message(raw, profileLocation, message(varint(nil, locationID, id), locationLine, varint(nil, lineFunction, id)))
			packed = protowire.AppendVarint(packed, id)
		}
		body = message(body, sampleLocation, packed)
		body = message(body, sampleValue, protowire.AppendVarint(protowire.AppendVarint(nil, 1), uint64(weight+1)))
		raw = message(raw, profileSample, body)
	}
	return raw
}

func TestSamplesGoToTheirGroups(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cpu.pprof")
	raw := handmade(
		[]string{"syscall.write", "crypto/tls.(*Conn).Write", module + "enclave/transport.(*link).write"}, // 1
		[]string{"crypto/internal/fips140/aes/gcm.seal", "crypto/tls.(*Conn).Write"},                      // 2
		[]string{"crypto/internal/fips140/aes.ctr", module + "enclave/prss.(*Source).Draw"},               // 3
		[]string{"main.main"}, // 4
	)
	require.NoError(t, os.WriteFile(path, zipped(t, raw), 0o600))
	shares, err := groupFile(path)
	require.NoError(t, err)
	require.Equal(t, []Share{{"system calls", 10}, {"TLS records", 20}, {"PRSS", 30}, {otherGroup, 40}}, shares)
}

func TestAProfileOfTheRuntimeIsRead(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, pprof.StartCPUProfile(&out))
	total := 0
	for start := time.Now(); time.Since(start) < 100*time.Millisecond; {
		total += spin()
	}
	pprof.StopCPUProfile()
	require.Positive(t, total)
	stacks, err := parseProfile(out.Bytes())
	require.NoError(t, err)
	for _, s := range stacks { // none at all on a machine that gave this process no time
		require.Positive(t, s.value)
		require.NotEmpty(t, s.functions)
	}
}

//go:noinline
func spin() int {
	n := 1
	for i := range 1000 {
		n += i * n & 3
	}
	return n
}

func TestMalformedProfilesAreRefused(t *testing.T) {
	for name, raw := range map[string][]byte{
		"nothing":          nil,
		"not zipped":       {1, 2, 3},
		"cut":              zipped(t, []byte{0x0a, 5, 1}),
		"without a weight": zipped(t, message(nil, profileSample, varint(nil, sampleLocation, 1))),
	} {
		_, err := parseProfile(raw)
		require.ErrorIs(t, err, ErrProfile, name)
	}
}

func FuzzParseProfile(f *testing.F) {
	f.Add(handmade([]string{"a", "b"}, []string{"c"}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := parseProfile(zipped(t, raw)); err != nil {
			require.ErrorIs(t, err, ErrProfile)
		}
	})
}
