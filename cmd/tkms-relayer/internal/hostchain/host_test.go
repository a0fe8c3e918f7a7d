package hostchain_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/hostchain"
	"github.com/tkms-network/tkms/testutil/hostchain/hosttest"
	"github.com/tkms-network/tkms/x/acl/client"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/handles"
)

// How long a test waits for what happens by itself, and between looks.
const (
	waitAtMost = time.Minute
	pause      = 5 * time.Millisecond
)

// fixture is a host chain as the relayer sees it.
type fixture struct {
	*hosttest.Host
	host *hostchain.Host
}

func setUp(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{Host: hosttest.New(t)}
	f.host = f.open(f.URL)
	return f
}

func (f *fixture) open(addresses ...string) *hostchain.Host {
	f.Helper()
	host, err := hostchain.Open(f.Context, hostchain.Config{
		ChainID: f.Record.Id, Addresses: addresses, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Record: func(context.Context) (*acltypes.HostChain, error) { return f.Record, nil },
	})
	require.NoError(f, err)
	f.Cleanup(host.Close)
	return host
}

// idOf returns the id of a JSON-RPC request that is no batch.
func idOf(request []byte) string {
	var call struct {
		ID json.RawMessage `json:"id"`
	}
	_ = json.Unmarshal(request, &call)
	return string(call.ID)
}

var stateRoot = regexp.MustCompile(`"stateRoot":"0x[0-9a-f]{64}`)

// Nodes that do not help, each in its way.
var (
	forgesHeads = func(f *fixture) string {
		return f.Proxy(func(_, answer []byte) []byte {
			return stateRoot.ReplaceAll(answer, []byte(`"stateRoot":"`+common.Hash{}.Hex()))
		})
	}
	forgesProofs = func(f *fixture) string {
		return f.Proxy(func(_, answer []byte) []byte {
			return bytes.ReplaceAll(answer, []byte(`"proof":["`), []byte(`"proof":["0x80","`))
		})
	}
	isSilent            = func(f *fixture) string { return f.Proxy(func(_, _ []byte) []byte { return nil }) }
	isSilentAboutProofs = func(f *fixture) string {
		return f.Proxy(func(request, answer []byte) []byte {
			if bytes.Contains(request, []byte("eth_getProof")) {
				return nil
			}
			return answer
		})
	}
	isGone = func(*fixture) string { return "http://127.0.0.1:1" }
)

func TestAnotherNodeIsAskedWhenOneLiesOrIsSilent(t *testing.T) {
	f := setUp(t)
	batch := []handles.Handle{f.Submit("one", true)}
	mine := f.Submit("mine", false)
	f.Allow(mine, f.Alice.Address())
	access := acltypes.UserAccess{User: f.Alice.Address(), Handles: [][32]byte{mine}, Contracts: [][20]byte{f.DApp()}}
	for name, bad := range map[string]func(*fixture) string{
		"a node that forges heads":             forgesHeads,
		"a node that forges proofs":            forgesProofs,
		"a silent node":                        isSilent,
		"a node that keeps proofs back":        isSilentAboutProofs,
		"a node that cannot be reached at all": isGone,
	} {
		t.Run(name, func(t *testing.T) {
			host := f.open(bad(f), f.URL)
			evidence, err := host.Gather(f.Context, f.Record, batch)
			require.NoError(t, err)
			require.Equal(t, [32]byte(crypto.Keccak256Hash([]byte("one"))), evidence.Digests[0])
			_, err = host.GatherUser(f.Context, f.Record, access)
			require.NoError(t, err)

			alone := f.open(bad(f))
			ctx, cancel := context.WithTimeout(f.Context, time.Second)
			defer cancel()
			_, err = alone.Gather(ctx, f.Record, batch)
			require.Error(t, err, "it is no help by itself")
		})
	}
}

func TestWhatTheHostChainDoesNotPermitIsAnAnswer(t *testing.T) {
	f := setUp(t)
	secret := f.Submit("secret", false)
	host := f.open(f.URL, isSilent(f))
	_, err := host.Gather(f.Context, f.Record, []handles.Handle{secret})
	require.ErrorIs(t, err, client.ErrNotPermitted)
	_, err = host.GatherUser(f.Context, f.Record, acltypes.UserAccess{
		User: common.Address{1}, Handles: [][32]byte{secret}, Contracts: [][20]byte{f.DApp()},
	})
	require.ErrorIs(t, err, client.ErrOwnerNotAllowed)
}

