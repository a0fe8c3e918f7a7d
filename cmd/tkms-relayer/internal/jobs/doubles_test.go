package jobs_test

import (
	"context"
	"encoding/binary"
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
	aclclient "github.com/tkms-network/tkms/x/acl/client"
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
	evidence aclclient.Evidence
	hold     chan struct{}
}

func (p *prover) Gather(ctx context.Context, _ *acltypes.HostChain, _ []handles.Handle) (*aclclient.Evidence, error) {
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
