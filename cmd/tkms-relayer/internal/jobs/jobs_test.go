package jobs_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/hostchain"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/tkms"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/client"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

const hostChain = 31337

// handle makes a handle of the host chain.
func handle(seed byte) handles.Handle {
	h := handles.Handle{seed}
	binary.BigEndian.PutUint64(h[22:], hostChain)
	h[30] = byte(handles.Uint8)
	return h
}

// chain is a TKMS chain that makes a block a millisecond and answers requests two
// blocks after they were sent, unless told otherwise.
type chain struct {
	mu      sync.Mutex
	start   time.Time
	records tkms.Records
	known   map[string]*kmstypes.Request
	due     map[string]int64 // height at which a request is fulfilled
	sent    [][]sdk.Msg
	gas     []uint64
	hashes  map[string]error // outcome of transactions by hash
	forgets int

	// refuse is what the next transactions fail with: in the mempool if inMempool.
	refuse    []error
	inMempool bool
	// silent says that the parties never answer; lost that no transaction gets in.
	silent, lost bool
	// deadline is how many blocks a request may take.
	deadline int64
}

func newChain() *chain {
	return &chain{
		start: time.Now(), known: map[string]*kmstypes.Request{}, due: map[string]int64{}, hashes: map[string]error{}, deadline: 1000,
		records: tkms.Records{
			HostChain: &acltypes.HostChain{Id: hostChain},
			Key:       &kmstypes.Key{Id: make([]byte, 32), Status: kmstypes.KEY_STATUS_ACTIVE},
		},
	}
}

func (c *chain) height() int64 { return 1 + int64(time.Since(c.start)/time.Millisecond) }

func (c *chain) Address() sdk.AccAddress { return make([]byte, 20) }

func (c *chain) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgets++
}

func (c *chain) Records(context.Context, uint64) (tkms.Records, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.records.Key == nil {
		return tkms.Records{}, client.ErrNotFound
	}
	return c.records, nil
}

func (c *chain) Wait(ctx context.Context, above int64) (tkms.Head, error) {
	for {
		if height := c.height(); height > above {
			return tkms.Head{Height: height, Time: time.Now()}, nil
		}
		select {
		case <-ctx.Done():
			return tkms.Head{}, context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
}

func (c *chain) Request(_ context.Context, id []byte) (*kmstypes.Request, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	request := c.known[string(id)]
	if request == nil {
		return nil, client.ErrNotFound
	}
	switch height := c.height(); {
	case request.Status != kmstypes.REQUEST_STATUS_ACCEPTED:
	case !c.silent && height >= c.due[string(id)]:
		request.Status, request.FulfilledHeight = kmstypes.REQUEST_STATUS_FULFILLED, height
		request.Plaintext = make([]byte, 32*len(request.Ciphertexts))
		for i := range uint32(4) {
			request.Contributions = append(request.Contributions, kmstypes.Contribution{Index: i, Signature: []byte{byte(i)}, Agrees: i != 2})
		}
	case height > request.Deadline:
		request.Status = kmstypes.REQUEST_STATUS_EXPIRED
	}
	copied := *request
	return &copied, nil
}

func (c *chain) Send(_ context.Context, gas uint64, msgs ...sdk.Msg) (tkms.Sent, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent, c.gas = append(c.sent, msgs), append(c.gas, gas)
	hash := []byte{byte(len(c.sent))}
	sent := tkms.Sent{Hash: hash, Timeout: time.Now().Add(10 * time.Millisecond)}
	if c.lost {
		return sent, nil
	}
	if len(c.refuse) > 0 {
		err := c.refuse[0]
		c.refuse = c.refuse[1:]
		if c.inMempool {
			return tkms.Sent{}, err
		}
		c.hashes[string(hash)] = err
		return sent, nil
	}
	c.hashes[string(hash)] = nil
	c.accept(msgs[len(msgs)-1].(*kmstypes.MsgRequestPublicDecryption))
	return sent, nil
}

func (c *chain) accept(msg *kmstypes.MsgRequestPublicDecryption) {
	batch, err := handles.ParseBatch(hostChain, msg.Handles)
	if err != nil {
		panic(err)
	}
	id := handles.RequestID(hostChain, handles.KindPublicDecryption, [32]byte(msg.KeyId), batch)
	request := &kmstypes.Request{
		Id: id[:], KeyId: msg.KeyId, Attempt: 1, Status: kmstypes.REQUEST_STATUS_ACCEPTED, Deadline: c.height() + c.deadline, Simulated: []string{"chain"},
	}
	if earlier := c.known[string(id[:])]; earlier != nil {
		request.Attempt = earlier.Attempt + 1
	}
	for _, h := range msg.Handles {
		request.Ciphertexts = append(request.Ciphertexts, kmstypes.Ciphertext{Handle: h})
	}
	c.known[string(id[:])], c.due[string(id[:])] = request, c.height()+2
}

func (c *chain) Included(_ context.Context, hash []byte) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	err, ok := c.hashes[string(hash)]
	return ok, err
}

func (c *chain) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.sent)
}

