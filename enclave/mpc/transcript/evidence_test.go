package transcript_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

var openedIn = mpc.Hash("session of openings")

// opened is what n parties send to open runs of shared values, with one party's
// share of one element off by a bit.
type opened struct {
	code   *sharing.Code
	ids    []*mpc.Identity
	layout transcript.Layout
	leaves [][][]byte // by party
	signed []transcript.Signed
	batch  uint32
	phase  transcript.Phase
}

func open(t testing.TB, n, d, cheat, run, element int) *opened {
	t.Helper()
	code, err := sharing.New(n, sharing.Threshold(n), d)
	require.NoError(t, err)
	o := &opened{
		code: code, ids: mpctest.Identities(t, n), leaves: make([][][]byte, n+1), signed: make([]transcript.Signed, n+1),
		layout: transcript.Layout{Degree: d, Runs: []transcript.Run{{K: 17, Count: 200}, {K: 5, Count: 3}, {K: 64, Count: 130}, {K: 128, Count: 129}}},
		batch:  7, phase: transcript.PhaseOpenings,
	}
	random := mpctest.Random(uint64(n))
	for r, spec := range o.layout.Runs {
		secrets := make([]wide.Word, spec.Count)
		for i := range secrets {
			secrets[i] = wide.Word{Lo: uint64(r*1000 + i)}
		}
		vectors, err := code.DealWide(random, code.T(), secrets)
		require.NoError(t, err)
		for i, v := range vectors {
			if i+1 == cheat && r == run {
				v[element*d] = v[element*d].Add(wide.Word{Lo: 1}.Shl(spec.K - 1))
			}
			o.leaves[i+1] = o.layout.AppendLeaves(o.leaves[i+1], r, wide.AppendPacked(nil, v, spec.K))
		}
	}
	for i := 1; i <= n; i++ {
		o.sign(i)
	}
	return o
}

// sign signs what the party sends.
func (o *opened) sign(i int) {
	st := transcript.Statement{
		Session: openedIn, Batch: o.batch, Phase: o.phase, Layout: o.layout.Digest(), Party: i, Root: merkle.Root(o.leaves[i]),
	}
	o.signed[i] = transcript.Signed{Root: st.Root, Signature: o.ids[i].Sign(st.Digest())}
}

func (o *opened) share(t testing.TB, i, run, element int) transcript.Share {
	t.Helper()
	s, err := transcript.NewShare(o.layout, o.leaves[i], i, o.signed[i].Signature, run, element)
	require.NoError(t, err)
	return s
}

// against accuses a party with the shares of n−t others.
func (o *opened) against(t testing.TB, culprit, run, element int) transcript.WrongOpening {
	t.Helper()
	w := transcript.WrongOpening{
		Batch: o.batch, Phase: o.phase, Layout: o.layout, Run: run, Element: element, Wrong: o.share(t, culprit, run, element),
	}
	for i := 1; len(w.Good) < o.code.Quorum(); i++ {
		if i != culprit {
			w.Good = append(w.Good, o.share(t, i, run, element))
		}
	}
	return w
}

func TestAWrongOpeningConvictsItsSenderWhateverTheRing(t *testing.T) {
	for _, c := range []struct{ n, d int }{{4, 4}, {4, 5}, {7, 4}, {10, 4}, {13, 4}} {
		for run, element := range []int{150, 2, 129, 128} {
			o := open(t, c.n, c.d, c.n-1, run, element)
			w := o.against(t, c.n-1, run, element)
			raw, err := w.MarshalBinary()
			require.NoError(t, err)
			read, err := transcript.UnmarshalWrongOpening(raw)
			require.NoError(t, err)
			require.Equal(t, w, read)
			culprit, err := read.Verify(openedIn, o.code, o.ids[1].Verify)
			require.NoError(t, err)
			require.Equal(t, c.n-1, culprit)
		}
	}
}

