package relayersdk_test

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/testutil/fault"
	hostclient "github.com/tkms-network/tkms/testutil/hostchain/client"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	"github.com/tkms-network/tkms/testutil/measure"
	"github.com/tkms-network/tkms/testutil/relayersdk"
)

// world is a running network with a user of its dApp and the client library.
type world struct {
	*testing.T
	ctx     context.Context
	net     *devnet.Devnet
	session *relayersdk.Session
	alice   *person
}

// person is a user on the host chain.
type person struct {
	key     *ecdsa.PrivateKey
	account *hostclient.Account
	address common.Address
}

// secret is a value that its owner has given to the dApp.
type secret struct {
	handle fhevm.Handle
	value  *big.Int
}

// start brings a network up. Its logs stay if the test fails.
func start(t *testing.T, cfg devnet.Config) *world {
	t.Helper()
	ctx, crs := needLibrary(t, 15*time.Minute)
	bin, err := filepath.Abs(os.Getenv("TKMS_BIN"))
	require.NoError(t, err)
	require.NotEmpty(t, os.Getenv("TKMS_BIN"), "TKMS_BIN is the folder of the binaries")
	dir, err := os.MkdirTemp("", "tkms-interop-")
	require.NoError(t, err)
	cfg.Bin, cfg.Dir, cfg.StockItems, cfg.CRS = bin, dir, 2048, crs.Path
	net, err := devnet.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, net.Stop())
		if t.Failed() {
			t.Logf("logs are in %s", dir)
			return
		}
		require.NoError(t, os.RemoveAll(dir))
	})
	began := time.Now()
	for _, stage := range net.Stages() {
		_, err := stage.Run(ctx)
		require.NoError(t, err, stage.Name)
	}
	w := &world{T: t, ctx: ctx, net: net}
	t.Logf("%d parties, faults %v: up after %s, load average %s", cfg.Parties, cfg.Faults, time.Since(began).Round(time.Second), measure.LoadAverage())
	// The relayer's records are a moment old: it may not know the key yet.
	require.Eventually(t, func() bool {
		response, err := http.Get(net.RelayerURL + "/v2/keyurl")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	}, time.Minute, 100*time.Millisecond)
	w.session = w.open(2)
	w.alice = w.person()
	return w
}

// open starts the client library with a version of the relayer's interface.
func (w *world) open(version int) *relayersdk.Session {
	w.Helper()
	session, err := relayersdk.Open(w.ctx, networkOf(w.net.HostClient.Info(), w.net.HostURL, w.net.RelayerURL, version))
	require.NoError(w, err)
	w.Cleanup(session.Close)
	return session
}

func (w *world) person() *person {
	w.Helper()
	key, err := crypto.GenerateKey()
	require.NoError(w, err)
	p := &person{key: key, account: hostclient.AccountOf(key), address: crypto.PubkeyToAddress(key.PublicKey)}
	require.NoError(w, w.net.HostClient.Fund(w.ctx, p.address, nil))
	return p
}

func (w *world) dapp() common.Address { return w.net.HostClient.Info().Contracts.Disclosure }

// keep encrypts a random value of each type in Go, and gives them to the dApp as the
// owner's.
func (w *world) keep(owner *person, types ...fhevm.Type) []secret {
	w.Helper()
	out := make([]secret, len(types))
	var group errgroup.Group
	for i, typ := range types {
		value, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(typ.Bits())))
		require.NoError(w, err)
		group.Go(func() error {
			encrypted, err := devnet.Encrypt(w.net.Public, tfhe.Type(typ), value)
			if err != nil {
				return err
			}
			if err := w.net.Store(w.ctx, encrypted); err != nil {
				return err
			}
			input, err := w.net.HostClient.SubmitCiphertext(w.ctx, w.dapp(), owner.address, typ, encrypted.Bytes)
			if err != nil {
				return err
			}
			out[i] = secret{input.Handle, value}
			_, err = w.net.HostClient.Keep(w.ctx, owner.account, []fhevm.Handle{input.Handle}, input.InputProof)
			return err
		})
	}
	require.NoError(w, group.Wait())
	return out
}

