package jobs_test

import (
	"context"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/coprocessor"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
)

// copro accepts inputs, after failures if there are any.
type copro struct {
	mu       sync.Mutex
	failures []error
	inputs   []jobs.Input
	reject   bool
}

func (c *copro) Verify(_ context.Context, input *jobs.Input) (*jobs.Proven, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inputs = append(c.inputs, *input)
	if len(c.failures) > 0 {
		err := c.failures[0]
		if len(c.failures) > 1 {
			c.failures = c.failures[1:]
		}
		if err != nil {
			return nil, err
		}
	}
	if c.reject {
		return &jobs.Proven{}, nil
	}
	return &jobs.Proven{Accepted: true, Handles: []common.Hash{common.Hash(handle(1))}, Signatures: [][]byte{make([]byte, 65)}}, nil
}

func input(seed byte) *jobs.Input {
	return &jobs.Input{ChainID: hostChain, Contract: dApp, User: other, Ciphertext: []byte{seed, 2}, ExtraData: []byte{0}}
}

func (b *bench) submitInput(input *jobs.Input) *jobs.Job {
	b.Helper()
	job, err := b.manager.SubmitInput(input)
	require.NoError(b, err)
	return job
}

func TestAnInputIsHandedToTheCoprocessor(t *testing.T) {
	b := setUp(t, nil)
	job := b.submitInput(input(1))
	require.Equal(t, jobs.InputProof, job.Kind)
	job = b.until(job.ID, done)
	require.Equal(t, jobs.Succeeded, job.State)
	require.Equal(t, []common.Hash{common.Hash(handle(1))}, job.Proven.Handles)
	require.Nil(t, job.Input, "its bytes are not kept")
	require.Equal(t, *input(1), b.copro.inputs[0])
	require.Zero(t, b.chain.count())

	require.Equal(t, job.ID, b.submitInput(input(1)).ID)
	require.Len(t, b.copro.inputs, 1)
	require.NotEqual(t, job.ID, b.submitInput(input(2)).ID)
	changed := input(1)
	changed.User = dApp
	require.NotEqual(t, job.ID, b.submitInput(changed).ID)
}

func TestACoprocessorThatDoesNotAnswerIsAskedAgain(t *testing.T) {
	b := setUp(t, func(b *bench) { b.copro.failures = []error{coprocessor.ErrUnreachable, coprocessor.ErrBadAnswer, nil} })
	require.Equal(t, jobs.Succeeded, b.until(b.submitInput(input(1)).ID, done).State)
	require.Len(t, b.copro.inputs, 3)

	b = setUp(t, func(b *bench) { b.copro.failures, b.cfg.Readiness = []error{coprocessor.ErrUnreachable}, 0 })
	require.Equal(t, jobs.ReasonCoprocessor, b.until(b.submitInput(input(1)).ID, done).Failure.Reason)
}

func TestAnInputThatTheCoprocessorDoesNotTakeSaysSo(t *testing.T) {
	b := setUp(t, func(b *bench) { b.copro.failures = []error{coprocessor.ErrRefused} })
	require.Equal(t, jobs.ReasonInputRefused, b.until(b.submitInput(input(1)).ID, done).Failure.Reason)
	require.Len(t, b.copro.inputs, 1)

	b = setUp(t, func(b *bench) { b.copro.reject = true })
	job := b.until(b.submitInput(input(1)).ID, done)
	require.Equal(t, jobs.Succeeded, job.State)
	require.False(t, job.Proven.Accepted)
}

func TestInputsNeedACoprocessor(t *testing.T) {
	b := setUp(t, func(b *bench) { b.cfg.Coprocessor = nil })
	_, err := b.manager.SubmitInput(input(1))
	require.ErrorIs(t, err, jobs.ErrNoCoprocessor)
}
