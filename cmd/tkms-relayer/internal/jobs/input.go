package jobs

import (
	"context"
	"errors"
	"time"
)

// ErrNoCoprocessor reports an input that this relayer can hand to nobody.
var ErrNoCoprocessor = errors.New("this relayer has no coprocessor to hand inputs to")

// handOver has the coprocessor verify an input.
func (m *Manager) handOver(ctx context.Context, input *Input) (outcome, error) {
	if m.cfg.Coprocessor == nil {
		// It had one before the restart.
		return nil, failure(ReasonCoprocessor, "%s", ErrNoCoprocessor)
	}
	proven, err := m.cfg.Coprocessor.Verify(ctx, input)
	if err != nil {
		return nil, err
	}
	return func(j *Job) {
		j.Proven = proven
		j.step(StepProven, time.Now().UTC(), 0)
	}, nil
}

// SubmitInput returns the job of an input, which it makes or starts anew if there is
// none or it failed. Errors: ErrNoCoprocessor, ErrBusy, ErrClosed.
func (m *Manager) SubmitInput(input *Input) (*Job, error) {
	if m.cfg.Coprocessor == nil {
		return nil, ErrNoCoprocessor
	}
	return m.submit(&Job{ID: inputID(input), Kind: InputProof, Input: input}, nil)
}