// authorize makes a new key pair for a reader, who reads from now on for a day.
func (w *world) authorize(reader *person) relayersdk.Authorization {
	w.Helper()
	keypair, err := w.session.Keypair()
	require.NoError(w, err)
	return relayersdk.Authorization{
		Keypair: keypair, User: reader.address, Signer: reader.key, Contracts: []common.Address{w.dapp()},
		Start: time.Now().Add(-time.Minute), Days: 1,
	}
}

func (w *world) pairs(secrets []secret) []relayersdk.Pair {
	out := make([]relayersdk.Pair, len(secrets))
	for i, s := range secrets {
		out[i] = relayersdk.Pair{Handle: s.handle, Contract: w.dapp()}
	}
	return out
}

// read has the library decrypt for a reader, compares with the secrets and returns the
// time that it took.
func (w *world) read(session *relayersdk.Session, a relayersdk.Authorization, secrets ...secret) time.Duration {
	w.Helper()
	got, took, err := session.UserDecrypt(a, w.pairs(secrets)...)
	require.NoError(w, err)
	for i, s := range secrets {
		require.Equal(w, s.value.String(), got[i].String(), "%s", s.handle.Type())
	}
	return took
}

// disclose makes a value public, has the library fetch it, and brings it to the dApp,
// whose contract checks the signatures again.
func (w *world) disclose(session *relayersdk.Session, owner *person, secrets ...secret) time.Duration {
	w.Helper()
	handles := make([]fhevm.Handle, len(secrets))
	for i, s := range secrets {
		handles[i] = s.handle
		_, err := w.net.HostClient.MakePubliclyDecryptable(w.ctx, owner.account, s.handle)
		require.NoError(w, err)
	}
	disclosed, took, err := session.PublicDecrypt(handles...)
	require.NoError(w, err)
	_, err = w.net.HostClient.Fulfil(w.ctx, owner.account, handles, disclosed.Cleartexts, disclosed.Proof)
	require.NoError(w, err)
	for i, s := range secrets {
		require.Equal(w, s.value.String(), disclosed.Values[i].String())
		stored, err := w.net.HostClient.Plaintext(w.ctx, s.handle)
		require.NoError(w, err)
		require.Equal(w, s.value.String(), stored.String())
	}
	return took
}

// sdkTypes are the types that the library decrypts and encrypts.
func sdkTypes() []fhevm.Type {
	return []fhevm.Type{fhevm.Uint8, fhevm.Uint16, fhevm.Uint32, fhevm.Uint64, fhevm.Uint128, fhevm.Uint160, fhevm.Uint256, fhevm.Bool}
}

// report prints the figures of a series as JSON.
func report(t *testing.T, what string, series []time.Duration) {
	slices.Sort(series)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	line, err := json.Marshal(map[string]any{
		"what": what, "count": len(series), "p50_ms": ms(series[len(series)/2]), "p95_ms": ms(series[len(series)*95/100]), "load": measure.LoadAverage(),
	})
	require.NoError(t, err)
	fmt.Fprintf(os.Stderr, "%s\n", line)
}

func TestClientLibraryReadsValuesOfEveryParty(t *testing.T) {
	for _, parties := range []int{4, 7} {
		t.Run(fmt.Sprintf("%d parties", parties), func(t *testing.T) {
			w := start(t, devnet.Config{Parties: parties})
			secrets := w.keep(w.alice, sdkTypes()...)
			for _, s := range secrets {
				w.read(w.session, w.authorize(w.alice), s)
			}
			w.read(w.session, w.authorize(w.alice), secrets...)
			w.latencies(fmt.Sprintf("userDecrypt euint64, n = %d", parties), secrets[3])
			v1 := w.open(1)
			w.read(v1, w.authorize(w.alice), secrets...)
			report(t, fmt.Sprintf("publicDecrypt of two, n = %d", parties), []time.Duration{w.disclose(w.session, w.alice, secrets[0], secrets[6])})
			w.disclose(v1, w.alice, secrets[1])
			w.delegation(secrets[2:5])
			if parties == 4 {
				w.refusals(secrets)
				w.encryption()
			}

			require.NoError(t, w.net.Parties[parties-1].Stop())
			more := w.keep(w.alice, fhevm.Uint64, fhevm.Bool)
			w.read(w.session, w.authorize(w.alice), append(more, secrets...)...)
			w.latencies(fmt.Sprintf("userDecrypt euint64, n = %d, one silent", parties), more[0])
			w.disclose(w.session, w.alice, more...)
		})
	}
}

