package jobs_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/hostchain"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
)

// replace has another epoch serve the host chain.
func (b *bench) replace() {
	b.chain.set(func() { b.chain.epoch, b.chain.taken = b.chain.epoch+1, b.chain.taken+1 })
}

func (b *bench) opened() (count int) {
	b.chain.set(func() { count = b.chain.opened })
	return count
}

func TestAResultOfPartiesWhoWereReplacedIsFetchedAgain(t *testing.T) {
	b := setUp(t, nil)
	job := b.until(b.submit(nil, handle(1)).ID, done)
	require.EqualValues(t, 1, job.Result.EpochID)
	b.chain.set(b.chain.pay)
	require.Equal(t, jobs.Succeeded, b.submit(nil, handle(1)).State)
	require.Equal(t, 1, b.opened())

	b.replace()
	require.Equal(t, jobs.Working, b.submit(nil, handle(1)).State)
	job = b.until(job.ID, done)
	require.Equal(t, jobs.Succeeded, job.State)
	require.EqualValues(t, 2, job.Result.EpochID)
	require.EqualValues(t, 2, job.Result.Attempt)
	require.Equal(t, 2, b.opened())
	b.restart()
	require.Equal(t, jobs.Succeeded, b.submit(nil, handle(1)).State)
	require.Equal(t, 2, b.opened(), "the result of now is as good as any")
}

func TestARequestThatTKMSHasNotPaidForIsAskedAgainOnceItHas(t *testing.T) {
	b := setUp(t, nil)
	job := b.until(b.submit(nil, handle(1)).ID, done)
	b.replace()
	sent := b.chain.count()
	b.submit(nil, handle(1))
	time.Sleep(50 * time.Millisecond)
	require.Equal(t, sent, b.chain.count(), "it would cost gas for nothing")
	b.chain.set(b.chain.pay)
	job = b.until(job.ID, done)
	require.EqualValues(t, 2, job.Result.EpochID)
}

func TestAUserIsGivenSharesOfThePartiesThatTheHostChainNames(t *testing.T) {
	b := setUp(t, nil)
	request := b.ask(nil)
	job := b.until(b.submitUser(request, handle(1)).ID, done)
	b.chain.set(b.chain.pay)
	b.replace()
	require.Equal(t, jobs.Working, b.submitUser(request, handle(1)).State)
	job = b.until(job.ID, done)
	require.EqualValues(t, 2, job.Result.EpochID)
}

func TestACallbackThatMeetsNewSignersIsMadeAgainWithTheirResult(t *testing.T) {
	for name, test := range map[string]struct {
		change func(b *bench)
		met    func(b *bench, id string)
	}{
		"refused before it is sent": {func(b *bench) { b.carrier.failure = []error{hostchain.ErrRefused} }, func(b *bench, _ string) {
			require.Eventually(t, func() bool {
				b.carrier.mu.Lock()
				defer b.carrier.mu.Unlock()
				return len(b.carrier.calls) == 1
			}, time.Minute, time.Millisecond)
		}},
		"reverted in its block": {func(b *bench) { b.carrier.revert = true }, func(b *bench, id string) {
			b.until(id, func(j *jobs.Job) bool { return j.Carries[0].State == jobs.CarryReverted })
			b.carrier.mu.Lock()
			defer b.carrier.mu.Unlock()
			b.carrier.revert = false
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := setUp(t, func(b *bench) { test.change(b); b.chain.pending = true })
			job := b.submit(&dApp, handle(1))
			// The contract has the new signers already; TKMS is shown a moment later.
			test.met(b, job.ID)
			b.chain.set(b.chain.pay)
			b.replace()
			b.chain.set(func() { b.chain.pending = false })
			job = b.until(job.ID, func(j *jobs.Job) bool { return j.State == jobs.Succeeded && j.Carries[0].State == jobs.CarrySucceeded })
			require.EqualValues(t, 2, job.Result.EpochID)
			require.Len(t, b.carrier.calls, 2)
		})
	}
}
