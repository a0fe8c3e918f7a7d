package trialcache

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/enclave/tfhe/evaluate"
	"github.com/tkms-network/tkms/testutil/clientkey"
)

var keyID = mpc.Digest{1, 2, 3}

// memory is a file in memory.
type memory []byte

func (m memory) WriteAt(b []byte, at int64) (int, error) { return copy(m[at:], b), nil }

var made []evaluate.Trial

// computed returns the trials of a fixed key set by fixed coins, which nobody changes.
func computed(t testing.TB) []evaluate.Trial {
	t.Helper()
	if made == nil {
		made = compute(t)
	}
	return made
}

func compute(t testing.TB) []evaluate.Trial {
	t.Helper()
	p, coins, seed := tfhe.Test(), rand.NewChaCha8([32]byte{7}), [16]byte{1, 2, 3}
	client, err := clientkey.Generate(coins, p)
	require.NoError(t, err)
	layout, err := p.Layout(tfhe.ObjectXofKeySet, seed)
	require.NoError(t, err)
	file := make(memory, layout.Size())
	require.NoError(t, clientkey.WriteKeySet(coins, client, seed, tfhe.ObjectXofKeySet, file))
	keys, err := tfhe.OpenKeySet(bytes.NewReader(file), layout.Size(), p)
	require.NoError(t, err)
	public, err := keys.CompactPublicKey()
	require.NoError(t, err)
	evaluator, err := evaluate.New(keys, evaluate.Environment{})
	require.NoError(t, err)
	trials, err := evaluate.Check(coins, evaluator, public)
	require.NoError(t, err)
	return trials
}

func newCache(t *testing.T) (c *Cache, folder string, log *bytes.Buffer) {
	t.Helper()
	device, err := seal.NewSimulatedDevice(make(seal.Secret, 32))
	require.NoError(t, err)
	folder = t.TempDir()
	store, err := seal.Open(folder, device, "tkms-test-1", "alice")
	require.NoError(t, err)
	log = &bytes.Buffer{}
	return &Cache{Store: store, Log: slog.New(slog.NewTextHandler(log, nil))}, folder, log
}

func requireSame(t *testing.T, want, got []evaluate.Trial) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		require.Zero(t, want[i].Value.Cmp(got[i].Value))
		want, got := want[i], got[i]
		want.Value, got.Value = nil, nil
		require.Equal(t, want, got)
	}
}

func TestTrialsAreComputedOnceForAKey(t *testing.T) {
	trials := computed(t)
	c, _, log := newCache(t)
	times := 0
	compute := func() ([]evaluate.Trial, error) { times++; return trials, nil }
	for range 3 {
		got, err := c.Trials(keyID, tfhe.Test(), compute)
		require.NoError(t, err)
		requireSame(t, trials, got)
	}
	require.Equal(t, 1, times)
	_, err := c.Trials(mpc.Digest{9}, tfhe.Test(), compute)
	require.NoError(t, err)
	require.Equal(t, 2, times, "another key has others")
	require.Empty(t, log.String())
	require.NoError(t, c.Forget(keyID))
	_, err = c.Trials(keyID, tfhe.Test(), compute)
	require.NoError(t, err)
	require.Equal(t, 3, times)
	failure := errors.New("interrupted")
	_, err = c.Trials(mpc.Digest{8}, tfhe.Test(), func() ([]evaluate.Trial, error) { return nil, failure })
	require.ErrorIs(t, err, failure)
}