// repeats is how often a latency is measured.
const repeats = 20

func (w *world) latencies(what string, s secret) {
	w.Helper()
	var series []time.Duration
	for range repeats {
		series = append(series, w.read(w.session, w.authorize(w.alice), s))
	}
	report(w.T, what, series)
}

func TestClientLibraryReadsValuesBesideAPartyWithWrongShares(t *testing.T) {
	for _, parties := range []int{4, 7} {
		t.Run(fmt.Sprintf("%d parties", parties), func(t *testing.T) {
			w := start(t, devnet.Config{Parties: parties, Faults: map[int]fault.Kind{parties: fault.BadShare}})
			secrets := w.keep(w.alice, sdkTypes()...)
			w.read(w.session, w.authorize(w.alice), secrets...)
			w.latencies(fmt.Sprintf("userDecrypt euint64, n = %d, one wrong", parties), secrets[3])
			w.disclose(w.session, w.alice, secrets[2])
			if parties == 7 {
				require.NoError(t, w.net.Parties[0].Stop())
				w.read(w.session, w.authorize(w.alice), secrets...)
			}
		})
	}
}

// The library asks the host chain for the signers when it starts, so that an application
// starts it anew when they have changed.
func TestClientLibraryReadsValuesWhenTheCommitteeHasChanged(t *testing.T) {
	w := start(t, devnet.Config{Parties: 7, Seats: 4})
	secrets := w.keep(w.alice, sdkTypes()...)
	w.read(w.session, w.authorize(w.alice), secrets...)
	for i, seats := range [][]int{{1, 2, 3, 4, 5, 6, 7}, {7, 2, 5, 1}} {
		var members []*devnet.Party
		for _, number := range seats {
			members = append(members, w.net.Parties[number-1])
		}
		rotated, err := w.net.Rotate(w.ctx, devnet.Rotation{Members: members})
		require.NoError(t, err)
		t.Logf("epoch %d, n = %d: %v", rotated.Epoch.Id, len(seats), rotated.Phases)
		w.session = w.open(2)
		w.read(w.session, w.authorize(w.alice), secrets...)
		w.read(w.open(1), w.authorize(w.alice), secrets[3])
		w.disclose(w.session, w.alice, secrets[i])
	}
}

// delegation: alice lets bob read, and takes it back.
func (w *world) delegation(secrets []secret) {
	w.Helper()
	bob := w.person()
	authorization := func() relayersdk.Authorization {
		a := w.authorize(bob)
		a.Delegator = &w.alice.address
		return a
	}
	refused := func(reason string) {
		w.Helper()
		refusal, err := w.session.PostUserDecrypt(authorization(), relayersdk.Tampering{}, w.pairs(secrets)...)
		require.NoError(w, err)
		require.Equal(w, reason, refusal.Reason, "%+v", refusal)
	}
	refused("not_delegated")
	_, err := w.net.HostClient.Delegate(w.ctx, w.alice.account, bob.address, w.dapp(), time.Now().Add(2*time.Hour))
	require.NoError(w, err)
	w.read(w.session, authorization(), secrets...)
	w.nextBlock()
	_, err = w.net.HostClient.RevokeDelegation(w.ctx, w.alice.account, bob.address, w.dapp())
	require.NoError(w, err)
	w.nextBlock() // the relayer proves by the head that it has seen last
	refused("not_delegated")
	_, _, err = w.session.UserDecrypt(authorization(), w.pairs(secrets)...)
	var failure *relayersdk.ClientError
	require.ErrorAs(w, err, &failure)
	require.Equal(w, "not_allowed_on_host_acl", failure.Label)
}

// nextBlock waits until the host chain's head is another one.
func (w *world) nextBlock() {
	w.Helper()
	eth := w.net.HostClient.Eth()
	before, err := eth.BlockNumber(w.ctx)
	require.NoError(w, err)
	require.Eventually(w, func() bool {
		now, err := eth.BlockNumber(w.ctx)
		return err == nil && now > before
	}, time.Minute, 100*time.Millisecond)
}

