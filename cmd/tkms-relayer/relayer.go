package main

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tkms-network/tkms/cmd/internal/cli"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/access"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/api"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/coprocessor"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/handover"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/hostchain"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/keys"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/onchain"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/store"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/tkms"
	"github.com/tkms-network/tkms/enclave/objects"
	aclclient "github.com/tkms-network/tkms/x/acl/client"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
)

const (
	// stalled is how long TKMS may make no block before health says so.
	stalled = 30 * time.Second
	// healthTimeout bounds what the health endpoint waits for.
	healthTimeout = 3 * time.Second
	// coprocessorTimeout bounds the verification of one input.
	coprocessorTimeout = 30 * time.Second
)

// relayer is all parts of a running relayer.
type relayer struct {
	cfg     config
	log     *slog.Logger
	store   *store.Store
	keys    *keys.Keys
	chain   *tkms.Chain
	host    *hostchain.Host
	hostKey *ecdsa.PrivateKey
	jobs    *jobs.Manager
	crs     *keys.CRS
	server  *api.Server
	// handover brings the host chain over to new parties.
	handover *handover.Watcher

	stopWatch    func()
	stopHandover func()
	stopOnchain  func()
	stopServer   func()
}

// open puts the parts together. Neither chain has to answer yet.
func open(ctx context.Context, cfg config, log *slog.Logger) (*relayer, error) {
	r := &relayer{cfg: cfg, log: log}
	if err := r.openParts(ctx); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *relayer) openParts(ctx context.Context) error {
	key, err := readAccountKey(r.cfg.keyFile)
	if err != nil {
		return err
	}
	if r.hostKey, err = readHostKey(r.cfg.hostKeyFile); err != nil {
		return err
	}
	if err := os.MkdirAll(r.cfg.home, 0o700); err != nil {
		return cli.WithHint(err, "choose another --home (TKMS_HOME)")
	}
	if err := r.openStore(); err != nil {
		return err
	}
	nodes, err := tkms.NewNodes(r.cfg.tkmsNodes)
	if err != nil {
		return cli.WithHint(err, "--tkms-node (TKMS_TKMS_NODE) names RPC addresses such as http://127.0.0.1:26657")
	}
	watch := tkms.NewWatch(nodes, r.log)
	r.startWatch(watch)
	r.chain = tkms.New(nodes, watch, key)
	if err := r.openHost(ctx); err != nil {
		return err
	}
	r.startHandover()
	registry := prometheus.NewRegistry()
	if err := r.openJobs(registry); err != nil {
		return err
	}
	if err := r.openOnchain(registry); err != nil {
		return err
	}
	return r.openServer(registry)
}

func (r *relayer) openServer(registry *prometheus.Registry) error {
	var err error
	if r.cfg.crsFile != "" {
		if r.crs, err = keys.ReadCRS(r.cfg.crsFile); err != nil {
			return cli.WithHint(err, "--crs-file (TKMS_CRS_FILE) is a serialized CompactPkeCrs of TFHE-rs")
		}
	}
	gate, err := r.gate()
	if err != nil {
		return cli.WithHint(err, "--api-keys (TKMS_API_KEYS) is a JSON list of {name, sha256, rate, burst}")
	}
	r.keys = keys.New(r.cfg.hostChainID, r.chain, &http.Client{}, filepath.Join(r.cfg.home, "keys"))
	r.server = api.New(api.Config{
		HostChainID: r.cfg.hostChainID, PublicURL: r.publicURL(), Store: r.store, Jobs: r.jobs,
		Keys: r.keys, CRS: r.crs, Gate: gate,
		Handover: r.handover.Pending,
		Log:      r.log, Metrics: api.NewMetrics(registry), Scrape: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), Health: r.health,
	})
	return nil
}

// burst is how many calls an address without key may make at once, in seconds of
// its rate.
const burst = 4

func (r *relayer) gate() (*access.Gate, error) {
	var list []access.Key
	if r.cfg.apiKeys != "" {
		var err error
		if list, err = access.ReadKeys(r.cfg.apiKeys); err != nil {
			return nil, err
		}
	}
	anonymous := access.Limit{Rate: r.cfg.anonymousRate, Burst: int(math.Ceil(burst * min(r.cfg.anonymousRate, 1e6)))}
	return access.New(list, anonymous, r.cfg.behindProxy)
}

// openStore opens the folder of ciphertexts, or the bucket with the folder for those
// on their way.
func (r *relayer) openStore() error {
	folder := filepath.Join(r.cfg.home, "ciphertexts")
	limits := store.Limits{Object: r.cfg.objectBytes, Total: r.cfg.storageBytes}
	var err error
	if r.cfg.store == "" {
		r.store, err = store.Open(folder, limits)
		return err
	}
	location, err := objects.ParseLocation(r.cfg.store)
	if err != nil {
		return cli.WithHint(err, "--store (TKMS_STORE) names a bucket; without it ciphertexts are kept under --home")
	}
	who, err := objects.ReadCredentials(r.cfg.storeCredentials)
	if err != nil {
		return cli.WithHint(err, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a file with --store-credentials (TKMS_STORE_CREDENTIALS)")
	}
	r.store, err = store.OpenBucket(folder, location, who, limits)
	return cli.WithHint(err, "does the bucket of --store (TKMS_STORE) exist, and may the relayer list, read and write it?")
}

// openHost starts to follow the host chain.
func (r *relayer) openHost(ctx context.Context) error {
	var err error
	r.host, err = hostchain.Open(ctx, hostchain.Config{
		ChainID: r.cfg.hostChainID, Addresses: r.cfg.hostRPCs, Record: r.hostRecord, Log: r.log,
	})
	if err != nil {
		return cli.WithHint(err, "--host-chain-rpc (TKMS_HOST_CHAIN_RPC) names JSON-RPC addresses of the host chain")
	}
	if err := r.host.CheckChain(ctx); errors.Is(err, aclclient.ErrOtherChain) {
		return cli.WithHint(err, "compare --host-chain-id and --host-chain-rpc")
	} else if err != nil {
		r.log.Warn("a node of the host chain does not answer yet", "err", err)
	}
	return nil
}

// hostRecord returns the host chain's record on TKMS.
func (r *relayer) hostRecord(ctx context.Context) (*acltypes.HostChain, error) {
	records, err := r.chain.Records(ctx, r.cfg.hostChainID)
	return records.HostChain, err
}

func (r *relayer) startWatch(watch *tkms.Watch) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { watch.Run(ctx) })
	r.stopWatch = func() { cancel(); running.Wait() }
}

