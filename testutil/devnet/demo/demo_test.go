package demo

import (
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/tfhe"
)

func TestValuesAreOfTheirTypeAndFollowFromTheSeed(t *testing.T) {
	draw := func(n uint64) []string {
		r := &run{values: rand.New(rand.NewChaCha8(seed(n)))}
		var out []string
		for _, typ := range DefaultTypes() {
			value := r.random(typ)
			require.True(t, typ.Fits(value), "%s of %s", value, typ)
			out = append(out, value.String())
		}
		return out
	}
	require.Equal(t, draw(7), draw(7))
	require.NotEqual(t, draw(7), draw(8))
}

func TestEveryBitOfAValueMayBeSet(t *testing.T) {
	r := &run{values: rand.New(rand.NewChaCha8(seed(1)))}
	for _, typ := range DefaultTypes() {
		seen := new(big.Int)
		for range 200 {
			seen.Or(seen, r.random(typ))
		}
		require.Equal(t, typ.Bits(), seen.BitLen(), typ)
	}
}

func TestSubsetsAreDistinctAndTheLargestComeFirst(t *testing.T) {
	items := []*item{{}, {}, {}}
	all := subsets(items)
	require.Len(t, all, 7)
	require.Equal(t, items, all[0])
	total := 0
	for i, subset := range all {
		total += len(subset)
		require.True(t, i == 0 || len(subset) <= len(all[i-1]))
	}
	require.Equal(t, 12, total)
}

func TestLongValuesAreShortened(t *testing.T) {
	require.Equal(t, "true", shortValue(tfhe.EBool, big.NewInt(1)))
	require.Equal(t, "12", shortValue(tfhe.EUint8, big.NewInt(12)))
	long := new(big.Int).Lsh(big.NewInt(1), 2047)
	require.Regexp(t, `^\d{8}…\d{8} \(617 digits\)$`, shortValue(tfhe.EUint2048, long))
}

func TestAnEmptyReportHasListsAndNoNulls(t *testing.T) {
	path := filepath.Join(t.TempDir(), "build", "demo.json")
	report := &Report{Simulated: []string{}, Steps: []Step{}, Decryptions: []Decryption{}, Rejections: []Rejection{}}
	require.NoError(t, report.Write(path))
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	var back map[string]any
	require.NoError(t, json.Unmarshal(raw, &back))
	for _, key := range []string{"steps", "decryptions", "rejections"} {
		require.Equal(t, []any{}, back[key])
	}
}

func TestMedianOfAnOddAndAnEmptyList(t *testing.T) {
	require.Equal(t, 2*time.Second, median([]time.Duration{3 * time.Second, time.Second, 2 * time.Second}))
	require.Zero(t, median(nil))
}