func TestANodeThatIsBehindDoesNotDecideWhatIsPermitted(t *testing.T) {
	f := setUp(t)
	handle := f.Submit("one", false)
	// It answers every request for the head with the block before the value was disclosed.
	old := f.Chain.Head().Number.Uint64()
	behind := f.Proxy(rewind(f, old))
	f.Disclose(handle)
	host := f.open(behind, f.URL)
	_, err := host.Await(f.Context, old)
	require.NoError(t, err)
	evidence, err := host.Gather(f.Context, f.Record, []handles.Handle{handle})
	require.NoError(t, err)
	require.Greater(t, evidence.Height, old)
}

// rewind changes answers about the latest block into those about an earlier one.
func rewind(f *fixture, height uint64) func(request, answer []byte) []byte {
	earlier, err := f.Client.Eth().BlockByNumber(f.Context, nil)
	require.NoError(f, err)
	require.Equal(f, height, earlier.NumberU64())
	var raw json.RawMessage
	require.NoError(f, f.Client.Eth().Client().CallContext(f.Context, &raw, "eth_getBlockByNumber", "latest", false))
	return func(request, answer []byte) []byte {
		if bytes.Contains(request, []byte(`"latest"`)) {
			return []byte(`{"jsonrpc":"2.0","id":` + idOf(request) + `,"result":` + string(raw) + `}`)
		}
		return answer
	}
}

func TestABlockIsAwaitedOnceItIsSealed(t *testing.T) {
	f := setUp(t)
	for name, address := range map[string]string{"by asking": f.URL, "by being told": "ws" + strings.TrimPrefix(f.URL, "http")} {
		t.Run(name, func(t *testing.T) {
			host := f.open(address)
			now, err := host.Await(f.Context, 0)
			require.NoError(t, err)
			require.Equal(t, f.Chain.Head().Number.Uint64(), now)
			short, cancel := context.WithTimeout(f.Context, 300*time.Millisecond)
			defer cancel()
			_, err = host.Await(short, now)
			require.ErrorIs(t, err, context.DeadlineExceeded, "there is none yet")
			_, err = f.Client.Mine(f.Context, 1)
			require.NoError(t, err)
			height, err := host.Await(f.Context, now)
			require.NoError(t, err)
			require.Equal(t, now+1, height)
		})
	}
}

func TestANodeThatGoesBackTakesNoBlockAway(t *testing.T) {
	f := setUp(t)
	old := f.Chain.Head().Number.Uint64()
	change, back := rewind(f, old), atomic.Bool{}
	host := f.open(f.Proxy(func(request, answer []byte) []byte {
		if back.Load() {
			return change(request, answer)
		}
		return answer
	}))
	handle := f.Submit("one", true)
	top := f.Chain.Head().Number.Uint64()
	require.Eventually(t, func() bool { height, err := host.Height(f.Context); return err == nil && height == top }, waitAtMost, pause)
	back.Store(true)
	// Its head is asked for again and again; what it can prove is what was there before.
	require.Eventually(t, func() bool {
		_, err := host.Gather(f.Context, f.Record, []handles.Handle{handle})
		return errors.Is(err, client.ErrNotPermitted)
	}, waitAtMost, pause)
	height, err := host.Height(f.Context)
	require.NoError(t, err)
	require.Equal(t, top, height)
}

func TestNodesOfAnotherChainAreNamed(t *testing.T) {
	f := setUp(t)
	require.NoError(t, f.host.CheckChain(f.Context))
	f.Record.Id++
	other := f.open(f.URL, "http://127.0.0.1:1")
	err := other.CheckChain(f.Context)
	require.ErrorIs(t, err, client.ErrOtherChain)
	require.ErrorIs(t, err, client.ErrNode)
	_, err = hostchain.Open(f.Context, hostchain.Config{})
	require.ErrorIs(t, err, hostchain.ErrNoAddress)
}

// allowed is the event that the ACL has for values that become public.
var allowed = crypto.Keccak256Hash([]byte("AllowedForDecryption(address,bytes32[])"))

