package keygen

import (
	"fmt"
	"testing"

	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// stepBytesOf returns what a party sends to each other one in a step.
func stepBytesOf(parts []tfhe.Part, s step, d int) int {
	total := 0
	for _, c := range s.chunks {
		q := parts[c.part]
		switch s.Stage {
		case StageProducts:
			total += productSection(q, c.first, c.count).VectorBytes(d)
		case StageNoise:
			total += noiseSection(q, c.first, c.count).VectorBytes(d)
		case StageRows:
			total += elements(c.count*q.BodyWords()) * d * int(q.Width) / 8
		}
	}
	return total
}

func TestStepsCoverEveryPartOnceAndStayBelowTheLimit(t *testing.T) {
	for _, p := range []tfhe.Parameters{tfhe.Production(), tfhe.ProductionCompute(), tfhe.ProductionPKE(), tfhe.Test()} {
		for _, mode := range []Mode{Exact, PRSS} {
			for _, d := range []int{4, 5} {
				for _, limit := range []int{minStepBytes, 40_000, defaultStepBytes, maxStepBytes} {
					checkPlan(t, fmt.Sprint(p.Name, mode, d, limit), p.Parts(), mode, d, limit)
				}
			}
		}
	}
}

func checkPlan(t *testing.T, name string, parts []tfhe.Part, mode Mode, d, limit int) {
	t.Helper()
	made := map[Stage]map[int]int{StageProducts: {}, StageNoise: {}, StageRows: {}}
	names, last := map[string]bool{}, StageSecrets
	for _, s := range newPlan(parts, mode, d, limit) {
		if names[s.Name] || s.Stage < last || s.Weight <= 0 || s.Offline != (s.Stage < StageSeed) {
			t.Fatalf("%s: step %+v", name, s.Step)
		}
		names[s.Name], last = true, s.Stage
		if bytes := stepBytesOf(parts, s, d); bytes > limit && len(s.chunks) > 1 {
			t.Errorf("%s: %s sends %d bytes in %d runs", name, s.Name, bytes, len(s.chunks))
		}
		for _, c := range s.chunks {
			q := parts[c.part]
			if done := made[s.Stage][c.part]; c.first != done || c.count < 1 {
				t.Fatalf("%s: %s has items %d+%d after %d", name, s.Name, c.first, c.count, done)
			}
			made[s.Stage][c.part] += c.count
			// What shares an element or a product is in one step.
			if s.Stage == StageRows && (c.first%rowUnit(q) != 0 || c.first*q.BodyWords()%packing != 0) || s.Stage == StageNoise && c.first%packing != 0 {
				t.Errorf("%s: %s is cut at %d", name, s.Name, c.first)
			}
		}
	}
	for i, q := range parts {
		products, noise := 0, 0
		if q.Kind == tfhe.PartGGSW {
			products = q.Inputs
			for level := 1; level <= int(q.Levels); level++ {
				if productBits(q)+q.Exponent(level) < q.Width {
					t.Errorf("%s: products of %v lose bits at level %d", name, q.Component, level)
				}
			}
		}
		if mode == Exact && q.Width == 64 {
			noise = q.Rows() * q.BodyWords()
		}
		if made[StageProducts][i] != products || made[StageNoise][i] != noise || made[StageRows][i] != q.Rows() {
			t.Errorf("%s: %v has %d products, %d samples, %d rows", name, q.Component, made[StageProducts][i], made[StageNoise][i], made[StageRows][i])
		}
	}
}

func TestTheProductionSetTakesWhatItsDesignSays(t *testing.T) {
	parts, d := tfhe.Production().Parts(), 4
	var products, bits, opened, peak int
	for _, s := range newPlan(parts, Exact, d, defaultStepBytes) {
		for _, c := range s.chunks {
			switch q := parts[c.part]; s.Stage {
			case StageProducts:
				section := productSection(q, c.first, c.count)
				products += section.Count
				peak = max(peak, section.MemoryBytes(4, d))
			case StageNoise:
				section := noiseSection(q, c.first, c.count)
				bits += section.Count * int(section.Noise)
				peak = max(peak, section.MemoryBytes(4, d))
			}
		}
		if s.Stage == StageRows {
			opened += stepBytesOf(parts, s, d)
		}
	}
	if products != 9_617_408 {
		t.Errorf("%d products", products)
	}
	if bits < 293_000_000 || bits > 295_000_000 {
		t.Errorf("%d bits of noise", bits)
	}
	if opened < 511_000_000 || opened > 512_000_000 { // each word of the bodies is sent once to each party
		t.Errorf("%d bytes opened", opened)
	}
	if peak > 100<<20 {
		t.Errorf("an offline section takes %d bytes", peak)
	}
}

func TestPackedElementsShowNothingButFourIntegers(t *testing.T) {
	word := func(x uint64) wide.Word { return wide.Word{Lo: x} }
	for _, d := range []int{4, 5} {
		narrow, broad := make([]uint64, 2*d), make([]wide.Word, 2*d)
		narrow[1], broad[1] = 7, word(7)
		if b := littleEndian(vector{narrow: narrow}, d, 64); len(b) != 2*packing*8 || b[8] != 7 {
			t.Errorf("d=%d: %x", d, b)
		}
		if b := littleEndian(vector{wide: broad}, d, 65); len(b) != 2*packing*wide.Size || b[wide.Size] != 7 {
			t.Errorf("d=%d: %x", d, b)
		}
		narrow[2*d-1], broad[2*d-1] = 1, word(1)
		if b := littleEndian(vector{narrow: narrow}, d, 64); (b == nil) != (d > packing) {
			t.Errorf("d=%d: %x", d, b)
		}
		if b := littleEndian(vector{wide: broad}, d, 65); (b == nil) != (d > packing) {
			t.Errorf("d=%d: %x", d, b)
		}
	}
}
