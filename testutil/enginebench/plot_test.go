package enginebench

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func sampleScaling() *Scaling {
	s := &Scaling{Date: "2026-01-02", CPUs: 2, Variant: "tree"}
	for _, n := range []int{1, 4, 7} {
		for _, blocks := range scalingBlocks {
			ms := float64(n) * (0.5 + float64(blocks)/100)
			s.Points = append(s.Points, Point{Parties: n, Blocks: blocks, OnlineMS: ms, TotalMS: 2 * ms})
		}
		s.Bulk = append(s.Bulk, BulkPoint{Parties: n, Online: 9e4 / float64(n), Total: 5e4 / float64(n)})
	}
	return s
}

func TestPlotsAreWellFormedAndLabelled(t *testing.T) {
	dir := t.TempDir()
	s := sampleScaling()
	require.NoError(t, s.WritePlots(dir))
	for name, p := range s.plots() {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		decoder, texts := xml.NewDecoder(bytes.NewReader(raw)), map[string]bool{}
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err, name)
			if text, ok := token.(xml.CharData); ok {
				texts[string(text)] = true
			}
		}
		want := []string{p.title, p.note, p.xLabel, p.yLabel}
		for _, v := range p.xTicks {
			want = append(want, number(v))
		}
		for _, line := range p.lines {
			want = append(want, line.name)
		}
		for _, text := range want {
			require.True(t, texts[text], "%s lacks %q", name, text)
		}
	}
	require.Len(t, s.plots()["engine-latency-stock.svg"].lines, 3)
	byParties := s.plots()["engine-latency-parties.svg"].lines
	require.Equal(t, []float64{1, 4, 7}, byParties[0].xs)
	for i, n := range byParties[0].xs {
		require.InDelta(t, n*(0.5+0.32), byParties[0].ys[i], 1e-9)
		require.InDelta(t, 2*n*(0.5+0.32), byParties[1].ys[i], 1e-9)
	}
}

func TestNamesOfLinesDoNotOverlap(t *testing.T) {
	p := plot{lines: []series{{ys: []float64{5}}, {ys: []float64{5.01}}, {ys: []float64{900}}, {ys: []float64{4.99}}}}
	places := p.labels(func(v float64) float64 { return v })
	for i, a := range places {
		for _, b := range places[:i] {
			require.GreaterOrEqual(t, max(a, b)-min(a, b), float64(labelHeight))
		}
	}
	low, high := p.decades()
	require.InDelta(t, 1, low, 0)
	require.InDelta(t, 1000, high, 0)
}

func TestMarksAreWrittenForPeople(t *testing.T) {
	require.Equal(t, "0.1", number(0.1))
	require.Equal(t, "100", number(100))
	require.Equal(t, "10,000", number(10_000))
	require.Equal(t, "1,000,000", number(1e6))
}

func TestTheTableOfScalingHasAllPoints(t *testing.T) {
	var out bytes.Buffer
	s := sampleScaling()
	s.Points = s.Points[1:]
	s.Bulk[2].Dealt = true
	require.NoError(t, s.WriteText(&out))
	require.Regexp(t, `blocks +\| +n = 1 +n = 4 +n = 7, dealt\n`, out.String())
	require.Regexp(t, `1 +\| +- +2\.04 / 4\.08 +3\.57 / 7\.14`, out.String())
	require.Regexp(t, `blocks/s +\| +90000 / 50000`, out.String())
}
