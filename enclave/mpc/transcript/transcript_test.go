package transcript_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/ring/wide"
)

var layout = transcript.Layout{Degree: 4, Runs: []transcript.Run{{K: 17, Count: 300}, {K: 1, Count: 1}, {K: 5, Count: 128}, {K: 64, Count: 129}, {K: 72, Count: 130}, {K: 128, Count: 3}}}

// sent returns the elements of all runs and the leaves that they make.
func sent(t *testing.T) (words [][]wide.Word, leaves [][]byte) {
	for i, r := range layout.Runs {
		v := make([]wide.Word, r.Count*layout.Degree)
		for j := range v {
			v[j] = wide.Word{Lo: uint64(i*1000003 + j*7919), Hi: uint64(j * 7907)}.Reduce(r.K)
		}
		packed := wide.AppendPacked(nil, v, r.K)
		require.Len(t, packed, layout.Bytes(i))
		words, leaves = append(words, v), layout.AppendLeaves(leaves, i, packed)
	}
	require.Len(t, leaves, layout.Leaves())
	return words, leaves
}

func TestEveryElementCanBeShownAlone(t *testing.T) {
	words, leaves := sent(t)
	ids := mpctest.Identities(t, 4)
	st := transcript.Statement{Session: mpc.Hash("session"), Batch: 3, Phase: transcript.PhaseVector}
	signed := st
	signed.Layout, signed.Party, signed.Root = layout.Digest(), 2, merkle.Root(leaves)
	signature := ids[2].Sign(signed.Digest())
	for run, r := range layout.Runs {
		for _, element := range []int{0, r.Count / 2, r.Count - 1} {
			s, err := transcript.NewShare(layout, leaves, 2, signature, run, element)
			require.NoError(t, err)
			got, err := s.Element(st, layout, run, element, ids[1].Verify)
			require.NoError(t, err)
			require.Equal(t, words[run][element*4:][:4], got[:4])
			for name, spoil := range map[string]func(*transcript.Share, *transcript.Statement){
				"session":   func(_ *transcript.Share, st *transcript.Statement) { st.Session[0] ^= 1 },
				"batch":     func(_ *transcript.Share, st *transcript.Statement) { st.Batch++ },
				"phase":     func(_ *transcript.Share, st *transcript.Statement) { st.Phase = transcript.PhaseOpenings },
				"party":     func(s *transcript.Share, _ *transcript.Statement) { s.Party = 3 },
				"leaf":      func(s *transcript.Share, _ *transcript.Statement) { s.Leaf = append(bytes.Clone(s.Leaf[1:]), 0) },
				"path":      func(s *transcript.Share, _ *transcript.Statement) { s.Path = s.Path[1:] },
				"long path": func(s *transcript.Share, _ *transcript.Statement) { s.Path = append(s.Path, merkle.Hash{}) },
				"signature": func(s *transcript.Share, _ *transcript.Statement) { s.Signature = ids[1].Sign(st.Digest()) },
			} {
				s, st := s, st
				spoil(&s, &st)
				_, err := s.Element(st, layout, run, element, ids[1].Verify)
				require.ErrorIs(t, err, transcript.ErrShare, name)
			}
		}
	}
	other := layout
	other.Runs = append([]transcript.Run{{K: 17, Count: 299}}, layout.Runs[1:]...)
	s, err := transcript.NewShare(layout, leaves, 2, signature, 0, 0)
	require.NoError(t, err)
	_, err = s.Element(st, other, 0, 0, ids[1].Verify)
	require.ErrorIs(t, err, transcript.ErrShare)
	_, err = s.Element(st, layout, 0, 300, ids[1].Verify)
	require.ErrorIs(t, err, transcript.ErrLayout)
}

func FuzzLayout(f *testing.F) {
	raw, err := layout.MarshalBinary()
	require.NoError(f, err)
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := transcript.UnmarshalLayout(raw)
		if err != nil {
			require.ErrorIs(t, err, transcript.ErrLayout)
			return
		}
		again, err := l.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, raw, again)
	})
}
