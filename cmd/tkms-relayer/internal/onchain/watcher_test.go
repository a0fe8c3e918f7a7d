package onchain_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/hostchain"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/onchain"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	"github.com/tkms-network/tkms/testutil/hostchain/hosttest"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/handles"
)

const (
	waitAtMost = time.Minute
	pause      = 5 * time.Millisecond
)

// fixture is a host chain with a watcher.
type fixture struct {
	*hosttest.Host
	host *hostchain.Host
	path string
	jobs *worker
	// registry of the watcher that was opened last.
	registry *prometheus.Registry
}

func setUp(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{Host: hosttest.New(t), path: filepath.Join(t.TempDir(), "onchain.db")}
	f.host = f.open(f.URL)
	f.jobs = f.worker(f.host)
	return f
}

func (f *fixture) record(context.Context) (*acltypes.HostChain, error) { return f.Record, nil }

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func (f *fixture) open(addresses ...string) *hostchain.Host {
	f.Helper()
	host, err := hostchain.Open(f.Context, hostchain.Config{ChainID: f.Record.Id, Addresses: addresses, Record: f.record, Log: quiet()})
	require.NoError(f, err)
	f.Cleanup(host.Close)
	return host
}

// watch runs a watcher until the function returned is called.
func (f *fixture) watch(path string, work onchain.Jobs) (stop func()) {
	f.Helper()
	f.registry = prometheus.NewRegistry()
	w, err := onchain.Open(onchain.Config{
		HostChainID: f.Record.Id, Path: path, Contracts: []common.Address{f.DApp()}, From: 1, Backoff: time.Millisecond,
		Record: f.record, Host: f.host, Jobs: work, Log: quiet(), Metrics: f.registry,
	})
	require.NoError(f, err)
	ctx, cancel := context.WithCancel(f.Context)
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); running.Wait(); require.NoError(f, w.Close()) })
	f.Cleanup(stop)
	return stop
}

// finished counts the requests that are done with, by outcome.
func (f *fixture) finished(outcome string) int {
	f.Helper()
	families, err := f.registry.Gather()
	require.NoError(f, err)
	for _, family := range families {
		if family.GetName() != "tkms_relayer_contract_requests_finished_total" {
			continue
		}
		for _, metric := range family.Metric {
			if metric.Label[0].GetValue() == outcome {
				return int(metric.Counter.GetValue())
			}
		}
	}
	return 0
}

func (f *fixture) until(outcome string, count int) {
	f.Helper()
	require.Eventually(f, func() bool { return f.finished(outcome) == count }, waitAtMost, pause)
}

// worker decrypts at once, with the value 42 for everything, and carries as a relayer's
// jobs do.
type worker struct {
	f       *fixture
	carrier *hostchain.Carrier

	mu       sync.Mutex
	known    map[string]*jobs.Job
	asked    []handles.Handle
	failures []error        // of Submit
	failed   []jobs.Failure // of jobs
	sent     int
}

func (f *fixture) worker(host *hostchain.Host) *worker {
	f.Helper()
	key, err := crypto.GenerateKey()
	require.NoError(f, err)
	w := &worker{f: f, carrier: hostchain.NewCarrier(host, key, 5_000_000), known: map[string]*jobs.Job{}}
	require.NoError(f, f.Client.Fund(f.Context, w.carrier.Address(), nil))
	return w
}

func (w *worker) Submit(batch []handles.Handle, contract *common.Address) (*jobs.Job, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.failures) > 0 {
		err := w.failures[0]
		w.failures = w.failures[1:]
		return nil, err
	}
	w.asked = append(w.asked, batch...)
	id := hex.EncodeToString(batch[0][:])
	if job := w.known[id]; job != nil && job.State == jobs.Succeeded && job.Carries[0].State == jobs.CarrySucceeded {
		return job, nil
	}
	job := &jobs.Job{ID: id, State: jobs.Succeeded, Carries: []jobs.Carry{{Contract: *contract, State: jobs.CarrySucceeded}}}
	w.known[id] = job
	if len(w.failed) > 0 {
		job.State, job.Failure, job.Carries = jobs.Failed, &w.failed[0], nil
		w.failed = w.failed[1:]
		return job, nil
	}
	err := w.carrier.Carry(w.f.Context, *contract, w.f.signed(batch), func([]byte, common.Hash) error { w.sent++; return nil })
	if err != nil {
		job.Carries[0].State, job.Carries[0].Error = jobs.CarryRefused, err.Error()
	}
	return job, nil
}

func (w *worker) Get(id string) (*jobs.Job, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	job := w.known[id]
	if job == nil {
		return nil, fmt.Errorf("%w: %s", jobs.ErrNotFound, id)
	}
	return job, nil
}

