package enginebench

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// series is a line of a plot.
type series struct {
	name string
	xs   []float64
	ys   []float64
}

// plot is a diagram with two logarithmic axes.
type plot struct {
	title, note, xLabel, yLabel string
	// xTicks are the marks of the x axis, and its ends.
	xTicks []float64
	lines  []series
}

// WritePlots writes the plots of the tables into a folder, a file each.
func (s *Scaling) WritePlots(dir string) error {
	for name, p := range s.plots() {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(p.svg()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (s *Scaling) plots() map[string]plot {
	note := fmt.Sprintf("%s, %d CPUs for all processes, TLS over loopback, load average %s before", s.Date, s.CPUs, s.LoadBefore)
	online := plot{title: "Latency from stock", note: note, xLabel: "blocks in a session", yLabel: "milliseconds"}
	total := plot{title: "Latency with the offline phase", note: note, xLabel: online.xLabel, yLabel: online.yLabel}
	rate := plot{title: "Throughput of sessions, with the offline phase", note: note, xLabel: online.xLabel, yLabel: "blocks a second"}
	bulk := plot{
		title: "Throughput in batches of " + number(batchBlocks) + " blocks", note: note, xLabel: "parties", yLabel: "blocks a second",
		lines: []series{{name: "from stock"}, {name: "with offline"}},
	}
	parties := plot{
		title: "Latency of a euint64", note: note, xLabel: bulk.xLabel, yLabel: online.yLabel,
		lines: []series{{name: "from stock"}, {name: "with offline"}},
	}
	for _, n := range s.Bulk {
		var o, t, r series
		o.name = fmt.Sprintf("n = %d", n.Parties)
		t.name, r.name = o.name, o.name
		for _, p := range s.Points {
			if p.Parties == n.Parties {
				x := float64(p.Blocks)
				o.add(x, p.OnlineMS)
				t.add(x, p.TotalMS)
				r.add(x, x/p.TotalMS*1000)
				if p.Blocks == euint64Blocks {
					parties.lines[0].add(float64(p.Parties), p.OnlineMS)
					parties.lines[1].add(float64(p.Parties), p.TotalMS)
				}
			}
		}
		online.lines, total.lines, rate.lines = append(online.lines, o), append(total.lines, t), append(rate.lines, r)
		bulk.lines[0].add(float64(n.Parties), n.Online)
		bulk.lines[1].add(float64(n.Parties), n.Total)
		bulk.xTicks = append(bulk.xTicks, float64(n.Parties))
	}
	parties.xTicks = bulk.xTicks
	for _, p := range []*plot{&online, &total, &rate} {
		p.xTicks = []float64{1, 10, 100, 1000, 10_000}
	}
	return map[string]plot{
		"engine-latency-stock.svg": online, "engine-latency-offline.svg": total,
		"engine-throughput-blocks.svg": rate, "engine-throughput-parties.svg": bulk,
		"engine-latency-parties.svg": parties,
	}
}

func (s *series) add(x, y float64) { s.xs, s.ys = append(s.xs, x), append(s.ys, y) }

// The drawing area in the picture, in pixels.
const (
	width, height            = 720, 440
	left, right, top, bottom = 76, 628, 64, 372
	// labelHeight is the least distance of two names of lines.
	labelHeight = 16
)

// style has colours that stand out from both backgrounds; the picture carries its
// background, since a page may be of the other kind than the reader's system.
const style = `
svg{--back:#ffffff;--ink:#1f2328;--soft:#59636e;--grid:#d9dee3;--c0:#0072b2;--c1:#c04a00;--c2:#007a5a;--c3:#a8408c;--c4:#7a5c00;--c5:#444444}
@media (prefers-color-scheme:dark){svg{--back:#0d1117;--ink:#e6edf3;--soft:#9198a1;--grid:#30363d;--c0:#56b4e9;--c1:#ff9a57;--c2:#3fcf9f;--c3:#e58fcb;--c4:#e3c04a;--c5:#c0c0c0}}
text{font-family:system-ui,-apple-system,"Segoe UI",sans-serif;font-size:13px;fill:var(--ink)}
.title{font-size:16px;font-weight:600}.soft{font-size:12px;fill:var(--soft)}
.grid{stroke:var(--grid);stroke-width:1}.minor{stroke:var(--grid);stroke-width:.4}
.line{fill:none;stroke-width:2;stroke-linejoin:round}
`

// colours is the number of colours in style.
const colours = 6

// svg draws the plot.
func (p plot) svg() string {
	var b strings.Builder
	xLow, xHigh := p.xTicks[0], p.xTicks[len(p.xTicks)-1]
	yLow, yHigh := p.decades()
	x := func(v float64) float64 { return left + (right-left)*ratio(v, xLow, xHigh) }
	y := func(v float64) float64 { return bottom - (bottom-top)*ratio(v, yLow, yHigh) }
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">`, width, height, html.EscapeString(p.title))
	fmt.Fprintf(&b, "<style>%s</style>\n<rect width=\"100%%\" height=\"100%%\" fill=\"var(--back)\"/>\n", style)
	fmt.Fprintf(&b, "<text class=\"title\" x=\"%d\" y=\"28\">%s</text><text class=\"soft\" x=\"%d\" y=\"47\">%s</text>\n", left, html.EscapeString(p.title), left, html.EscapeString(p.note))
	for _, v := range p.xTicks {
		fmt.Fprintf(&b, "<path class=\"grid\" d=\"M%.1f %dV%d\"/><text text-anchor=\"middle\" x=\"%.1f\" y=\"%d\">%s</text>\n", x(v), top, bottom, x(v), bottom+20, number(v))
	}
	for decade := yLow; decade <= yHigh*1.001; decade *= 10 {
		fmt.Fprintf(&b, "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text text-anchor=\"end\" x=\"%d\" y=\"%.1f\">%s</text>\n", left, y(decade), right, left-8, y(decade)+4, number(decade))
		for m := 2.0; m < 10 && decade*m < yHigh; m++ {
			fmt.Fprintf(&b, "<path class=\"minor\" d=\"M%d %.1fH%d\"/>\n", left, y(decade*m), right)
		}
	}
	fmt.Fprintf(&b, "<text text-anchor=\"middle\" x=\"%d\" y=\"%d\">%s</text>\n", (left+right)/2, height-22, html.EscapeString(p.xLabel))
	fmt.Fprintf(&b, "<text text-anchor=\"middle\" transform=\"translate(18 %d) rotate(-90)\">%s</text>\n", (top+bottom)/2, html.EscapeString(p.yLabel))
	places := p.labels(y)
	for i, line := range p.lines {
		colour := fmt.Sprintf("var(--c%d)", i%colours)
		var path strings.Builder
		for k := range line.xs {
			fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(k, 1)], x(line.xs[k]), y(line.ys[k]))
		}
		fmt.Fprintf(&b, "<path class=\"line\" stroke=\"%s\" d=\"%s\"/>", colour, path.String())
		for k := range line.xs {
			fmt.Fprintf(&b, "<circle r=\"3\" fill=\"%s\" cx=\"%.1f\" cy=\"%.1f\"/>", colour, x(line.xs[k]), y(line.ys[k]))
		}
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%.1f\" style=\"fill:%s\">%s</text>\n", right+10, places[i]+4, colour, html.EscapeString(line.name))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// decades returns the powers of ten around all values.
func (p plot) decades() (low, high float64) {
	low, high = math.Inf(1), 0
	for _, line := range p.lines {
		for _, v := range line.ys {
			low, high = min(low, v), max(high, v)
		}
	}
	return math.Pow10(int(math.Floor(math.Log10(low)))), math.Pow10(int(math.Ceil(math.Log10(high))))
}

// labels returns the heights of the lines' names: at their last points, moved apart
// where these are close.
func (p plot) labels(y func(float64) float64) []float64 {
	out, order := make([]float64, len(p.lines)), make([]int, len(p.lines))
	for i, line := range p.lines {
		order[i], out[i] = i, y(line.ys[len(line.ys)-1])
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(out[a], out[b]) })
	for k := 1; k < len(order); k++ {
		out[order[k]] = max(out[order[k]], out[order[k-1]]+labelHeight)
	}
	return out
}

// ratio returns where v lies between low and high on a logarithmic axis.
func ratio(v, low, high float64) float64 {
	if low == high {
		return 0.5
	}
	return math.Log(v/low) / math.Log(high/low)
}

// number writes a mark of an axis.
func number(v float64) string {
	if v < 1 {
		return fmt.Sprintf("%g", v)
	}
	digits := fmt.Sprintf("%.0f", v)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