func TestNobodyIsConvictedOfAnOpeningByLess(t *testing.T) {
	for _, n := range []int{4, 7} {
		culprit := n - 1
		for name, spoil := range map[string]func(*opened, *transcript.WrongOpening){
			"a right share":       func(o *opened, w *transcript.WrongOpening) { *w = o.against(t, culprit, 0, 4) },
			"an honest party":     func(o *opened, w *transcript.WrongOpening) { *w = o.against(t, 1, 0, 3) },
			"another element":     func(_ *opened, w *transcript.WrongOpening) { w.Element = 4 },
			"another run":         func(_ *opened, w *transcript.WrongOpening) { w.Run = 1 },
			"no element":          func(_ *opened, w *transcript.WrongOpening) { w.Element = 200 },
			"another batch":       func(_ *opened, w *transcript.WrongOpening) { w.Batch++ },
			"another phase":       func(_ *opened, w *transcript.WrongOpening) { w.Phase = transcript.PhaseVector },
			"another layout":      func(_ *opened, w *transcript.WrongOpening) { w.Layout.Runs[1].Count++ },
			"one share too few":   func(_ *opened, w *transcript.WrongOpening) { w.Good = w.Good[1:] },
			"one share too many":  func(_ *opened, w *transcript.WrongOpening) { w.Good = append(w.Good, w.Wrong) },
			"one party twice":     func(_ *opened, w *transcript.WrongOpening) { w.Good[1] = w.Good[0] },
			"the accused as good": func(_ *opened, w *transcript.WrongOpening) { w.Good[0] = w.Wrong },
			"a stranger":          func(o *opened, w *transcript.WrongOpening) { w.Good[0].Party = o.code.N() + 1 },
			"another signature":   func(_ *opened, w *transcript.WrongOpening) { w.Wrong.Signature = w.Good[0].Signature },
			"a share made up":     func(_ *opened, w *transcript.WrongOpening) { w.Good[0].Leaf[0] ^= 1 },
			"a root made up":      func(_ *opened, w *transcript.WrongOpening) { w.Wrong.Path[0][0] ^= 1 },
			"good ones that differ": func(o *opened, w *transcript.WrongOpening) {
				bent := w.Good[0].Party // a second liar among those that are to prove it
				o.leaves[bent][1] = bytes.Clone(o.leaves[bent][1])
				o.leaves[bent][1][(150-128)*4*17/8] ^= 4
				o.sign(bent)
				w.Good[0] = o.share(t, bent, 0, 150)
			},
			"vectors of degree 2t": func(o *opened, w *transcript.WrongOpening) {
				o.phase = transcript.PhaseVector
				for i := 1; i <= n; i++ {
					o.sign(i)
				}
				*w = o.against(t, culprit, 0, 150)
			},
		} {
			o := open(t, n, 4, culprit, 0, 150)
			w := o.against(t, culprit, 0, 150)
			_, err := w.Verify(openedIn, o.code, o.ids[1].Verify)
			require.NoError(t, err)
			w.Wrong.Leaf, w.Good = bytes.Clone(w.Wrong.Leaf), slices.Clone(w.Good)
			w.Good[0].Leaf, w.Layout.Runs = bytes.Clone(w.Good[0].Leaf), slices.Clone(w.Layout.Runs)
			spoil(o, &w)
			_, err = w.Verify(openedIn, o.code, o.ids[1].Verify)
			require.ErrorIs(t, err, transcript.ErrEvidence, "n=%d: %s", n, name)
		}
		o := open(t, n, 4, culprit, 0, 150)
		_, err := o.against(t, culprit, 0, 150).Verify(mpc.Hash("another session"), o.code, o.ids[1].Verify)
		require.ErrorIs(t, err, transcript.ErrEvidence)
	}
}

// equivocation is what party 3 signs twice.
func equivocation(t testing.TB, n int, phase transcript.Phase) (transcript.Equivocation, *opened) {
	o := open(t, n, 4, 0, 0, 0)
	e := transcript.Equivocation{Batch: 9, Phase: phase, Party: 3}
	for i := range e.Signed {
		if phase != transcript.PhaseEcho {
			e.Layouts[i] = o.layout.Digest()
		}
		st := transcript.Statement{Session: openedIn, Batch: 9, Phase: phase, Layout: e.Layouts[i], Party: 3, Root: mpc.Hash("root", []byte{byte(i)})}
		e.Signed[i] = transcript.Signed{Root: st.Root, Signature: o.ids[3].Sign(st.Digest())}
	}
	return e, o
}