// prover gathers empty evidence, after failures if there are any.
type prover struct {
	mu       sync.Mutex
	failures []error
	evidence hostchain.Evidence
	hold     chan struct{}
}

func (p *prover) Gather(ctx context.Context, _ *acltypes.HostChain, _ []handles.Handle) (*hostchain.Evidence, error) {
	if p.hold != nil {
		select {
		case <-p.hold:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.failures) > 0 {
		err := p.failures[0]
		if len(p.failures) > 1 {
			p.failures = p.failures[1:]
		}
		if err != nil {
			return nil, err
		}
	}
	evidence := p.evidence
	return &evidence, nil
}

// carrier puts every transaction into block 7, when it is open.
type carrier struct {
	mu      sync.Mutex
	calls   []common.Address
	results []hostchain.Result
	resent  int
	failure []error
	revert  bool
	mined   bool
}

func (c *carrier) Carry(_ context.Context, contract common.Address, result hostchain.Result, keep func([]byte, common.Hash) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls, c.results = append(c.calls, contract), append(c.results, result)
	if len(c.failure) > 0 {
		err := c.failure[0]
		c.failure = c.failure[1:]
		return err
	}
	return keep([]byte{1}, common.Hash{byte(len(c.calls))})
}

func (c *carrier) Resend(context.Context, []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resent++
	return nil
}

func (c *carrier) Receipt(context.Context, common.Hash) (*hostchain.Receipt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.mined {
		return nil, nil
	}
	return &hostchain.Receipt{Succeeded: !c.revert, Block: 7, GasUsed: 21}, nil
}

// bench is a manager with its doubles.
type bench struct {
	*testing.T
	chain   *chain
	prover  *prover
	carrier *carrier
	cfg     jobs.Config
	manager *jobs.Manager
}

func setUp(t *testing.T, change func(*bench)) *bench {
	t.Helper()
	b := &bench{T: t, chain: newChain(), prover: &prover{}, carrier: &carrier{mined: true}}
	b.cfg = jobs.Config{
		HostChainID: hostChain, Path: filepath.Join(t.TempDir(), "jobs.db"), Chain: b.chain, Prover: b.prover, Carrier: b.carrier,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Workers: 8, Open: 16, MaxFee: 77,
		Timeout: time.Minute, Readiness: time.Minute, CarryTimeout: time.Minute, Retention: time.Hour,
	}
	if change != nil {
		change(b)
	}
	b.open()
	t.Cleanup(func() { require.NoError(t, b.manager.Close()) })
	return b
}

func (b *bench) open() {
	b.Helper()
	b.cfg.Metrics = jobs.NewMetrics(prometheus.NewRegistry())
	var err error
	b.manager, err = jobs.Open(b.cfg)
	require.NoError(b, err)
}

// restart stops and starts the manager.
func (b *bench) restart() {
	b.Helper()
	require.NoError(b, b.manager.Close())
	b.open()
}

func (b *bench) submit(contract *common.Address, batch ...handles.Handle) *jobs.Job {
	b.Helper()
	job, err := b.manager.Submit(batch, contract)
	require.NoError(b, err)
	return job
}

// until waits for a job in a state that is wanted.
func (b *bench) until(id string, wanted func(*jobs.Job) bool) *jobs.Job {
	b.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		job, err := b.manager.Get(id)
		require.NoError(b, err)
		if wanted(job) {
			return job
		}
		require.True(b, time.Now().Before(deadline), "job stays %s: %+v %+v", job.State, job.Failure, job.Carries)
		time.Sleep(2 * time.Millisecond)
	}
}

func done(j *jobs.Job) bool { return j.State != jobs.Working }

func refused(err interface {
	Codespace() string
	ABCICode() uint32
}) error {
	return &client.TxError{Codespace: err.Codespace(), Code: err.ABCICode(), Log: "said the chain"}
}

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
	id := handles.RequestID(hostChain, handles.KindPublicDecryption, [32]byte{}, []handles.Handle{handle(1), handle(2)})
	require.Equal(t, hex.EncodeToString(id[:]), job.Result.RequestID)
}

