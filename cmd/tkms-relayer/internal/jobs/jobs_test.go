package jobs_test

import (
	"encoding/hex"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
	aclclient "github.com/tkms-network/tkms/x/acl/client"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/client"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

func TestAJobEndsWithTheSignedPlaintext(t *testing.T) {
	b := setUp(t, nil)
	job := b.submit(nil, handle(2), handle(1))
	require.Equal(t, jobs.Working, job.State)
	job = b.until(job.ID, done)
	require.Equal(t, jobs.Succeeded, job.State)
	require.Equal(t, [][]byte{{0}, {1}, {3}}, job.Result.Signatures, "only of parties that agree")
	require.Equal(t, []common.Hash{common.Hash(handle(2)), common.Hash(handle(1))}, job.Result.Handles)
	require.Len(t, job.Result.Plaintext, 64)
	require.Equal(t, []string{"chain"}, job.Result.Simulated)
	require.Contains(t, job.Steps, jobs.StepSent)
	msg := b.chain.sent[0][0].(*kmstypes.MsgRequestPublicDecryption)
	require.EqualValues(t, 77, msg.MaxFee)
	id := handles.RequestID(hostChain, handles.KindPublicDecryption, [32]byte{}, []handles.Handle{handle(2), handle(1)})
	require.Equal(t, hex.EncodeToString(id[:]), job.Result.RequestID)
}

func TestTheSameHandlesAreOneJobWhoeverAsksAndWhen(t *testing.T) {
	b := setUp(t, func(b *bench) { b.prover.hold = make(chan struct{}) })
	var group sync.WaitGroup
	ids := make([]string, 8)
	for i := range ids {
		group.Go(func() {
			job, err := b.manager.Submit([]handles.Handle{handle(1), handle(2)}, nil)
			if err == nil {
				ids[i] = job.ID
			}
		})
	}
	group.Wait()
	close(b.prover.hold)
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
	b.until(ids[0], done)
	require.Equal(t, ids[0], b.submit(nil, handle(1), handle(2)).ID)
	b.restart()
	require.Equal(t, jobs.Succeeded, b.submit(nil, handle(1), handle(2)).State)
	require.Equal(t, 1, b.chain.count())
	require.NotEqual(t, ids[0], b.submit(nil, handle(1)).ID)
	require.NotEqual(t, ids[0], b.submit(nil, handle(2), handle(1)).ID, "signatures are over the order")
}

func TestAJobGoesOnAfterARestart(t *testing.T) {
	b := setUp(t, func(b *bench) { b.chain.silent = true })
	before := b.submit(nil, handle(1))
	b.until(before.ID, func(j *jobs.Job) bool { return b.chain.count() == 1 })
	b.restart()
	b.chain.mu.Lock()
	b.chain.silent = false
	b.chain.mu.Unlock()
	require.Equal(t, jobs.Succeeded, b.until(before.ID, done).State)
	require.Equal(t, 1, b.chain.count(), "the request on chain is found again")
}

func TestWhatTheChainKnowsAlreadyIsNotAskedAgain(t *testing.T) {
	b := setUp(t, nil)
	b.chain.mu.Lock()
	h := handle(1)
	b.chain.accept(&kmstypes.MsgRequestPublicDecryption{KeyId: make([]byte, 32), Handles: [][]byte{h[:]}})
	b.chain.mu.Unlock()
	require.Equal(t, jobs.Succeeded, b.until(b.submit(nil, h).ID, done).State)
	require.Zero(t, b.chain.count())
}

func TestAnExpiredRequestIsMadeAgain(t *testing.T) {
	b := setUp(t, func(b *bench) { b.chain.ignored, b.chain.deadline = 1, 20 })
	job := b.until(b.submit(nil, handle(1)).ID, done)
	require.Equal(t, jobs.Succeeded, job.State)
	require.Equal(t, uint32(2), job.Result.Attempt)
}

func TestPartiesThatNeverAnswerEndTheJobAfterSomeAttempts(t *testing.T) {
	b := setUp(t, func(b *bench) { b.chain.silent, b.chain.deadline = true, 5 })
	job := b.until(b.submit(nil, handle(1)).ID, done)
	require.Equal(t, jobs.ReasonTimeout, job.Failure.Reason)
	require.Equal(t, 4, b.chain.count())
}

func TestATransactionThatIsLostIsSentAgain(t *testing.T) {
	b := setUp(t, func(b *bench) { b.chain.lost = true })
	job := b.submit(nil, handle(1))
	b.until(job.ID, func(*jobs.Job) bool { return b.chain.count() > 1 })
	b.chain.mu.Lock()
	b.chain.lost = false
	b.chain.mu.Unlock()
	require.Equal(t, jobs.Succeeded, b.until(job.ID, done).State)
}

func TestRefusalsThatPassAreTriedAgain(t *testing.T) {
	for name, err := range map[string]error{
		"stale header":    refused(acltypes.ErrStaleHeader),
		"rotated key":     refused(kmstypes.ErrKeyNotActive),
		"rate limit":      refused(kmstypes.ErrRateLimited),
		"acl a block ago": refused(acltypes.ErrNotPermitted),
	} {
		t.Run(name, func(t *testing.T) {
			b := setUp(t, func(b *bench) { b.chain.refuse = []error{err, err} })
			require.Equal(t, jobs.Succeeded, b.until(b.submit(nil, handle(1)).ID, done).State)
			require.Equal(t, 3, b.chain.count())
		})
	}
}

func TestRefusalsThatStayEndTheJobWithALabel(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		label string
	}{
		"price":        {refused(kmstypes.ErrFeeTooLow), jobs.ReasonPrice},
		"paused":       {refused(acltypes.ErrHostChainPaused), jobs.ReasonPaused},
		"batch":        {refused(kmstypes.ErrTooManyBlocks), jobs.ReasonInvalid},
		"unknown code": {&client.TxError{Codespace: "other", Code: 99}, jobs.ReasonRefused},
	} {
		t.Run(name, func(t *testing.T) {
			for _, mempool := range []bool{false, true} {
				b := setUp(t, func(b *bench) { b.chain.refuse, b.chain.inMempool = []error{c.err}, mempool })
				job := b.until(b.submit(nil, handle(1)).ID, done)
				require.Equal(t, c.label, job.Failure.Reason)
				require.Equal(t, 1, b.chain.count())
			}
		})
	}
}