func (r *relayer) startHandover() {
	r.handover = handover.New(handover.Config{
		HostChainID: r.cfg.hostChainID, Path: filepath.Join(r.cfg.home, "handover.json"),
		Record: r.hostRecord, Chain: r.chain, Host: r.host, Log: r.log,
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { r.handover.Run(ctx) })
	r.stopHandover = func() { cancel(); running.Wait() }
}

func (r *relayer) openJobs(registry *prometheus.Registry) error {
	cfg := jobs.Config{
		HostChainID: r.cfg.hostChainID, Path: filepath.Join(r.cfg.home, "jobs.db"),
		Chain: r.chain, Prover: r.host, Log: r.log, Metrics: jobs.NewMetrics(registry),
		Workers: r.cfg.workers, Open: r.cfg.openJobs, MaxFee: r.cfg.maxFee,
		Timeout: r.cfg.jobTimeout, Readiness: r.cfg.readiness, CarryTimeout: r.cfg.callbackTime,
		Grace: r.cfg.grace, Retention: r.cfg.retention, UserRetention: r.cfg.userRetention,
	}
	if r.cfg.coprocessor != "" {
		cfg.Coprocessor = coprocessor.New(r.cfg.coprocessor, &http.Client{Timeout: coprocessorTimeout})
	}
	if r.hostKey != nil {
		cfg.Carrier = hostchain.NewCarrier(r.host, r.hostKey, r.cfg.callbackGas)
	}
	var err error
	r.jobs, err = jobs.Open(cfg)
	return cli.WithHint(err, "is another relayer running with this --home?")
}

// openOnchain starts to serve contracts that call nobody, if there are any.
func (r *relayer) openOnchain(registry *prometheus.Registry) error {
	if len(r.cfg.serveContracts) == 0 {
		return nil
	}
	contracts, err := r.cfg.contracts()
	if err != nil {
		return err
	}
	watcher, err := onchain.Open(onchain.Config{
		HostChainID: r.cfg.hostChainID, Path: filepath.Join(r.cfg.home, "onchain.db"), Contracts: contracts, From: r.cfg.serveFrom,
		Record: r.hostRecord, Host: r.host, Jobs: r.jobs, Log: r.log, Metrics: registry,
	})
	if err != nil {
		return cli.WithHint(err, "is another relayer running with this --home?")
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { watcher.Run(ctx) })
	r.stopOnchain = func() {
		cancel()
		running.Wait()
		if err := watcher.Close(); err != nil {
			r.log.Error("the file of contracts' requests was not closed", "err", err)
		}
	}
	return nil
}

func (r *relayer) publicURL() string {
	if r.cfg.publicURL != "" {
		return strings.TrimRight(r.cfg.publicURL, "/")
	}
	return "http://" + r.cfg.listen
}

// carrier says who carries results back.
func (r *relayer) carrier() string {
	if r.hostKey == nil {
		return "none"
	}
	return crypto.PubkeyToAddress(r.hostKey.PublicKey).Hex()
}

// health asks both chains. That TKMS does not know the host chain, or has no key
// for it, is shown and is no illness: a relayer is started before its chain is
// registered.
func (r *relayer) health(ctx context.Context) api.Health {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	out := api.Health{Status: "ok", HostChainID: r.cfg.hostChainID, CRS: "none", Coprocessor: r.cfg.coprocessor != ""}
	if r.crs != nil {
		out.CRS = r.crs.Kind
	}
	degraded := func(trouble string) { out.Status, out.Trouble = "degraded", append(out.Trouble, trouble) }
	head, at := r.chain.Head()
	out.TKMSHeight = head.Height
	switch {
	case head.Height == 0:
		degraded("no TKMS node answers")
	case time.Since(at) > stalled:
		degraded("TKMS makes no blocks, or no node answers")
	}
	var err error
	if out.HostHeight, err = r.host.Height(ctx); err != nil {
		degraded("the host chain's node does not answer")
	}
	if _, err := r.chain.Records(ctx, r.cfg.hostChainID); err == nil {
		out.Registered = true
	}
	return out
}

// close stops all parts, the last first.
func (r *relayer) close() {
	if r.stopServer != nil {
		r.stopServer()
	}
	if r.keys != nil {
		r.keys.Close()
	}
	if r.stopOnchain != nil {
		r.stopOnchain()
	}
	if r.jobs != nil {
		if err := r.jobs.Close(); err != nil {
			r.log.Error("jobs were not closed", "err", err)
		}
	}
	if r.stopHandover != nil {
		r.stopHandover()
	}
	if r.stopWatch != nil {
		r.stopWatch()
	}
	if r.host != nil {
		r.host.Close()
	}
	if r.store != nil {
		_ = r.store.Close() // what it holds is on disk already
	}
}
