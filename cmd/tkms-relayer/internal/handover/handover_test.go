package handover

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/tkms"
	aclclient "github.com/tkms-network/tkms/x/acl/client"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/client"
	"github.com/tkms-network/tkms/x/kms/eip712"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

const (
	network   = "tkms-test"
	hostChain = 31337
)

// party has a signing key.
func party(name string) *ecdsa.PrivateKey {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte(name)))
	if err != nil {
		panic(err)
	}
	return key
}

// world is both chains: epochs of TKMS, what the verifier takes, and what was sent.
type world struct {
	epochs map[uint64]*tkms.Epoch
	keys   map[uint64][]*ecdsa.PrivateKey
	host   kmstypes.QueryHostEpochResponse
	record *acltypes.HostChain
	// takes are the signers of the verifier.
	takes    [][20]byte
	newSet   bool
	sent     [][]sdk.Msg
	outcome  error
	included bool
}

func newWorld() *world {
	w := &world{
		epochs: map[uint64]*tkms.Epoch{}, keys: map[uint64][]*ecdsa.PrivateKey{},
		record: &acltypes.HostChain{Id: hostChain, Verifier: &acltypes.Contract{Address: make([]byte, 20)}, VerifierLayout: "fhevm-0.10"},
	}
	w.epoch(1, 0, 4)
	w.epoch(2, 1, 7)
	w.host = kmstypes.QueryHostEpochResponse{EpochId: 1, NextEpochId: 2}
	w.takes = w.epochs[1].Signers
	return w
}

// epoch has n parties of its own.
func (w *world) epoch(id, from uint64, n int) {
	e := &tkms.Epoch{Epoch: partiestypes.Epoch{Id: id, From: from, T: uint32((n - 1) / 3)}}
	for i := range n {
		key := party(fmt.Sprint(id, "/", i))
		w.keys[id] = append(w.keys[id], key)
		e.Signers = append(e.Signers, crypto.PubkeyToAddress(key.PublicKey))
	}
	w.epochs[id] = e
}

// vouch has members of the epoch before certify.
func (w *world) vouch(id uint64, indices ...int) {
	e := w.epochs[id]
	digest := eip712.EpochVerification(network, id, e.Signers, e.Threshold())
	for _, i := range indices {
		signature, err := eip712.Sign(digest, w.keys[e.From][i-1])
		if err != nil {
			panic(err)
		}
		e.Vouchers = append(e.Vouchers, partiestypes.Voucher{Index: uint32(i), Signature: signature})
	}
}

func (w *world) Address() sdk.AccAddress                 { return make([]byte, 20) }
func (w *world) Network(context.Context) (string, error) { return network, nil }
func (w *world) Forget()                                 {}

func (w *world) HostEpoch(context.Context, uint64) (*kmstypes.QueryHostEpochResponse, error) {
	return &w.host, nil
}

func (w *world) Epoch(_ context.Context, id uint64) (*tkms.Epoch, error) {
	if e := w.epochs[id]; e != nil {
		return e, nil
	}
	return nil, client.ErrNotFound
}

func (w *world) Send(_ context.Context, _ uint64, msgs ...sdk.Msg) (tkms.Sent, error) {
	w.sent = append(w.sent, msgs)
	return tkms.Sent{Hash: []byte{1}, Timeout: time.Now().Add(time.Minute)}, nil
}

func (w *world) Included(context.Context, []byte) (bool, error) { return w.included, w.outcome }

func (w *world) Wait(context.Context, int64) (tkms.Head, error) {
	return tkms.Head{Height: 9, Time: time.Now()}, nil
}

func (w *world) GatherSigners(_ context.Context, _ *acltypes.HostChain, signers [][20]byte, _ uint32) (*aclclient.SignersEvidence, error) {
	if fmt.Sprint(signers) != fmt.Sprint(w.takes) {
		return nil, aclclient.ErrOtherSigners
	}
	return &aclclient.SignersEvidence{Proof: acltypes.SignersProof{Header: []byte("header")}, Height: 5, NewValidators: w.newSet}, nil
}