func TestARefusalIsNotTakenForAnEarlierOne(t *testing.T) {
	const askers, each = 8, 25
	b := setUp(t, func(b *bench) {
		b.cfg.Open, b.chain.inMempool = askers*each, true
		for range askers * each {
			b.chain.refuse = append(b.chain.refuse, refused(acltypes.ErrHostChainPaused))
		}
	})
	var group sync.WaitGroup
	for asker := range byte(askers) {
		group.Go(func() {
			for i := range byte(each) {
				job, err := b.manager.Submit([]handles.Handle{handle(asker*each + i)}, nil)
				if assert.NoError(t, err) {
					_, err = b.manager.Wait(t.Context(), job.ID)
					assert.NoError(t, err)
				}
			}
		})
	}
	group.Wait()
	require.Equal(t, askers*each, b.chain.count(), "no job that failed was started anew")
}

func TestRefusalsInBlocksAreNotPaidForEver(t *testing.T) {
	stale := refused(acltypes.ErrStaleHeader)
	b := setUp(t, func(b *bench) { b.chain.refuse = []error{stale, stale, stale, stale, stale, stale} })
	job := b.until(b.submit(nil, handle(1)).ID, done)
	require.Equal(t, jobs.ReasonHostHeaders, job.Failure.Reason)
	require.Equal(t, 4, b.chain.count())
	require.Equal(t, 4, b.chain.forgets)
}

func TestAFailedJobStartsAnewWhenAskedAgain(t *testing.T) {
	b := setUp(t, func(b *bench) { b.chain.refuse = []error{refused(kmstypes.ErrPaused)} })
	job := b.until(b.submit(nil, handle(1)).ID, done)
	require.Equal(t, jobs.Failed, job.State)
	b.restart()
	kept, err := b.manager.Get(job.ID)
	require.NoError(t, err)
	require.Equal(t, jobs.ReasonPaused, kept.Failure.Reason, "a failure stays until somebody asks again")
	again := b.submit(nil, handle(1))
	require.Equal(t, job.ID, again.ID)
	require.Equal(t, jobs.Succeeded, b.until(job.ID, done).State)
}

func TestMoreGasIsGivenWhenItWasTooLittle(t *testing.T) {
	b := setUp(t, func(b *bench) { b.chain.refuse = []error{&client.TxError{Codespace: "sdk", Code: 11}} })
	require.Equal(t, jobs.Succeeded, b.until(b.submit(nil, handle(1)).ID, done).State)
	require.Equal(t, 2*b.chain.gas[0], b.chain.gas[1])
}

func TestTheHostChainIsGivenTimeToPermit(t *testing.T) {
	b := setUp(t, func(b *bench) { b.prover.failures = []error{aclclient.ErrNotPermitted, aclclient.ErrNoDigest, nil} })
	require.Equal(t, jobs.Succeeded, b.until(b.submit(nil, handle(1)).ID, done).State)
	require.Equal(t, []uint64{0, 1}, b.prover.awaited, "it is asked again with each block")

	b = setUp(t, func(b *bench) {
		b.prover.failures, b.cfg.Readiness = []error{aclclient.ErrNotPermitted}, 50*time.Millisecond
	})
	job := b.until(b.submit(nil, handle(1)).ID, done)
	require.Equal(t, jobs.ReasonNotReady, job.Failure.Reason)
	require.Zero(t, b.chain.count(), "nothing is paid for what the host chain does not permit")
}

