package party

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/enclave/party/blob"
	"github.com/tkms-network/tkms/enclave/party/identity"
	"github.com/tkms-network/tkms/enclave/party/journal"
	"github.com/tkms-network/tkms/enclave/party/metrics"
	"github.com/tkms-network/tkms/enclave/party/status"
	"github.com/tkms-network/tkms/enclave/party/vault"
	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmskeeper "github.com/tkms-network/tkms/x/kms/keeper"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partieskeeper "github.com/tkms-network/tkms/x/parties/keeper"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// node is one party with its disk, which outlives its process.
type node struct {
	index    int
	identity *identity.Identity
	folder   string
	address  string
	wrap     Wrap
	store    *seal.Store
	vault    *vault.Vault

	board *status.Board
	party *Party
	stop  context.CancelFunc
	done  chan error

	without atomic.Value // name of a blob that this party alone cannot fetch

	served   atomic.Pointer[vault.Vault] // at vaultURL
	vaultURL string
}

// RoundTrip implements http.RoundTripper.
func (n *node) RoundTrip(r *http.Request) (*http.Response, error) {
	if path.Base(r.URL.Path) == n.without.Load() {
		return nil, errors.New("cut off")
	}
	return http.DefaultTransport.RoundTrip(r)
}

// world is a chain, parties and an untrusted store of ciphertexts.
type world struct {
	set   tfhe.Parameters // of keys
	t     testing.TB
	chain *ledger
	nodes []*node // by index; 0 is nil
	blobs *blobs
	log   *slog.Logger
	now   func() time.Time
	next  uint64 // handles made
}

// blobs is a store whose behaviour the test chooses.
type blobs struct {
	mu     sync.Mutex
	stored map[string][]byte
	answer func(name string, stored []byte) []byte // nil: honest; a nil answer is 404
}

func (b *blobs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	name := path.Base(r.URL.Path)
	data := b.stored[name]
	if b.answer != nil {
		data = b.answer(name, data)
	}
	if data == nil {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(data)
}

func (b *blobs) put(data []byte) [32]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	digest := blob.Digest(data)
	b.stored[fmt.Sprintf("%x", digest)] = data
	return digest
}

func (b *blobs) behave(answer func(string, []byte) []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = answer
}

// testSet is the parameter set of the keys, if a world has no other. smallSet has every
// part of a key set.
var testSet, smallSet = tfhe.ProductionPKE(), tfhe.Test()

