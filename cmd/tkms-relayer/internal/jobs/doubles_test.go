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
	opened  int // requests that were made and paid for

	// refuse is what the next transactions fail with: in the mempool if inMempool.
	refuse    []error
	inMempool bool
	// silent says that the parties never answer, lost that no transaction gets in;
	// ignored is how many attempts at a request the parties do not answer.
	silent, lost bool
	ignored      uint32
	// deadline is how many blocks a request may take.
	deadline int64
	// shares are the indices whose shares of user decryptions are in, members those
	// that are expected.
	shares, members []uint32
	// epoch answers requests; the host chain takes the signatures of taken, and pending
	// says that it is about to take others.
	epoch, taken uint64
	pending      bool
}

func newChain() *chain {
	return &chain{
		start: time.Now(), known: map[string]*kmstypes.Request{}, due: map[string]int64{}, hashes: map[string]error{}, deadline: 60_000,
		shares: []uint32{1, 2, 3, 4}, members: []uint32{1, 2, 3, 4}, epoch: 1, taken: 1,
		records: tkms.Records{
			HostChain: &acltypes.HostChain{
				Id: hostChain, VerifierDomain: acltypes.VerifierDomain{Name: "Decryption", Version: "1", ChainId: 10901, VerifyingContract: make([]byte, 20)},
				Limits:    acltypes.Limits{MaxHandlesPerRequest: 4, MaxBlocksPerRequest: 64, MaxUserDecryptionBits: 64},
				Freshness: acltypes.Freshness{MaxAheadSeconds: 1, DelegationMaxAgeSeconds: 60},
			},
			Key: &kmstypes.Key{Id: make([]byte, 32), Status: kmstypes.KEY_STATUS_ACTIVE},
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
	case !c.silent && request.Attempt > c.ignored && height >= c.due[string(id)]:
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
	switch msg := msgs[len(msgs)-1].(type) {
	case *kmstypes.MsgRequestPublicDecryption:
		c.accept(msg)
	case *kmstypes.MsgRequestUserDecryption:
		c.acceptUser(msg)
	}
	return sent, nil
}

func (c *chain) accept(msg *kmstypes.MsgRequestPublicDecryption) {
	batch, err := handles.ParseBatch(hostChain, msg.Handles)
	if err != nil {
		panic(err)
	}
	id := handles.RequestID(hostChain, handles.KindPublicDecryption, [32]byte(msg.KeyId), batch)
	c.open(&kmstypes.Request{Id: id[:], Kind: kmstypes.REQUEST_KIND_PUBLIC_DECRYPTION, KeyId: msg.KeyId}, msg.Handles)
}

func (c *chain) acceptUser(msg *kmstypes.MsgRequestUserDecryption) {
	var list [][]byte
	var contracts [][20]byte
	for _, h := range msg.Handles {
		list, contracts = append(list, h.Handle), append(contracts, [20]byte(h.Contract))
	}
	batch, err := handles.ParseBatch(hostChain, list)
	if err != nil {
		panic(err)
	}
	digest, err := msg.Authorization.Digest(hostChain, c.records.HostChain.VerifierDomain)
	if err != nil {
		panic(err)
	}
	id := handles.UserRequestID(hostChain, [32]byte(msg.KeyId), batch, contracts, [20]byte(msg.Authorization.User), digest)
	c.open(&kmstypes.Request{Id: id[:], Kind: kmstypes.REQUEST_KIND_USER_DECRYPTION, KeyId: msg.KeyId, AuthorizedBy: &msg.Authorization}, list)
}

// open makes a request, unless it is there and did not expire.
func (c *chain) open(request *kmstypes.Request, list [][]byte) {
	id := string(request.Id)
	stale := func(r *kmstypes.Request) bool {
		return r.Status == kmstypes.REQUEST_STATUS_FULFILLED && r.PaidHeight != 0 && r.EpochId != c.taken
	}
	if earlier := c.known[id]; earlier != nil && !stale(earlier) && earlier.Status != kmstypes.REQUEST_STATUS_EXPIRED && (earlier.Status != kmstypes.REQUEST_STATUS_ACCEPTED || c.height() <= earlier.Deadline) {
		return
	}
	c.opened++
	request.EpochId = c.epoch
	request.Attempt, request.Status, request.Deadline, request.Simulated = 1, kmstypes.REQUEST_STATUS_ACCEPTED, c.height()+c.deadline, []string{"chain"}
	if earlier := c.known[id]; earlier != nil {
		request.Attempt = earlier.Attempt + 1
	}
	for _, h := range list {
		request.Ciphertexts = append(request.Ciphertexts, kmstypes.Ciphertext{Handle: h})
	}
	c.known[id], c.due[id] = request, c.height()+2
}

// Shares returns those of the members in c.shares.
func (c *chain) Shares(ctx context.Context, id []byte) (*kmstypes.QuerySharesResponse, error) {
	request, err := c.Request(ctx, id)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	answer := &kmstypes.QuerySharesResponse{Request: *request}
	for _, index := range c.shares {
		answer.Shares = append(answer.Shares, kmstypes.Share{Index: index, Payload: []byte{byte(index)}, Signature: make([]byte, 65)})
	}
	return answer, nil
}

func (c *chain) Present(context.Context, uint64) ([]uint32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.members, nil
}

func (c *chain) Takes(_ context.Context, _, epochID uint64) (taken, pending bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.taken == epochID, c.pending, nil
}

// pay closes all requests that are fulfilled.
func (c *chain) pay() {
	for _, request := range c.known {
		if request.Status == kmstypes.REQUEST_STATUS_FULFILLED {
			request.PaidHeight = c.height()
		}
	}
}

// set changes the chain while jobs run.
func (c *chain) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
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
	access   []acltypes.UserAccess
	block    uint64
	awaited  []uint64
}

func (p *prover) Gather(ctx context.Context, _ *acltypes.HostChain, batch []handles.Handle) (*aclclient.Evidence, error) {
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
	evidence.Digests = make([][32]byte, len(batch))
	return &evidence, nil
}

func (p *prover) Sealed() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.block
}

// Await makes a block whenever somebody waits for one.
func (p *prover) Await(_ context.Context, above uint64) (uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.awaited = append(p.awaited, above)
	p.block = max(p.block, above+1)
	return p.block, nil
}

func (p *prover) GatherUser(ctx context.Context, record *acltypes.HostChain, access acltypes.UserAccess) (*aclclient.Evidence, error) {
	evidence, err := p.Gather(ctx, record, make([]handles.Handle, len(access.Handles)))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.access = append(p.access, access)
	return evidence, err
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
	copro   *copro
	cfg     jobs.Config
	manager *jobs.Manager
}

func setUp(t *testing.T, change func(*bench)) *bench {
	t.Helper()
	b := &bench{T: t, chain: newChain(), prover: &prover{}, carrier: &carrier{mined: true}, copro: &copro{}}
	b.cfg = jobs.Config{
		HostChainID: hostChain, Path: filepath.Join(t.TempDir(), "jobs.db"), Chain: b.chain, Prover: b.prover, Carrier: b.carrier, Coprocessor: b.copro,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Workers: 8, Open: 16, MaxFee: 77,
		Timeout: time.Minute, Readiness: time.Minute, CarryTimeout: time.Minute, Grace: 5, Retention: time.Hour, UserRetention: time.Hour,
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
	deadline := time.Now().Add(time.Minute)
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
