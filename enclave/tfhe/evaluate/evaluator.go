package evaluate

import (
	"fmt"
	"sync/atomic"

	"github.com/tkms-network/tkms/enclave/tfhe"
)

// Environment is what a computation is given beside its operands.
type Environment struct {
	// Parallel calls f(0) … f(n−1), some of them at once, and returns when all have
	// returned. Nil calls one after the other.
	Parallel func(n int, f func(i int))
	// Yield is called, from any of them, after at most a few milliseconds of work. It
	// may take its time; an error from it ends the computation with that error. It may
	// be nil.
	Yield func() error
}

// Evaluator computes on ciphertexts with a published key set. It is safe for
// concurrent use if the key set's reader is; the key set must stay open.
type Evaluator struct {
	keys        *tfhe.KeySet
	parameters  tfhe.Parameters
	environment Environment
	rotations   map[tfhe.Component]*rotation
}

// New returns an evaluator with the components that keys has.
func New(keys *tfhe.KeySet, environment Environment) (*Evaluator, error) {
	if environment.Parallel == nil {
		environment.Parallel = func(n int, f func(int)) {
			for i := range n {
				f(i)
			}
		}
	}
	if environment.Yield == nil {
		environment.Yield = func() error { return nil }
	}
	e := &Evaluator{
		keys: keys, parameters: keys.Parameters(), environment: environment,
		rotations: make(map[tfhe.Component]*rotation),
	}
	for _, part := range e.parameters.Parts() {
		if part.Kind != tfhe.PartGGSW {
			continue
		}
		r, err := newRotation(keys, part)
		if err != nil {
			return nil, err
		}
		e.rotations[part.Component] = r
	}
	return e, nil
}

// part returns the description of a component, or [ErrComponent].
func (e *Evaluator) part(c tfhe.Component) (tfhe.Part, error) {
	part, ok := e.parameters.Part(c)
	if !ok || !e.keys.Has(c) {
		return tfhe.Part{}, fmt.Errorf("%w: %v", ErrComponent, c)
	}
	return part, nil
}

// each calls f(0) … f(n−1) as the environment does it, until one of them fails, and
// returns an error of one that did.
func (e *Evaluator) each(n int, f func(i int) error) error {
	var failure atomic.Pointer[error]
	e.environment.Parallel(n, func(i int) {
		if failure.Load() != nil {
			return
		}
		if err := f(i); err != nil {
			failure.CompareAndSwap(nil, &err)
		}
	})
	if err := failure.Load(); err != nil {
		return *err
	}
	return nil
}