func newWorld(t testing.TB, n int, change func(*partiestypes.Params)) *world {
	t.Helper()
	w := &world{t: t, set: testSet, chain: newLedger(t, change), nodes: make([]*node, n+1), blobs: &blobs{stored: map[string][]byte{}}, log: slog.New(slog.DiscardHandler)}
	if os.Getenv("TKMS_TEST_LOG") != "" {
		w.log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	server := httptest.NewServer(w.blobs)
	t.Cleanup(server.Close)
	w.chain.setHost(server.URL)
	for i := 1; i <= n; i++ {
		keys, err := identity.Generate()
		require.NoError(t, err)
		n := &node{index: i, identity: keys, folder: t.TempDir(), address: nextAddress()}
		w.nodes[i] = n
		w.open(n)
		mux := http.NewServeMux()
		mux.HandleFunc("GET /{digest}", func(out http.ResponseWriter, r *http.Request) { n.served.Load().ServeHTTP(out, r) })
		files := httptest.NewServer(mux)
		t.Cleanup(files.Close)
		n.vaultURL = files.URL
	}
	t.Cleanup(func() {
		for _, node := range w.nodes[1:] {
			w.stop(node.index)
		}
	})
	return w
}

var addresses atomic.Uint32

// nextAddress returns an address that nobody takes while its party is stopped: each
// once, of ports below those that systems give away, and where all of 127.0.0.0/8 is
// loopback, at a host of this process alone.
func nextAddress() string {
	host := net.IPv4(127, 0, 0, 1)
	if pid := os.Getpid(); runtime.GOOS == "linux" {
		host = net.IPv4(127, byte(64+pid>>16), byte(pid>>8), byte(pid))
	}
	return net.JoinHostPort(host.String(), fmt.Sprint(20000+addresses.Add(1)))
}

// open opens what is on a node's disk.
func (w *world) open(n *node) {
	secret, err := seal.LoadOrCreateDeviceSecret(filepath.Join(n.folder, "device"))
	require.NoError(w.t, err)
	wrapper, err := seal.NewSimulatedDevice(secret)
	require.NoError(w.t, err)
	n.store, err = seal.Open(filepath.Join(n.folder, "sealed"), wrapper, testChainID, fmt.Sprint("operator", n.index))
	require.NoError(w.t, err)
	n.vault, err = vault.Open(filepath.Join(n.folder, "vault"))
	require.NoError(w.t, err)
	n.served.Store(n.vault)
}

// record is the registration of a node.
func (w *world) record(n *node) partiestypes.Party {
	account, address, err := partiestypes.SigningAddresses(n.identity.Signing.PubKey().Bytes())
	require.NoError(w.t, err)
	pin := n.identity.TLS.Pin()
	return partiestypes.Party{
		Id: uint64(100 + n.index), Moniker: fmt.Sprint("p", n.index), Operator: account.String(), Account: account.String(),
		SigningKey: n.identity.Signing.PubKey().Bytes(), SigningAddress: address, SessionKey: n.identity.SessionPublic(),
		TlsKeyHash: pin[:], EncryptionKey: n.identity.Encryption.PublicKey().Bytes(), PeerAddress: n.address, VaultUrl: n.vaultURL,
		TeeType: partiestypes.TEETypeDevNitro, Pcr0: make([]byte, 48), AttestedUntil: time.Now().Add(7 * 24 * time.Hour).UTC(), Simulated: true,
	}
}

// register puts nodes into the registry of parties.
func (w *world) register(records ...partiestypes.Party) {
	w.t.Helper()
	w.chain.do(func(ctx context.Context) error {
		for _, record := range records {
			account := sdk.MustAccAddressFromBech32(record.Account)
			if err := w.chain.parties.Parties.Set(ctx, record.Id, record); err != nil {
				return err
			}
			if err := w.chain.parties.Accounts.Set(ctx, account, record.Id); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *world) registerAll() {
	w.t.Helper()
	for _, n := range w.nodes[1:] {
		w.register(w.record(n))
	}
}

// form starts an epoch of all nodes, or the first of them, and returns its id.
func (w *world) form(first ...int) (epoch uint64) {
	w.t.Helper()
	nodes := w.nodes[1:]
	if len(first) > 0 {
		nodes = nodes[:first[0]]
	}
	msg := &partiestypes.MsgFormCommittee{Authority: w.chain.parties.Authority()}
	for _, n := range nodes {
		msg.PartyIds = append(msg.PartyIds, uint64(100+n.index))
	}
	w.chain.do(func(ctx context.Context) error {
		response, err := partieskeeper.NewMsgServer(w.chain.parties).FormCommittee(ctx, msg)
		if err == nil {
			epoch = response.EpochId
		}
		return err
	})
	return epoch
}

// start starts the process of a node.
func (w *world) start(indices ...int) {
	w.t.Helper()
	for _, i := range indices {
		n := w.nodes[i]
		w.open(n)
		echoes, err := journal.Open(filepath.Join(n.folder, "echoes"))
		require.NoError(w.t, err)
		w.t.Cleanup(func() { _ = echoes.Close() })
		n.board = status.NewBoard(time.Now)
		n.party = New(Config{
			ChainID: testChainID, Moniker: fmt.Sprint("p", i), Identity: n.identity, Store: n.store, Journal: echoes, Vault: n.vault, Scratch: filepath.Join(n.folder, "keys"), Background: func(f func()) { go f() }, Listen: n.address,
			Chain: w.chain, HTTP: &http.Client{Transport: n}, StockTarget: 64, Patience: time.Second, Requests: 4, Now: w.now,
			Log: w.log.With("node", i), Wrap: n.wrap,
		}, n.board, metrics.New(prometheus.NewRegistry()))
		var ctx context.Context
		ctx, n.stop = context.WithCancel(context.Background())
		n.done = make(chan error, 1)
		go func() { n.done <- n.party.Run(ctx) }()
	}
}

func (w *world) startAll() {
	w.t.Helper()
	for _, n := range w.nodes[1:] {
		w.start(n.index)
	}
}

// stop ends the process of a node; what is not sealed is lost.
func (w *world) stop(i int) {
	n := w.nodes[i]
	if n.stop == nil {
		return
	}
	n.stop()
	<-n.done
	_ = n.vault.Close()
	n.stop = nil
}

func (w *world) eventually(what string, condition func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !condition() {
		if time.Now().After(deadline) {
			for _, n := range w.nodes[1:] {
				if n.board != nil {
					w.t.Logf("party %d: %+v", n.index, n.board.Party())
				}
			}
			w.t.Fatalf("not yet: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// stocked waits until all parties have the items of a batch.
func (w *world) stocked() {
	w.t.Helper()
	for _, n := range w.nodes[1:] {
		w.eventually("stock", func() bool { return n.board.Party().Main().StockItems > 0 })
	}
}

func (w *world) epoch(id uint64) (epoch partiestypes.Epoch) {
	w.chain.view(func(ctx context.Context) { epoch, _ = w.chain.parties.EpochByID(ctx, id) })
	return epoch
}

func (w *world) key(id []byte) (key kmstypes.Key) {
	w.chain.view(func(ctx context.Context) { key, _ = w.chain.kms.Keys.Get(ctx, id) })
	return key
}

func (w *world) request(id []byte) (request kmstypes.Request) {
	w.chain.view(func(ctx context.Context) { request, _ = w.chain.kms.Requests.Get(ctx, id) })
	return request
}

// activeEpoch makes all nodes, or the first of them, a committee.
func (w *world) activeEpoch(first ...int) uint64 {
	w.t.Helper()
	w.registerAll()
	epoch := w.form(first...)
	w.chain.start()
	w.startAll()
	w.eventually("the epoch is active", func() bool { return w.epoch(epoch).Status == partiestypes.EPOCH_STATUS_ACTIVE })
	return epoch
}

func (w *world) requestKey() (id []byte) {
	w.t.Helper()
	w.chain.do(func(ctx context.Context) error {
		response, err := kmskeeper.NewMsgServer(w.chain.kms).RequestKey(ctx, &kmstypes.MsgRequestKey{
			Requester: w.chain.kms.Authority(), HostChainId: hostChainID, Params: w.set.Name, Additional: true,
		})
		if err == nil {
			id = response.KeyId
		}
		return err
	})
	return id
}

// activeKey generates a key and waits until all running parties hold it.
func (w *world) activeKey() []byte {
	w.t.Helper()
	id := w.requestKey()
	w.eventually("the key is active", func() bool { return w.key(id).Status == kmstypes.KEY_STATUS_ACTIVE })
	epoch := w.epoch(w.key(id).EpochId)
	for _, member := range epoch.Members {
		if n := w.nodes[member.PartyId-100]; n.stop != nil {
			w.eventually("every party holds the key", func() bool { return w.holds(n.index, id) })
		}
	}
	return id
}

func (w *world) holds(i int, key []byte) bool {
	for _, held := range w.nodes[i].board.Party().Main().Keys {
		if held == fmt.Sprintf("%x", key) {
			return true
		}
	}
	return false
}

// publicKey reads the key from any vault.
func (w *world) publicKey(id []byte) *tfhe.CompactPublicKey {
	w.t.Helper()
	material := w.key(id).Material
	for _, n := range w.nodes[1:] {
		file, _, err := n.vault.Open([32]byte(material.PublicKeyDigest))
		if err != nil {
			continue
		}
		raw, err := io.ReadAll(file)
		require.NoError(w.t, errors.Join(err, file.Close()))
		require.Equal(w.t, material.PublicKeyKeccak, crypto.Keccak256(raw))
		key, err := tfhe.UnmarshalCompactPublicKey(raw, w.set)
		require.NoError(w.t, err)
		return key
	}
	w.t.Fatal("no vault has the public key")
	return nil
}

// handle names new bytes of a type on the host chain.
func (w *world) handle(typ tfhe.Type, digest [32]byte) []byte {
	w.next++
	var h [32]byte
	binary.BigEndian.PutUint64(h[:], w.next)
	binary.BigEndian.PutUint64(h[22:], hostChainID)
	h[30] = byte(typ)
	w.chain.mu.Lock()
	w.chain.digests[h] = digest
	w.chain.mu.Unlock()
	return h[:]
}

// encrypt stores a value with the relayer and returns its handle.
func (w *world) encrypt(key *tfhe.CompactPublicKey, typ tfhe.Type, value *big.Int) []byte {
	w.t.Helper()
	list, err := key.Encrypt(rand.Reader, typ, value, true)
	require.NoError(w.t, err)
	raw, err := list.MarshalBinary()
	require.NoError(w.t, err)
	return w.handle(typ, w.blobs.put(raw))
}

// decrypt asks for plaintexts and returns the request's id.
func (w *world) decrypt(key []byte, list ...[]byte) (id []byte) {
	w.t.Helper()
	w.chain.do(func(ctx context.Context) error {
		response, err := kmskeeper.NewMsgServer(w.chain.kms).RequestPublicDecryption(ctx, &kmstypes.MsgRequestPublicDecryption{
			Requester: w.chain.kms.Authority(), HostChainId: hostChainID, KeyId: key, Handles: list, MaxFee: 1 << 40,
		})
		if err == nil {
			id = response.RequestId
		}
		return err
	})
	return id
}

// requireValues waits for a request's result and compares it.
func (w *world) requireValues(id []byte, want ...*big.Int) {
	w.t.Helper()
	w.eventually("the request is fulfilled", func() bool { return w.request(id).Status == kmstypes.REQUEST_STATUS_FULFILLED })
	request := w.request(id)
	list, err := request.HandleList()
	require.NoError(w.t, err)
	got, err := handles.Values(list, request.Plaintext)
	require.NoError(w.t, err)
	require.Len(w.t, got, len(want))
	for i := range want {
		require.Zero(w.t, got[i].Cmp(want[i]), "value %d is %s, not %s", i, got[i], want[i])
	}
}

// requireOneAnswer demands that no party ever sent two different results.
func (w *world) requireOneAnswer() {
	w.t.Helper()
	w.chain.mu.Lock()
	defer w.chain.mu.Unlock()
	require.NotEmpty(w.t, w.chain.results)
	for _, sent := range w.chain.results {
		require.Len(w.t, sent, 1, "a party answered a request twice, in different words")
	}
}

// at returns a party's progress on a request.
func (w *world) at(i int, request []byte) status.Request {
	recorder := httptest.NewRecorder()
	w.nodes[i].board.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/requests/%x", request), nil))
	var r status.Request
	if recorder.Code != http.StatusOK {
		return r
	}
	require.NoError(w.t, json.Unmarshal(recorder.Body.Bytes(), &r))
	return r
}

// contributed reports whether the chain has a party's result.
func (w *world) contributed(i int, request []byte) bool {
	for _, c := range w.request(request).Contributions {
		if int(c.Index) == i {
			return true
		}
	}
	return false
}

func number(x int64) *big.Int { return big.NewInt(x) }