func TestAHostChainWithoutKeyIsNamed(t *testing.T) {
	for name, change := range map[string]func(*bench){
		"not registered": func(b *bench) { b.chain.records.Key = nil },
		"key not active": func(b *bench) { b.chain.records.Key.Status = kmstypes.KEY_STATUS_GENERATING },
	} {
		t.Run(name, func(t *testing.T) {
			b := setUp(t, func(b *bench) { change(b); b.cfg.Readiness = 0 })
			require.Equal(t, jobs.ReasonHostChain, b.until(b.submit(nil, handle(1)).ID, done).Failure.Reason)
		})
	}
}

func TestAJobThatTakesTooLongSaysWhy(t *testing.T) {
	b := setUp(t, func(b *bench) {
		b.prover.failures, b.cfg.Timeout = []error{aclclient.ErrNode}, 300*time.Millisecond
	})
	job := b.until(b.submit(nil, handle(1)).ID, done)
	require.Equal(t, jobs.ReasonTimeout, job.Failure.Reason)
	require.Contains(t, job.Failure.Message, jobs.ReasonUnavailable)
}

func TestANewValidatorSetIsShownBeforeTheRequest(t *testing.T) {
	b := setUp(t, func(b *bench) {
		b.prover.evidence = aclclient.Evidence{NewValidators: true, Proof: acltypes.DecryptionProof{Header: []byte("header")}}
	})
	require.Equal(t, jobs.Succeeded, b.until(b.submit(nil, handle(1)).ID, done).State)
	require.Len(t, b.chain.sent[0], 2)
	require.Equal(t, []byte("header"), b.chain.sent[0][0].(*acltypes.MsgSubmitHeader).Header)
}

func TestMoreJobsThanMayBeOpenAreRefused(t *testing.T) {
	b := setUp(t, func(b *bench) { b.cfg.Open, b.prover.hold = 2, make(chan struct{}) })
	first := b.submit(nil, handle(1))
	b.submit(nil, handle(2))
	_, err := b.manager.Submit([]handles.Handle{handle(3)}, nil)
	require.ErrorIs(t, err, jobs.ErrBusy)
	require.Equal(t, first.ID, b.submit(nil, handle(1)).ID, "a job that is open may be asked for")
	close(b.prover.hold)
	b.until(first.ID, done)
}

func TestJobsDoNotWaitForEachOther(t *testing.T) {
	b := setUp(t, func(b *bench) { b.cfg.Workers = 2; b.chain.silent = true })
	stuck := b.submit(nil, handle(1))
	b.until(stuck.ID, func(*jobs.Job) bool { return b.chain.count() == 1 })
	b.chain.mu.Lock()
	h := handle(9)
	b.chain.accept(&kmstypes.MsgRequestPublicDecryption{KeyId: make([]byte, 32), Handles: [][]byte{h[:]}})
	for _, r := range b.chain.known {
		if string(r.Ciphertexts[0].Handle) == string(h[:]) {
			r.Status = kmstypes.REQUEST_STATUS_FULFILLED
		}
	}
	b.chain.mu.Unlock()
	require.Equal(t, jobs.Succeeded, b.until(b.submit(nil, h).ID, done).State)
	still, err := b.manager.Get(stuck.ID)
	require.NoError(t, err)
	require.Equal(t, jobs.Working, still.State)
}

func TestAJobThatNobodyMadeIsNotFound(t *testing.T) {
	b := setUp(t, nil)
	_, err := b.manager.Get("no")
	require.ErrorIs(t, err, jobs.ErrNotFound)
}

func TestAClosedManagerTakesNoJobs(t *testing.T) {
	b := setUp(t, nil)
	require.NoError(t, b.manager.Close())
	_, err := b.manager.Submit([]handles.Handle{handle(1)}, nil)
	require.ErrorIs(t, err, jobs.ErrClosed)
	b.open()
}

func TestOldJobsAreDropped(t *testing.T) {
	b := setUp(t, nil)
	job := b.until(b.submit(nil, handle(1)).ID, done)
	b.cfg.Retention = 0
	b.restart() // sweeps when it starts
	require.Eventually(t, func() bool {
		_, err := b.manager.Get(job.ID)
		return errors.Is(err, jobs.ErrNotFound)
	}, time.Minute, time.Millisecond)
}

func TestTwoRelayersWithOneRequestPayOnceAndBothEndWithTheResult(t *testing.T) {
	hold := make(chan struct{})
	first := setUp(t, func(b *bench) { b.prover.hold = hold })
	second := setUp(t, func(b *bench) { b.prover.hold, b.chain, b.cfg.Chain = hold, first.chain, first.chain })
	mine, other := first.submit(nil, handle(1), handle(2)), second.submit(nil, handle(1), handle(2))
	close(hold) // neither knew of the other's when it began
	mine, other = first.until(mine.ID, done), second.until(other.ID, done)
	require.Equal(t, jobs.Succeeded, mine.State)
	require.Equal(t, mine.Result, other.Result)
	require.Equal(t, 1, first.chain.opened)
}
