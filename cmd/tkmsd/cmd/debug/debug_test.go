package debug_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/tkmsd/cmd/debug"
	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/fault"
)

const vectors = "../../../../enclave/tfhe/testdata/"

// run executes "debug" with args as the root command would.
func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := debug.NewDebugCmd()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(append([]string{"threshold-decrypt"}, args...))
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestThresholdDecryptPrintsTypesValuesAndCulprits(t *testing.T) {
	out, err := run(t, "--client-key", vectors+"node/client_key.bin", "--parties", "4", "--faults", "p2=bad-share",
		vectors+"node/sk_bool.bin", vectors+"node/exp_packed_FheUint8.bin", vectors+"node/list_packed.bin")
	require.NoError(t, err)
	require.Contains(t, out, "p2 is bad-share")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 3+2+9+6)
	want := [][2]string{
		{"ebool", "true"}, {"euint8", "200"}, {"ebool", "true"}, {"euint4", "9"}, {"euint8", "200"}, {"euint16", "54321"},
		{"euint32", "3735928559"}, {"euint64", "81985529216486895"}, {"euint128", "1512366075204170929049582354406559215"},
		{"euint160", "730750818665451459101842416358141509827966276148"},
		{"euint256", "57896044618658097711785492504343953926634992332820282019728792003956564820087"},
	}
	for i, line := range lines[3:][:len(want)] {
		fields := strings.Fields(line)
		require.Equal(t, want[i], [2]string{fields[1], fields[2]})
	}
	found := lines[3+len(want):]
	require.Equal(t, []string{"offline", "p1,p3,p4", "p2", "(wrong-vector)", "-", "-", vectors + "node/sk_bool.bin"}, strings.Fields(found[2]))
	require.Equal(t, []string{"p2", "(wrong-opening)", "-", "-", "11", "values"}, strings.Fields(found[3])[2:])
	require.Equal(t, "excluded from the offline phase since: p2", found[5])
}

func TestThresholdDecryptTakesEveryFormOfACoprocessor(t *testing.T) {
	rust := vectors + "rs/test/"
	out, err := run(t, "--client-key", rust+"client_key.bin", "--parameters", tfhe.NameTest, "--parties", "4",
		rust+"euint8_mul.bin", rust+"compressed_euint8_mul.bin", rust+"squashed_euint8_mul.bin", rust+"packed_euint8_mul.bin",
		rust+"squashed_ebool_and.bin")
	require.NoError(t, err)
	lines := strings.Split(out, "\n")
	for i, want := range [][2]string{{"euint8", "203"}, {"euint8", "203"}, {"euint8", "203"}, {"euint8", "203"}, {"ebool", "true"}} {
		fields := strings.Fields(lines[2+i])
		require.Equal(t, want, [2]string{fields[1], fields[2]}, out)
	}
}

func TestThresholdDecryptSpeaksJSON(t *testing.T) {
	out, err := run(t, "--client-key", vectors+"node/client_key.bin", "--parties", "7", "--faults", "p3=silent,p6=equivocate",
		"--type", "euint4", "--output", "json", vectors+"node/exp_packed_FheUint4.bin")
	require.NoError(t, err)
	var report struct {
		Parties, Threshold int
		Faults             map[string]string
		Excluded           []int
		Values             []struct {
			Type, Value, Key string
			LWEs             int `json:"lwe_ciphertexts"`
			Offline, Online  struct {
				MS                                float64
				Runs                              int
				Right, Culprits, Suspects, Absent []int
				Evidence                          []struct {
					Party int
					Kind  string
				}
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Equal(t, 7, report.Parties)
	require.Equal(t, 2, report.Threshold)
	require.Equal(t, map[string]string{"p3": "silent", "p6": "equivocate"}, report.Faults)
	require.Len(t, report.Values, 1)
	v := report.Values[0]
	require.Equal(t, "euint4", v.Type)
	require.Equal(t, "9", v.Value)
	require.Equal(t, "compute", v.Key)
	require.Equal(t, 2, v.LWEs)
	require.Equal(t, []int{3}, v.Offline.Absent)
	require.Equal(t, []int{6}, v.Offline.Culprits)
	require.Equal(t, []int{3, 6}, report.Excluded)
	require.Positive(t, v.Online.MS)
	require.Equal(t, []int{6}, v.Online.Culprits)
	require.Equal(t, []int{3}, v.Online.Absent)
	require.Empty(t, v.Online.Suspects)
	require.Equal(t, 6, v.Online.Evidence[0].Party)
	require.GreaterOrEqual(t, len(v.Online.Right), 5)
}

func TestThresholdDecryptRefusesWithAHint(t *testing.T) {
	key, ciphertext := vectors+"node/client_key.bin", vectors+"node/sk_u8.bin"
	cut := filepath.Join(t.TempDir(), "cut.bin")
	data, err := os.ReadFile(ciphertext)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(cut, data[:1000], 0o600))
	for name, c := range map[string]struct {
		args   []string
		reason error
	}{
		"missing key file":       {[]string{"--client-key", "nowhere", ciphertext}, os.ErrNotExist},
		"public key as key":      {[]string{"--client-key", vectors + "node/compact_pk.bin", ciphertext}, tfhe.ErrKind},
		"key of another set":     {[]string{"--client-key", key, "--parameters", tfhe.NameTest, ciphertext}, tfhe.ErrParameters},
		"unknown set":            {[]string{"--client-key", key, "--parameters", "x", ciphertext}, tfhe.ErrUnknownParameters},
		"another type":           {[]string{"--client-key", key, "--type", "euint16", ciphertext}, tfhe.ErrType},
		"several values":         {[]string{"--client-key", key, "--type", "euint8", vectors + "node/list_packed.bin"}, tfhe.ErrType},
		"unknown type":           {[]string{"--client-key", key, "--type", "euint9", ciphertext}, tfhe.ErrUnknownType},
		"key as ciphertext":      {[]string{"--client-key", key, key}, tfhe.ErrKind},
		"truncated ciphertext":   {[]string{"--client-key", key, cut}, tfhe.ErrTruncated},
		"five parties":           {[]string{"--client-key", key, "--parties", "5", ciphertext}, mpc.ErrParties},
		"fault of a party there": {[]string{"--client-key", key, "--faults", "p5=silent", ciphertext}, fault.ErrKind},
		"unknown format":         {[]string{"--client-key", key, "--output", "xml", ciphertext}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := run(t, c.args...)
			require.Error(t, err)
			if c.reason != nil {
				require.ErrorIs(t, err, c.reason)
			}
			require.Empty(t, out)
			var hint interface{ Hint() string }
			require.ErrorAs(t, err, &hint)
			require.NotEmpty(t, hint.Hint())
		})
	}
	_, err = run(t, ciphertext)
	require.ErrorContains(t, err, "client-key")
}