func TestTwoRootsOfOneKindConvictTheirSigner(t *testing.T) {
	for _, n := range []int{4, 7} {
		for _, phase := range []transcript.Phase{transcript.PhaseVector, transcript.PhaseEcho, transcript.PhaseOpenings} {
			e, o := equivocation(t, n, phase)
			raw, err := e.MarshalBinary()
			require.NoError(t, err)
			read, err := transcript.UnmarshalEquivocation(raw)
			require.NoError(t, err)
			require.Equal(t, e, read)
			culprit, err := read.Verify(openedIn, o.code, o.ids[1].Verify)
			require.NoError(t, err)
			require.Equal(t, 3, culprit)
		}
	}
}

func TestOneLayoutTooManyConvictsAsARootDoes(t *testing.T) {
	e, o := equivocation(t, 4, transcript.PhaseVector)
	e.Layouts[1] = mpc.Hash("another layout")
	e.Signed[1].Root = e.Signed[0].Root
	st := transcript.Statement{Session: openedIn, Batch: 9, Phase: e.Phase, Layout: e.Layouts[1], Party: 3, Root: e.Signed[1].Root}
	e.Signed[1].Signature = o.ids[3].Sign(st.Digest())
	culprit, err := e.Verify(openedIn, o.code, o.ids[1].Verify)
	require.NoError(t, err)
	require.Equal(t, 3, culprit)
}

func TestNobodyIsConvictedOfEquivocationByLess(t *testing.T) {
	for name, spoil := range map[string]func(*transcript.Equivocation){
		"one statement twice": func(e *transcript.Equivocation) { e.Signed[1] = e.Signed[0] },
		"another batch":       func(e *transcript.Equivocation) { e.Batch++ },
		"another phase":       func(e *transcript.Equivocation) { e.Phase = transcript.PhaseOpenings },
		"no phase":            func(e *transcript.Equivocation) { e.Phase = 4 },
		"another party":       func(e *transcript.Equivocation) { e.Party = 2 },
		"party 0":             func(e *transcript.Equivocation) { e.Party = 0 },
		"a stranger":          func(e *transcript.Equivocation) { e.Party = 5 },
		"a layout made up":    func(e *transcript.Equivocation) { e.Layouts[0][0] ^= 1 },
		"a root made up":      func(e *transcript.Equivocation) { e.Signed[1].Root[0] ^= 1 },
		"a signature made up": func(e *transcript.Equivocation) { e.Signed[0].Signature[0] ^= 1 },
	} {
		e, o := equivocation(t, 4, transcript.PhaseVector)
		spoil(&e)
		_, err := e.Verify(openedIn, o.code, o.ids[1].Verify)
		require.ErrorIs(t, err, transcript.ErrEvidence, name)
	}
	e, o := equivocation(t, 4, transcript.PhaseVector)
	_, err := e.Verify(mpc.Hash("another session"), o.code, o.ids[1].Verify)
	require.ErrorIs(t, err, transcript.ErrEvidence)
}

func FuzzEquivocation(f *testing.F) {
	e, _ := equivocation(f, 4, transcript.PhaseVector)
	raw, err := e.MarshalBinary()
	require.NoError(f, err)
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := transcript.UnmarshalEquivocation(raw)
		if err != nil {
			require.ErrorIs(t, err, transcript.ErrEvidence)
			return
		}
		again, err := e.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, raw, again)
	})
}

func FuzzWrongOpening(f *testing.F) {
	o := open(f, 4, 4, 2, 1, 1)
	raw, err := o.against(f, 2, 1, 1).MarshalBinary()
	require.NoError(f, err)
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		w, err := transcript.UnmarshalWrongOpening(raw)
		if err != nil {
			require.ErrorIs(t, err, transcript.ErrEvidence)
			return
		}
		again, err := w.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, raw, again)
		if _, err := w.Verify(openedIn, o.code, o.ids[1].Verify); err != nil {
			require.ErrorIs(t, err, transcript.ErrEvidence)
		}
	})
}