// signed is a result with enough signatures.
func (f *fixture) signed(batch []handles.Handle) hostchain.Result {
	result := hostchain.Result{Handles: batch}
	var named []fhevm.Handle
	for _, h := range batch {
		named = append(named, fhevm.Handle(h))
		result.Plaintext = append(result.Plaintext, common.BigToHash(big.NewInt(42)).Bytes()...)
	}
	digest, err := fhevm.PublicDecryptDigest(f.Chain.Domain(), named, result.Plaintext, nil)
	require.NoError(f, err)
	for _, key := range f.KMS[:3] {
		signature, err := fhevm.Sign(digest, key)
		require.NoError(f, err)
		result.Signatures = append(result.Signatures, signature)
	}
	return result
}

// disclosed waits until the dApp has the value.
func (f *fixture) disclosed(list ...handles.Handle) {
	f.Helper()
	for _, h := range list {
		require.Eventually(f, func() bool {
			value, err := f.Client.Plaintext(f.Context, fhevm.Handle(h))
			return err == nil && value.Int64() == 42
		}, waitAtMost, pause)
	}
}

func TestAContractGetsItsValuesWithoutAnyCaller(t *testing.T) {
	f := setUp(t)
	before := f.Submit("disclosed before the relayer starts", true)
	f.watch(f.path, f.jobs)
	f.Submit("never disclosed", false)
	after := f.Submit("disclosed while it runs", true)
	f.disclosed(before, after)
	f.until("carried", 2)
	require.Equal(t, []handles.Handle{before, after}, f.jobs.asked)
}

func TestNoRequestIsLostOrServedTwiceOverRestarts(t *testing.T) {
	f := setUp(t)
	var all []handles.Handle
	for i := range 4 {
		all = append(all, f.Submit(fmt.Sprint("while it is down ", i), true))
		stop := f.watch(f.path, f.jobs)
		all = append(all, f.Submit(fmt.Sprint("while it runs ", i), true))
		stop()
	}
	f.watch(f.path, f.jobs)
	f.disclosed(all...)
	require.Equal(t, len(all), f.jobs.sent)
}

func TestARequestUnderWayIsFollowedAfterARestart(t *testing.T) {
	f := setUp(t)
	const often = 100
	f.jobs.failures = slices.Repeat([]error{jobs.ErrBusy}, often)
	stop := f.watch(f.path, f.jobs)
	handle := f.Submit("one", true)
	require.Eventually(t, func() bool { f.jobs.mu.Lock(); defer f.jobs.mu.Unlock(); return len(f.jobs.failures) < often }, waitAtMost, pause)
	stop()
	require.Empty(t, f.jobs.asked)
	f.jobs.failures = nil
	f.watch(f.path, f.jobs)
	f.until("carried", 1)
	f.disclosed(handle)
}

func TestWhatFailsIsTriedAgain(t *testing.T) {
	f := setUp(t)
	f.jobs.failures = []error{errors.New("no callback")}
	f.jobs.failed = []jobs.Failure{{Reason: jobs.ReasonTimeout}, {Reason: jobs.ReasonNoDigest}}
	f.watch(f.path, f.jobs)
	handle := f.Submit("one", true)
	f.until("carried", 1)
	f.disclosed(handle)
	require.Equal(t, 1, f.jobs.sent)
}

func TestWhatCannotBeServedIsGivenUp(t *testing.T) {
	f := setUp(t)
	f.jobs.failed = []jobs.Failure{{Reason: jobs.ReasonInvalid}}
	f.watch(f.path, f.jobs)
	f.Submit("one", true)
	f.until("invalid", 1)
	require.Zero(t, f.jobs.sent)
}

func TestTwoRelayersBringAContractItsValueOnce(t *testing.T) {
	f := setUp(t)
	handle := f.Submit("one", true)
	f.watch(f.path, f.jobs)
	f.until("carried", 1)
	f.disclosed(handle)
	other := f.worker(f.open(f.URL))
	f.watch(filepath.Join(t.TempDir(), "onchain.db"), other)
	f.until("refused", 1)
	require.Zero(t, other.sent, "the call is simulated first")
	require.Len(t, other.asked, 3, "a refusal may pass")
}

func TestANodeThatLiesCostsTime(t *testing.T) {
	f := setUp(t)
	f.host = f.open(f.Proxy(func(_, _ []byte) []byte { return nil }), f.Proxy(func(_, answer []byte) []byte { return []byte("no JSON") }), f.URL)
	f.watch(f.path, f.jobs)
	f.disclosed(f.Submit("one", true))
}

func TestAFileThatIsOpenElsewhereIsAnError(t *testing.T) {
	f := setUp(t)
	f.watch(f.path, f.jobs)
	_, err := onchain.Open(onchain.Config{Path: f.path, Metrics: prometheus.NewRegistry()})
	require.Error(t, err)
}
