package keygen

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// Stage is what a step is for.
type Stage uint8

// The stages, in their order.
const (
	// StageSecrets makes the bits of all secrets, in one step.
	StageSecrets Stage = iota
	// StageProducts makes outer products for the GGSW ciphertexts.
	StageProducts
	// StageNoise makes the exact noise.
	StageNoise
	// StageSeed opens the seed of the masks, in one step.
	StageSeed
	// StageFactors opens what turns the outer products into those of the secrets.
	StageFactors
	// StageRows opens the bodies.
	StageRows
)

// String returns the stage's name.
func (s Stage) String() string {
	return [...]string{"secrets", "products", "noise", "seed", "factors", "rows"}[s]
}

// Offline reports whether the stage needs no agreement on the ones before.
func (s Stage) Offline() bool { return s <= StageNoise }

// Step is a session of an attempt.
type Step struct {
	// Name is unique in the attempt.
	Name  string
	Stage Stage
	// Weight is about the microseconds that it takes one core of each party of four.
	Weight int64
	// Offline steps are made by a *preproc.Machine, the others by an *Opening.
	Offline bool
}

// chunk is a range of what a part consists of: input bits (products), samples
// (noise) or rows.
type chunk struct{ part, first, count int }

// step is a Step and what it makes. A step of StageSecrets, StageSeed or StageFactors
// makes all there is of it.
type step struct {
	Step
	chunks []chunk
}

// Bounds of the bytes that a step's openings take, for Config.StepBytes.
const (
	minStepBytes     = 1 << 10
	maxStepBytes     = 6 << 20
	defaultStepBytes = 3 << 20
)

// packing is the number of integers opened at a time, whatever the ring's degree is.
const packing = preproc.Pack

// elements returns the elements that count integers are opened with.
func elements(count int) int { return (count + packing - 1) / packing }

// planner cuts an attempt into steps.
type planner struct {
	parts []tfhe.Part
	d     int
	limit int
	steps []step
}

// newPlan returns the steps of an attempt at a set with the parts over rings of degree
// d, of which none opens more than about limit bytes.
func newPlan(parts []tfhe.Part, mode Mode, d, limit int) []step {
	p := &planner{parts: parts, d: d, limit: limit}
	p.steps = append(p.steps, step{Step: newStep(StageSecrets, 0, 20_000)})
	p.cut(StageProducts, func(q tfhe.Part) (unit, int) {
		if q.Kind != tfhe.PartGGSW {
			return unit{}, 0
		}
		one := productSection(q, 0, 1)
		return unit{1, one.VectorBytes(d), productsCost(q)}, q.Inputs
	})
	p.cut(StageNoise, func(q tfhe.Part) (unit, int) {
		if !exactNoise(q, mode) {
			return unit{}, 0
		}
		one := noiseSection(q, 0, sampleUnit)
		return unit{sampleUnit, one.VectorBytes(d), float64(one.Count) * float64(one.Noise) * bitCost}, q.Rows() * q.BodyWords()
	})
	p.steps = append(p.steps, step{Step: newStep(StageSeed, 0, 1_000)})
	if len(factored(parts)) > 0 {
		p.steps = append(p.steps, step{Step: newStep(StageFactors, 0, 5_000)})
	}
	p.cut(StageRows, func(q tfhe.Part) (unit, int) {
		rows := rowUnit(q)
		return unit{rows, elements(rows*q.BodyWords()) * d * int(q.Width) / 8, float64(rows) * rowCost(q)}, q.Rows()
	})
	return p.steps
}

// Costs in microseconds of a core, measured for four parties: a bit of exact noise, a
// product, a word of a mask, 8 bytes of a body. They are only used to show progress.
const (
	bitCost         = 0.13
	productCost     = 0.25
	wideProductCost = 0.45
	keySwitchCost   = 0.015
	maskCost        = 0.08
	wideMaskCost    = 0.13
	bodyCost        = 0.03
)

func productsCost(q tfhe.Part) float64 {
	products := float64(q.Polynomials * q.Degree)
	if productBits(q) > 64 {
		return products * wideProductCost
	}
	return products * productCost
}

func rowCost(q tfhe.Part) float64 {
	mask, body := float64(q.MaskWords()), float64(q.BodyWords())*bodyCost
	switch {
	case q.Kind == tfhe.PartLWE:
		return mask*keySwitchCost + body
	case q.Width > 64:
		return mask*wideMaskCost + 2*body
	}
	return mask*maskCost + body
}

// sampleUnit is what noise is cut into multiples of.
const sampleUnit = 64

// rowsPerBit returns the rows of a GGSW ciphertext, of one input bit.
func rowsPerBit(q tfhe.Part) int { return int(q.Levels) * (q.Polynomials + 1) }

// rowUnit returns the rows that are not separated: those that share products, or
// share elements.
func rowUnit(q tfhe.Part) int {
	switch q.Kind {
	case tfhe.PartGGSW:
		return rowsPerBit(q)
	case tfhe.PartLWE:
		return packing
	}
	return 1
}

// productBits returns K of a part's products: the gadget's multiples of these need no
// more bits.
func productBits(q tfhe.Part) uint { return uint(q.BaseLog * q.Levels) }

// exactNoise reports whether a part's noise is made of shared bits.
func exactNoise(q tfhe.Part, mode Mode) bool { return mode == Exact && q.Width == 64 }

// factored returns the indices of the parts that are made of products.
func factored(parts []tfhe.Part) []int {
	var out []int
	for i, q := range parts {
		if q.Kind == tfhe.PartGGSW {
			out = append(out, i)
		}
	}
	return out
}

// unit is what a stage is cut into: so many items, which open so many bytes and take
// so many microseconds.
type unit struct {
	items, bytes int
	cost         float64
}

func newStep(stage Stage, number int, weight float64) Step {
	name := stage.String()
	if stage == StageProducts || stage == StageNoise || stage == StageRows {
		name = fmt.Sprintf("%s/%d", stage, number)
	}
	return Step{Name: name, Stage: stage, Weight: int64(weight) + 1, Offline: stage.Offline()}
}

// cut adds the steps of a stage. For each part, of says what its units are and how
// many items there are; small parts share a step.
func (p *planner) cut(stage Stage, of func(tfhe.Part) (unit, int)) {
	var open []chunk
	room, weight, number := p.limit, 0., 0
	flush := func() {
		if len(open) > 0 {
			p.steps = append(p.steps, step{Step: newStep(stage, number, weight), chunks: open})
			open, room, weight, number = nil, p.limit, 0, number+1
		}
	}
	for i, q := range p.parts {
		u, total := of(q)
		for first := 0; first < total; {
			units := min(room/u.bytes, (total-first+u.items-1)/u.items)
			if units <= 0 && len(open) > 0 {
				flush()
				continue
			}
			units = max(units, 1)
			count := min(units*u.items, total-first)
			open = append(open, chunk{i, first, count})
			room -= units * u.bytes
			weight += float64(units) * u.cost
			first += count
		}
	}
	flush()
}