// refusals: what must fail, without the library's own checks.
func (w *world) refusals(secrets []secret) {
	w.Helper()
	bob := w.person()
	stranger := common.Address{0x77}
	other, err := w.session.Keypair()
	require.NoError(w, err)
	wide := w.keep(w.alice, slices.Repeat([]fhevm.Type{fhevm.Uint256}, 9)...)
	var waiting sync.WaitGroup
	for _, test := range []struct {
		name   string
		change func(a *relayersdk.Authorization)
		send   relayersdk.Tampering
		pairs  []relayersdk.Pair
		reason string // or the label, of what is not even well-formed
	}{
		{"window that is over", func(a *relayersdk.Authorization) { a.Start = a.Start.Add(-48 * time.Hour) }, relayersdk.Tampering{}, nil, "no_longer_valid"},
		{"window that has not begun", func(a *relayersdk.Authorization) { a.Start = a.Start.Add(time.Hour) }, relayersdk.Tampering{}, nil, "not_yet_valid"},
		{"another signer", func(a *relayersdk.Authorization) { a.Signer = bob.key }, relayersdk.Tampering{}, nil, "not_signed_by_user"},
		{"other contracts than signed", nil, relayersdk.Tampering{Contracts: []common.Address{w.dapp(), stranger}}, nil, "not_signed_by_user"},
		{"another key than signed", nil, relayersdk.Tampering{PublicKey: other.Public}, nil, "not_signed_by_user"},
		{"value of somebody else", func(a *relayersdk.Authorization) { a.User, a.Signer = bob.address, bob.key }, relayersdk.Tampering{}, nil, "not_allowed_for_user"},
		{
			"contract that may not", func(a *relayersdk.Authorization) { a.Contracts = append(a.Contracts, stranger) }, relayersdk.Tampering{},
			[]relayersdk.Pair{{Handle: secrets[0].handle, Contract: stranger}}, "not_allowed_for_contract",
		},
		{"contract that was not signed", nil, relayersdk.Tampering{}, []relayersdk.Pair{{Handle: secrets[0].handle, Contract: stranger}}, "validation_failed"},
		{"key of another length", nil, relayersdk.Tampering{PublicKey: other.Public[2:]}, nil, "validation_failed"},
		{"too many bits", nil, relayersdk.Tampering{}, w.pairs(wide), "too_many_handles_or_bits"},
	} {
		a := w.authorize(w.alice)
		if test.change != nil {
			test.change(&a)
		}
		if test.pairs == nil {
			test.pairs = w.pairs(secrets[:2])
		}
		waiting.Go(func() {
			refusal, err := w.session.PostUserDecrypt(a, test.send, test.pairs...)
			assert.NoError(w, err, test.name)
			assert.GreaterOrEqual(w, refusal.Status, 400, test.name)
			assert.Equal(w, test.reason, cmp.Or(refusal.Reason, refusal.Label), "%s: %+v", test.name, refusal)
		})
	}
	waiting.Wait()

	// The library itself shows what the relayer says.
	a := w.authorize(w.alice)
	a.Signer = bob.key
	_, _, err = w.session.UserDecrypt(a, w.pairs(secrets[:1])...)
	var failure *relayersdk.ClientError
	require.ErrorAs(w, err, &failure)
	require.NotEmpty(w, failure.Label, "%s", err)
	require.Equal(w, 400, failure.Status)
}

// encryption: what the library encrypts comes back.
func (w *world) encryption() {
	w.Helper()
	var list []relayersdk.Value
	var want []secret
	for _, typ := range sdkTypes() { // the boolean is last
		value, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(typ.Bits())))
		require.NoError(w, err)
		list = append(list, relayersdk.Value{Type: typ, Value: value})
	}
	input, took, err := w.session.Encrypt(w.dapp(), w.alice.address, list...)
	require.NoError(w, err)
	w.Logf("encrypted and handed over in %s", took.Round(time.Second))
	_, err = w.net.HostClient.Keep(w.ctx, w.alice.account, input.Handles, input.Proof)
	require.NoError(w, err)
	for i, h := range input.Handles {
		want = append(want, secret{h, list[i].Value})
	}
	w.read(w.session, w.authorize(w.alice), want...)
}
