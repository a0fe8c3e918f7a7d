package noise

import (
	"errors"
	"fmt"
	"math"

	"github.com/tkms-network/tkms/enclave/tfhe"
)

// ErrMeasured reports measured noise that the model does not explain.
var ErrMeasured = errors.New("noise: what was measured is not what the model says")

// Statistics sums up measured noise. The zero value is ready to use.
type Statistics struct {
	count              int
	sum, squares, most float64
}

// Add takes in one sample, as a signed number of units of the last place.
func (s *Statistics) Add(sample float64) {
	s.count++
	s.sum += sample
	s.squares += sample * sample
	s.most = max(s.most, math.Abs(sample))
}

// Merge takes in all samples of other.
func (s *Statistics) Merge(other Statistics) {
	s.count += other.count
	s.sum += other.sum
	s.squares += other.squares
	s.most = max(s.most, other.most)
}

// Count returns the number of samples.
func (s *Statistics) Count() int { return s.count }

// Mean returns the mean, 0 of no samples.
func (s *Statistics) Mean() float64 { return s.sum / math.Max(1, float64(s.count)) }

// Variance returns the mean square, 0 of no samples: noise has mean 0.
func (s *Statistics) Variance() float64 { return s.squares / math.Max(1, float64(s.count)) }

// Most returns the largest size.
func (s *Statistics) Most() float64 { return s.most }

// Log2RMS returns the binary logarithm of the root of the mean square.
func (s *Statistics) Log2RMS() float64 { return math.Log2(s.Variance()) / 2 }

// deviations is how many standard deviations of the estimate may lie between what
// was measured and the model: 2^-40 of honest measurements are refused.
const deviations = 7.1

// Measured compares the noise measured in a component of a key set with the model: mean,
// variance, and the bound that no sample may exceed. The error is [ErrMeasured].
// Fewer than 100 samples say nothing and are refused.
//
// The kurtosis of TUniform is 9/5, that of a sum of uniform samples below 3, so that
// the variance of the estimated variance V is at most 2·V²/count.
func (m *Model) Measured(c tfhe.Component, s *Statistics) error {
	const least = 100
	variance, bound := m.Key(c)
	if variance == 0 || s.count < least {
		return fmt.Errorf("component %v: %d samples: %w", c, s.count, ErrMeasured)
	}
	if s.most > bound {
		return fmt.Errorf("component %v: a sample of 2^%.2f, at most 2^%.2f is possible: %w", c, math.Log2(s.most), math.Log2(bound), ErrMeasured)
	}
	return s.compare(fmt.Sprintf("component %v", c), variance)
}

// Compare compares measured noise of ciphertexts, normally distributed, with a
// variance of the model. The error, naming what was measured, is [ErrMeasured].
func (s *Statistics) Compare(what string, variance float64) error {
	if s.count == 0 {
		return fmt.Errorf("%s: no samples: %w", what, ErrMeasured)
	}
	return s.compare(what, variance)
}

func (s *Statistics) compare(what string, variance float64) error {
	count := float64(s.count)
	if limit := deviations * math.Sqrt(variance/count); math.Abs(s.Mean()) > limit {
		return fmt.Errorf("%s: the mean of %d samples is %.4g, more than %.4g: %w", what, s.count, s.Mean(), limit, ErrMeasured)
	}
	if spread := deviations * math.Sqrt(2/count); math.Abs(s.Variance()/variance-1) > spread {
		return fmt.Errorf("%s: rms 2^%.3f of %d samples, want 2^%.3f: %w", what, s.Log2RMS(), s.count, math.Log2(variance)/2, ErrMeasured)
	}
	return nil
}