func TestTrialsThatWereChangedOnTheDiskAreComputedAnew(t *testing.T) {
	trials := computed(t)
	compute := func() ([]evaluate.Trial, error) { return trials, nil }
	encoded, err := encode(keyID, tfhe.Test(), trials)
	require.NoError(t, err)
	other, err := encode(mpc.Digest{9}, tfhe.Test(), trials)
	require.NoError(t, err)
	for name, spoil := range map[string]func(c *Cache, path string){
		"a bit": func(_ *Cache, path string) {
			raw, err := os.ReadFile(path)
			require.NoError(t, err)
			raw[len(raw)/2] ^= 1
			require.NoError(t, os.WriteFile(path, raw, 0o600))
		},
		"those of another key": func(c *Cache, path string) {
			_, err := c.Trials(mpc.Digest{9}, tfhe.Test(), compute)
			require.NoError(t, err)
			raw, err := os.ReadFile(filepath.Join(filepath.Dir(path), fmt.Sprintf("key-trials.0.%x.sealed", object(mpc.Digest{9}).Key)))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, raw, 0o600))
		},
		"sealed under another name": func(c *Cache, _ string) { require.NoError(t, c.Store.Put(object(keyID), other)) },
		"no ciphertext": func(c *Cache, _ string) {
			require.NoError(t, c.Store.Put(object(keyID), append(bytes.Clone(encoded[:len(encoded)-1]), encoded[len(encoded)-1]+1, 0)))
		},
		"cut off": func(c *Cache, _ string) { require.NoError(t, c.Store.Put(object(keyID), encoded[:len(encoded)-1])) },
		"nothing": func(c *Cache, _ string) { require.NoError(t, c.Store.Put(object(keyID), nil)) },
	} {
		t.Run(name, func(t *testing.T) {
			c, folder, log := newCache(t)
			_, err := c.Trials(keyID, tfhe.Test(), compute)
			require.NoError(t, err)
			paths, err := filepath.Glob(filepath.Join(folder, "*.sealed"))
			require.NoError(t, err)
			require.Len(t, paths, 1)
			spoil(c, paths[0])
			again := false
			got, err := c.Trials(keyID, tfhe.Test(), func() ([]evaluate.Trial, error) { again = true; return trials, nil })
			require.NoError(t, err)
			requireSame(t, trials, got)
			require.True(t, again)
			require.Contains(t, log.String(), "computing them")
			_, err = c.load(keyID, tfhe.Test())
			require.NoError(t, err, "they are kept in place of what was there")
		})
	}
}

func TestADiskThatIsFullCostsTimeOnly(t *testing.T) {
	trials := computed(t)
	c, folder, log := newCache(t)
	require.NoError(t, os.RemoveAll(folder))
	got, err := c.Trials(keyID, tfhe.Test(), func() ([]evaluate.Trial, error) { return trials, nil })
	require.NoError(t, err)
	requireSame(t, trials, got)
	require.Contains(t, log.String(), "not kept")
}

// TestTheTrialsAreThoseOfThisVersion fails when package evaluate computes other trials
// than it did. Then parties with old ones in their caches would decrypt others than the
// rest: raise version, and take the new digest, as printed, for it.
func TestTheTrialsAreThoseOfThisVersion(t *testing.T) {
	h := sha256.New()
	for _, trial := range computed(t) {
		fmt.Fprintf(h, "%s/%s/%d/%v/", trial.Form, trial.Shows, trial.Type, trial.Value)
		h.Write(trial.Ciphertext)
	}
	require.Equal(t, map[int]string{1: "0966f65546084d8a789b4d74c195543a3dc5e2e9031847d24163be9b723be67c"}[version], fmt.Sprintf("%x", h.Sum(nil)))
}

func FuzzDecode(f *testing.F) {
	p := tfhe.Test()
	encoded, err := encode(keyID, p, computed(f)[:1])
	require.NoError(f, err)
	f.Add(encoded[sha256.Size:])
	bound := owner(keyID, p)
	f.Fuzz(func(t *testing.T, raw []byte) {
		whole := append(bytes.Clone(bound[:]), raw...)
		trials, err := decode(keyID, p, whole)
		if err != nil {
			return
		}
		again, err := encode(keyID, p, trials)
		require.NoError(t, err)
		require.True(t, bytes.Equal(whole, again))
	})
}