func TestTheSameHandlesAreOneJobWhoeverAsksAndWhen(t *testing.T) {
	b := setUp(t, func(b *bench) { b.prover.hold = make(chan struct{}) })
	var group sync.WaitGroup
	ids := make([]string, 8)
	for i := range ids {
		batch := []handles.Handle{handle(1), handle(2)}
		if i%2 == 1 {
			batch[0], batch[1] = batch[1], batch[0]
		}
		group.Go(func() {
			job, err := b.manager.Submit(batch, nil)
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
	b := setUp(t, func(b *bench) { b.chain.silent, b.chain.deadline = true, 20 })
	job := b.submit(nil, handle(1))
	b.until(job.ID, func(*jobs.Job) bool { return b.chain.count() == 2 })
	b.chain.mu.Lock()
	b.chain.silent = false
	b.chain.mu.Unlock()
	job = b.until(job.ID, done)
	require.Equal(t, jobs.Succeeded, job.State)
	require.Greater(t, job.Result.Attempt, uint32(1))
}

func TestPartiesThatNeverAnswerEndTheJobAfterSomeAttempts(t *testing.T) {
	b := setUp(t, func(b *bench) { b.chain.silent, b.chain.deadline = true, 5 })
	job := b.until(b.submit(nil, handle(1)).ID, done)
	require.Equal(t, jobs.LabelTimeout, job.Failure.Label)
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
		"price":        {refused(kmstypes.ErrFeeTooLow), jobs.LabelPrice},
		"paused":       {refused(acltypes.ErrHostChainPaused), jobs.LabelPaused},
		"batch":        {refused(kmstypes.ErrTooManyBlocks), jobs.LabelInvalid},
		"unknown code": {&client.TxError{Codespace: "other", Code: 99}, jobs.LabelRefused},
	} {
		t.Run(name, func(t *testing.T) {
			for _, mempool := range []bool{false, true} {
				b := setUp(t, func(b *bench) { b.chain.refuse, b.chain.inMempool = []error{c.err}, mempool })
				job := b.until(b.submit(nil, handle(1)).ID, done)
				require.Equal(t, c.label, job.Failure.Label)
				require.Equal(t, 1, b.chain.count())
			}
		})
	}
}

func TestRefusalsInBlocksAreNotPaidForEver(t *testing.T) {
	stale := refused(acltypes.ErrStaleHeader)
	b := setUp(t, func(b *bench) { b.chain.refuse = []error{stale, stale, stale, stale, stale, stale} })
	job := b.until(b.submit(nil, handle(1)).ID, done)
	require.Equal(t, jobs.LabelHostHeaders, job.Failure.Label)
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
	require.Equal(t, jobs.LabelPaused, kept.Failure.Label, "a failure stays until somebody asks again")
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
	b := setUp(t, func(b *bench) { b.prover.failures = []error{hostchain.ErrNotPermitted, hostchain.ErrNoDigest, nil} })
	require.Equal(t, jobs.Succeeded, b.until(b.submit(nil, handle(1)).ID, done).State)

	b = setUp(t, func(b *bench) {
		b.prover.failures, b.cfg.Readiness = []error{hostchain.ErrNotPermitted}, 50*time.Millisecond
	})
	job := b.until(b.submit(nil, handle(1)).ID, done)
	require.Equal(t, jobs.LabelNotReady, job.Failure.Label)
	require.Zero(t, b.chain.count(), "nothing is paid for what the host chain does not permit")
}

func TestAHostChainWithoutKeyIsNamed(t *testing.T) {
	for name, change := range map[string]func(*bench){
		"not registered": func(b *bench) { b.chain.records.Key = nil },
		"key not active": func(b *bench) { b.chain.records.Key.Status = kmstypes.KEY_STATUS_GENERATING },
	} {
		t.Run(name, func(t *testing.T) {
			b := setUp(t, func(b *bench) { change(b); b.cfg.Readiness = 0 })
			require.Equal(t, jobs.LabelHostChain, b.until(b.submit(nil, handle(1)).ID, done).Failure.Label)
		})
	}
}

func TestAJobThatTakesTooLongSaysWhy(t *testing.T) {
	b := setUp(t, func(b *bench) {
		b.prover.failures, b.cfg.Timeout = []error{hostchain.ErrNode}, 300*time.Millisecond
	})
	job := b.until(b.submit(nil, handle(1)).ID, done)
	require.Equal(t, jobs.LabelTimeout, job.Failure.Label)
	require.Contains(t, job.Failure.Message, jobs.LabelUnavailable)
}

func TestANewValidatorSetIsShownBeforeTheRequest(t *testing.T) {
	b := setUp(t, func(b *bench) {
		b.prover.evidence = hostchain.Evidence{NewValidators: true, Proof: acltypes.DecryptionProof{Header: []byte("header")}}
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
	}, 10*time.Second, time.Millisecond)
}
