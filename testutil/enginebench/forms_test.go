package enginebench

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAValueIsDecryptedInEveryFormAndItsBytesAreShown(t *testing.T) {
	in := testInput(t)
	shape, err := Tree.Shape(0)
	require.NoError(t, err)
	for _, n := range []int{1, 4} {
		b := &bench{o: &Options{Repeats: 2, Progress: io.Discard}, fleet: testFleet(t, n, 0, in), in: in, shape: shape, out: &Network{Parties: n}}
		require.NoError(t, b.forms())
		sizes := map[string]int{}
		for _, f := range b.out.Forms {
			sizes[f.Name] = f.Bytes
			require.Positive(t, f.Engine.P50)
			require.Equal(t, n > 1, f.Engine.BytesPerBlock > 0)
		}
		require.Len(t, b.out.Forms, 6, "the two forms mod 2^128 in two ways")
		require.Greater(t, sizes["FheUint64"], 500_000)
		require.Less(t, sizes["CompressedCiphertextList"], 4000)
		var text bytes.Buffer
		report := &Report{Networks: []Network{*b.out}}
		require.NoError(t, report.WriteText(&text))
		require.Equal(t, 2, strings.Count(text.String(), wayFlooded+" "))
		require.Contains(t, text.String(), "528101")
	}
}