func (w *world) watcher(t *testing.T) *Watcher {
	return New(Config{
		HostChainID: hostChain, Path: filepath.Join(t.TempDir(), "handover.json"), Chain: w, Host: w,
		Record: func(context.Context) (*acltypes.HostChain, error) { return w.record, nil },
		Log:    slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
}

func TestTheHandOverWaitsForCertificatesOfAQuorum(t *testing.T) {
	w := newWorld()
	watcher := w.watcher(t)
	w.vouch(2, 1, 4)
	w.epochs[2].Vouchers = append(w.epochs[2].Vouchers,
		w.epochs[2].Vouchers[0], // twice
		partiestypes.Voucher{Index: 2, Signature: w.epochs[2].Vouchers[0].Signature}, // another's
		partiestypes.Voucher{Index: 3, Signature: make([]byte, 65)},
		partiestypes.Voucher{Index: 0}, partiestypes.Voucher{Index: 5},
	)
	require.NoError(t, watcher.look(t.Context()))
	require.Nil(t, watcher.Pending(), "two of four")
	require.NoFileExists(t, watcher.cfg.Path)

	w.vouch(2, 3)
	require.NoError(t, watcher.look(t.Context()))
	due := watcher.Pending()
	require.Equal(t, addresses(w.epochs[2].Signers), due.Signers)
	require.EqualValues(t, 5, due.Threshold)
	require.EqualValues(t, 1, due.Serving)
	require.EqualValues(t, 2, due.Epoch)
	require.Len(t, due.Steps, 1)
	require.EqualValues(t, 3, due.Steps[0].Needed)
	require.Len(t, due.Steps[0].Vouchers, 3)
	values, err := verifierABI.Methods["defineNewContext"].Inputs.Unpack(due.Call.Data[4:])
	require.NoError(t, err)
	require.Equal(t, due.Signers, values[0])
	require.Equal(t, "5", fmt.Sprint(values[1]))
	require.Equal(t, crypto.Keccak256([]byte("defineNewContext(address[],uint256)"))[:4], []byte(due.Call.Data[:4]))

	raw, err := os.ReadFile(watcher.cfg.Path)
	require.NoError(t, err)
	var kept Handover
	require.NoError(t, json.Unmarshal(raw, &kept))
	require.Equal(t, *due, kept)
	require.Empty(t, w.sent, "the verifier has not changed")
}

func TestTKMSIsShownOnceTheVerifierTakesTheNewSigners(t *testing.T) {
	w := newWorld()
	watcher := w.watcher(t)
	w.vouch(2, 1, 2, 3)
	require.NoError(t, watcher.look(t.Context()))
	w.takes, w.newSet = w.epochs[2].Signers, true
	require.NoError(t, watcher.look(t.Context()))
	require.Len(t, w.sent, 1)
	require.Equal(t, []sdk.Msg{
		&acltypes.MsgSubmitHeader{Sender: w.Address().String(), HostChainId: hostChain, Header: []byte("header")},
		&kmstypes.MsgProveSigners{Sender: w.Address().String(), HostChainId: hostChain, EpochId: 2, Proof: acltypes.SignersProof{Header: []byte("header")}},
	}, w.sent[0])
	require.NoError(t, watcher.look(t.Context()))
	require.Len(t, w.sent, 1, "it is under way")

	w.included, w.outcome = true, errors.New("refused")
	require.NoError(t, watcher.look(t.Context()))
	require.NoError(t, watcher.look(t.Context()))
	require.Len(t, w.sent, 1, "a refusal is not repeated at once")
	watcher.until = time.Time{}
	require.NoError(t, watcher.look(t.Context()))
	require.Len(t, w.sent, 2)

	w.host = kmstypes.QueryHostEpochResponse{EpochId: 2}
	require.NoError(t, watcher.look(t.Context()))
	require.Nil(t, watcher.Pending())
	require.NoFileExists(t, watcher.cfg.Path)
	require.Len(t, w.sent, 2)
}

func TestAnEpochThatIsTwoAheadIsCertifiedStepByStep(t *testing.T) {
	w := newWorld()
	w.epoch(4, 2, 4)
	w.vouch(4, 1, 2, 3, 4, 5)
	w.vouch(2, 1, 2, 4)
	list, err := steps(t.Context(), network, w.Epoch, 1, 4)
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.EqualValues(t, 1, list[0].By)
	require.EqualValues(t, 2, list[1].By)
	require.Equal(t, addresses(w.epochs[4].Signers), list[1].Signers)

	w.epochs[2].Vouchers = w.epochs[2].Vouchers[:2]
	_, err = steps(t.Context(), network, w.Epoch, 1, 4)
	require.ErrorIs(t, err, ErrNotCertified)
	_, err = steps(t.Context(), network, w.Epoch, 3, 4)
	require.Error(t, err, "an epoch that leads elsewhere")
	w.epochs[4].From = 4
	_, err = steps(t.Context(), network, w.Epoch, 1, 4)
	require.Error(t, err, "a circle")
}

func TestACertificateIsForOneChainAndExactlyTheseSigners(t *testing.T) {
	w := newWorld()
	w.vouch(2, 1, 2, 3)
	_, err := certify("another", w.epochs[2], w.epochs[1])
	require.ErrorIs(t, err, ErrNotCertified)
	for name, change := range map[string]func(e *tkms.Epoch){
		"another order":     func(e *tkms.Epoch) { e.Signers[0], e.Signers[1] = e.Signers[1], e.Signers[0] },
		"another signer":    func(e *tkms.Epoch) { e.Signers[6] = common.Address{1} },
		"another epoch":     func(e *tkms.Epoch) { e.Id++ },
		"another threshold": func(e *tkms.Epoch) { e.T-- },
	} {
		w := newWorld()
		w.vouch(2, 1, 2, 3)
		change(w.epochs[2])
		_, err := certify(network, w.epochs[2], w.epochs[1])
		require.ErrorIs(t, err, ErrNotCertified, name)
	}
}
