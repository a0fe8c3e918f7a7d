package judge_test

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/enclave/tfhe/noise"
	"github.com/tkms-network/tkms/testutil/clientkey"
	judge "github.com/tkms-network/tkms/testutil/tfhe-rs"
)

// The noise model is of this library: its keys and its results have the noise that the
// model gives them, that of its transforms of floating-point numbers included.
func TestNoiseOfTFHErsIsWhatTheModelSays(t *testing.T) {
	j, ctx := published(t)
	for _, of := range []struct {
		p      tfhe.Parameters
		inputs tfhe.Type
	}{{tfhe.Test(), tfhe.EUint64}, {tfhe.ProductionCompute(), tfhe.EUint16}} {
		keys, err := j.Generate(ctx, of.p.Name, t.Name(), t.TempDir())
		require.NoError(t, err)
		key := readClientKey(t, keys.ClientKey, of.p)
		m, err := noise.New(of.p, noise.Exact, 1)
		require.NoError(t, err)
		made, err := j.Compute(ctx, judge.Task{
			KeySet: keys.XOFKeySet, Types: []tfhe.Type{of.inputs}, Seed: t.Name(), Dir: filepath.Join(t.TempDir(), "made"),
		})
		require.NoError(t, err)
		for form, s := range measured(t, key, of.inputs, made) {
			variance := expected(m, of.p, form, of.inputs.Blocks(of.p))
			t.Logf("%s, %s: rms 2^%.2f of %d, model 2^%.2f", of.p.Name, form, s.Log2RMS(), s.Count(), math.Log2(variance)/2)
			require.NoError(t, s.Compare(form, variance))
		}
	}
}

// expected returns the variance in a form of a bootstrapped value of so many blocks.
func expected(m *noise.Model, p tfhe.Parameters, form string, blocks int) float64 {
	bootstrapped := m.Bootstrapped(tfhe.ComponentBootstrap, false)
	switch form {
	case "compressed":
		v := m.Switched(tfhe.ComponentCompression, blocks, float64(p.CarryModulus*p.CarryModulus)*bootstrapped)
		return v + noise.Rounding(p.Dimension(tfhe.SecretCompression), uint(p.Compression.StorageLog))
	case "decompressed":
		return m.Bootstrapped(tfhe.ComponentDecompression, false)
	case "squashed":
		return m.Bootstrapped(tfhe.ComponentSquashing, false)
	case "packed", "unpacked":
		return m.Switched(tfhe.ComponentSquashingCompression, blocks/2, m.Bootstrapped(tfhe.ComponentSquashing, false))
	default:
		return bootstrapped
	}
}

// measured returns the noise in values of a type, by the form that their files' names
// tell. In lists of all results other noise is expected, and inputs share the coins of
// their list, so that their noise is not independent: both are left out.
func measured(t *testing.T, key *tfhe.ClientKey, of tfhe.Type, files []judge.File) map[string]*noise.Statistics {
	t.Helper()
	forms := map[string]*noise.Statistics{}
	for _, f := range files {
		form, rest, _ := strings.Cut(filepath.Base(f.Path), "_")
		if strings.HasPrefix(form, "euint") {
			form = "bootstrapped"
		}
		for _, c := range decode(t, f, key.Parameters()) {
			if c.Type() != of || rest == "all.bin" || form == "list" {
				continue
			}
			if forms[form] == nil {
				forms[form] = &noise.Statistics{}
			}
			for k := range c.Len() {
				_, e, err := clientkey.DecryptLWE(key, c, k)
				require.NoError(t, err)
				forms[form].Add(e)
			}
		}
	}
	return forms
}

// requireNoise measures the noise in rows of every component, the first and the last
// among them.
func requireNoise(t *testing.T, key *tfhe.ClientKey, set *tfhe.KeySet) {
	t.Helper()
	const samples = 2000
	m, err := noise.New(key.Parameters(), noise.Exact, 1)
	require.NoError(t, err)
	for _, part := range key.Parameters().Parts() {
		rows, err := clientkey.NewRows(key, set.Seed(), part.Component)
		require.NoError(t, err)
		var s noise.Statistics
		step := max(1, part.Rows()*part.BodyWords()/samples)
		for row := 0; row < part.Rows(); row += step {
			addNoise(t, &s, rows, set, row)
		}
		addNoise(t, &s, rows, set, part.Rows()-1)
		require.NoError(t, m.Measured(part.Component, &s))
	}
}

func addNoise(t *testing.T, s *noise.Statistics, rows *clientkey.Rows, set *tfhe.KeySet, row int) {
	t.Helper()
	all, err := rows.Noise(set, row)
	require.NoError(t, err)
	for _, e := range all {
		s.Add(float64(e))
	}
}