// scan reads all events of the dApp's disclosures from a height on.
func (f *fixture) scan(host *hostchain.Host, from uint64) ([]hostchain.Event, error) {
	var all []hostchain.Event
	head := f.Chain.Head().Number.Uint64()
	if _, err := host.Await(f.Context, head-1); err != nil {
		return nil, err
	}
	for from <= head {
		next, events, err := host.Scan(f.Context, from, common.BytesToAddress(f.Record.Acl.Address), allowed, []common.Hash{common.BytesToHash(f.DApp().Bytes())})
		if err != nil {
			return nil, err
		}
		require.Greater(f, next, from)
		all, from = append(all, events...), next
	}
	return all, nil
}

func TestEveryEventIsFoundOnce(t *testing.T) {
	f := setUp(t)
	f.Submit("a value that nobody discloses", false)
	first := f.Submit("one", true)
	_, err := f.Client.Mine(f.Context, 150)
	require.NoError(t, err)
	second := f.Submit("two", true)
	events, err := f.scan(f.host, 0)
	require.NoError(t, err)
	require.Len(t, events, 2)
	require.Contains(t, string(events[0].Data), string(first[:]))
	require.Contains(t, string(events[1].Data), string(second[:]))
	require.Equal(t, f.Chain.Head().Number.Uint64(), events[1].Height)
	later, err := f.scan(f.host, events[0].Height+1)
	require.NoError(t, err)
	require.Equal(t, events[1:], later)
	next, none, err := f.host.Scan(f.Context, 1000, common.Address{}, allowed, nil)
	require.NoError(t, err)
	require.Empty(t, none)
	require.EqualValues(t, 1000, next, "a block that is not there is not passed over")
	require.Equal(t, f.Chain.Head().Number.Uint64(), f.host.Sealed())
}

func TestEventsOfOthersAreLeftOut(t *testing.T) {
	f := setUp(t)
	f.Submit("one", true)
	_, events, err := f.host.Scan(f.Context, f.Chain.Head().Number.Uint64(), common.BytesToAddress(f.Record.Acl.Address), allowed, []common.Hash{{31: 1}})
	require.NoError(t, err)
	require.Empty(t, events, "of another caller")
	_, events, err = f.host.Scan(f.Context, f.Chain.Head().Number.Uint64(), f.DApp(), allowed, []common.Hash{common.BytesToHash(f.DApp().Bytes())})
	require.NoError(t, err)
	require.Empty(t, events, "of another contract than the ACL")
}

func TestANodeThatKeepsEventsBackIsFoundOut(t *testing.T) {
	f := setUp(t)
	f.Submit("one", true)
	bloom := f.Chain.Head().Bloom
	for name, change := range map[string]func(request, answer []byte) []byte{
		"by leaving receipts out": func(request, answer []byte) []byte {
			if bytes.Contains(request, []byte("eth_getBlockReceipts")) {
				return []byte(`{"jsonrpc":"2.0","id":` + idOf(request) + `,"result":[]}`)
			}
			return answer
		},
		"by another bloom": func(_, answer []byte) []byte {
			return bytes.ReplaceAll(answer, []byte(common.Bytes2Hex(bloom[:])), []byte(strings.Repeat("0", 512)))
		},
		"by saying that there is no such block": func(request, answer []byte) []byte {
			if bytes.HasPrefix(bytes.TrimSpace(request), []byte("[")) {
				return nil
			}
			return answer
		},
	} {
		t.Run(name, func(t *testing.T) {
			events, err := f.scan(f.open(f.Proxy(change), f.URL), f.Chain.Head().Number.Uint64())
			require.NoError(t, err)
			require.Len(t, events, 1)
		})
	}
}

func TestBlocksFromBeforeTheKnownValidatorsAreReadAllTheSame(t *testing.T) {
	f := setUp(t)
	f.Submit("one", true)
	strangers, err := f.Chain.SetValidators([]int{10, 11, 12, 13})
	require.NoError(t, err)
	_, err = f.Client.Mine(f.Context, 1)
	require.NoError(t, err)
	f.Record.Validators = nil
	for _, v := range strangers {
		f.Record.Validators = append(f.Record.Validators, v[:])
	}
	f.Record.ValidatorsHeight = f.Chain.Head().Number.Uint64()
	host := f.open(f.URL)
	events, err := f.scan(host, 0)
	require.NoError(t, err)
	require.Len(t, events, 1)
	f.Record.ValidatorsHeight = 0
	_, err = f.scan(host, 0)
	require.Error(t, err)
}
