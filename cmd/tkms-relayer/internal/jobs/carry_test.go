package jobs_test

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/hostchain"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
	aclclient "github.com/tkms-network/tkms/x/acl/client"
	"github.com/tkms-network/tkms/x/kms/handles"
)

var (
	dApp  = common.Address{0xda}
	other = common.Address{0x0e}
)

// carried tells that all callbacks of a job have an outcome.
func carried(j *jobs.Job) bool {
	for _, c := range j.Carries {
		if c.State == jobs.CarryPending || c.State == jobs.CarrySent {
			return false
		}
	}
	return done(j)
}

func TestTheResultIsCarriedToEachContractOnce(t *testing.T) {
	b := setUp(t, nil)
	job := b.submit(&dApp, handle(1))
	job = b.until(job.ID, carried)
	require.Equal(t, jobs.CarrySucceeded, job.Carries[0].State)
	require.EqualValues(t, 7, job.Carries[0].Block)
	require.Empty(t, job.Carries[0].Raw)
	require.Equal(t, [][]byte{{0}, {1}, {3}}, b.carrier.results[0].Signatures)
	require.Equal(t, []handles.Handle{handle(1)}, b.carrier.results[0].Handles)

	b.submit(&dApp, handle(1))
	b.submit(&other, handle(1))
	job = b.until(job.ID, func(j *jobs.Job) bool { return len(j.Carries) == 2 && carried(j) })
	require.Equal(t, []common.Address{dApp, other}, b.carrier.calls)
	require.Equal(t, 1, b.chain.count())
	b.restart()
	kept, err := b.manager.Get(job.ID)
	require.NoError(t, err)
	require.Equal(t, job.Carries, kept.Carries)
}

func TestARefusedCallbackSaysWhyAndMayBeAskedForAgain(t *testing.T) {
	b := setUp(t, func(b *bench) { b.carrier.failure = []error{hostchain.ErrRefused} })
	job := b.until(b.submit(&dApp, handle(1)).ID, carried)
	require.Equal(t, jobs.Succeeded, job.State, "the plaintext is there all the same")
	require.Equal(t, jobs.CarryRefused, job.Carries[0].State)
	require.Equal(t, hostchain.ErrRefused.Error(), job.Carries[0].Error)
	b.submit(&dApp, handle(1))
	job = b.until(job.ID, func(j *jobs.Job) bool { return j.Carries[0].State == jobs.CarrySucceeded })
	require.Empty(t, job.Carries[0].Error)
}

func TestACallbackThatRevertsInItsBlockIsReported(t *testing.T) {
	b := setUp(t, func(b *bench) { b.carrier.revert = true })
	job := b.until(b.submit(&dApp, handle(1)).ID, carried)
	require.Equal(t, jobs.CarryReverted, job.Carries[0].State)
}

func TestANodeThatTakesNoTransactionIsTriedAgain(t *testing.T) {
	b := setUp(t, func(b *bench) { b.carrier.failure = []error{hostchain.ErrNotSent, aclclient.ErrNode} })
	job := b.until(b.submit(&dApp, handle(1)).ID, carried)
	require.Equal(t, jobs.CarrySucceeded, job.Carries[0].State)
	require.Len(t, b.carrier.calls, 3)
}

func TestACallbackUnderWayIsFollowedAfterARestart(t *testing.T) {
	b := setUp(t, func(b *bench) { b.carrier.mined = false })
	job := b.submit(&dApp, handle(1))
	b.until(job.ID, func(j *jobs.Job) bool { return len(j.Carries) > 0 && j.Carries[0].State == jobs.CarrySent })
	b.restart()
	require.Eventually(t, func() bool {
		b.carrier.mu.Lock()
		defer b.carrier.mu.Unlock()
		return b.carrier.resent == 1
	}, time.Minute, time.Millisecond)
	b.carrier.mu.Lock()
	b.carrier.mined = true
	b.carrier.mu.Unlock()
	job = b.until(job.ID, carried)
	require.Equal(t, jobs.CarrySucceeded, job.Carries[0].State)
	require.Len(t, b.carrier.calls, 1, "it is not sent twice")
}

func TestACallbackThatGetsIntoNoBlockEnds(t *testing.T) {
	b := setUp(t, func(b *bench) { b.carrier.mined, b.cfg.CarryTimeout = false, 100*time.Millisecond })
	job := b.until(b.submit(&dApp, handle(1)).ID, carried)
	require.Equal(t, jobs.CarryRefused, job.Carries[0].State)
	require.Contains(t, job.Carries[0].Error, "in no block")
}

func TestCallbacksAreBoundedAndNeedAnAccount(t *testing.T) {
	b := setUp(t, func(b *bench) { b.carrier.mined = false })
	for i := range 8 {
		b.submit(&common.Address{byte(i + 1)}, handle(1))
	}
	_, err := b.manager.Submit([]handles.Handle{handle(1)}, &dApp)
	require.ErrorIs(t, err, jobs.ErrTooManyCarries)

	b = setUp(t, func(b *bench) { b.cfg.Carrier = nil })
	_, err = b.manager.Submit([]handles.Handle{handle(1)}, &dApp)
	require.ErrorIs(t, err, jobs.ErrNoCarrier)
}
