package handover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/tkms"
	aclclient "github.com/tkms-network/tkms/x/acl/client"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

const (
	// lookInterval is how often the chains are looked at.
	lookInterval = time.Second
	// backoff is how long a refusal of TKMS waits for the next try: each costs gas.
	backoff = 15 * time.Second
	// gasBase and gasByte are the gas of a proof of signers: seals, nodes and writes, and
	// each byte of the message.
	gasBase = 300_000
	gasByte = 20
)

// Chain is TKMS, see tkms.Chain.
type Chain interface {
	Address() sdk.AccAddress
	Network(ctx context.Context) (string, error)
	HostEpoch(ctx context.Context, hostChainID uint64) (*kmstypes.QueryHostEpochResponse, error)
	Epoch(ctx context.Context, id uint64) (*tkms.Epoch, error)
	Send(ctx context.Context, gas uint64, msgs ...sdk.Msg) (tkms.Sent, error)
	Included(ctx context.Context, hash []byte) (bool, error)
	Wait(ctx context.Context, above int64) (tkms.Head, error)
	Forget()
}

// Host is the host chain, see hostchain.Host.
type Host interface {
	GatherSigners(ctx context.Context, record *acltypes.HostChain, signers [][20]byte, threshold uint32) (*aclclient.SignersEvidence, error)
}

// Config of a watcher.
type Config struct {
	HostChainID uint64
	// Path of the file with the hand-over for the owner, which is there while one is due.
	Path string
	// Record returns the chain's record on TKMS, which names the verifier.
	Record func(context.Context) (*acltypes.HostChain, error)
	Chain  Chain
	Host   Host
	Log    *slog.Logger
}

// Watcher looks whether a host chain has to follow an epoch. It is safe for concurrent use.
type Watcher struct {
	cfg Config

	mu      sync.Mutex
	pending *Handover

	// What follows is Run's alone. Epochs for which something was logged, the transaction
	// under way, and the time before which none is sent.
	announced, waiting uint64
	sent               *tkms.Sent
	until              time.Time
}

// New returns a watcher that Run drives.
func New(cfg Config) *Watcher { return &Watcher{cfg: cfg} }

// Pending returns what the verifier's owner has to do, nil if nothing is due or the
// signers are not certified yet.
func (w *Watcher) Pending() *Handover {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pending
}

// Run looks until the context ends.
func (w *Watcher) Run(ctx context.Context) {
	for {
		if err := w.look(ctx); err != nil && ctx.Err() == nil {
			w.cfg.Log.Debug("the signers of the host chain were not looked at", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookInterval):
		}
	}
}

// look does what is due.
func (w *Watcher) look(ctx context.Context) error {
	host, err := w.cfg.Chain.HostEpoch(ctx, w.cfg.HostChainID)
	if err != nil {
		return err
	}
	if host.NextEpochId == 0 {
		w.sent = nil
		return w.publish(nil)
	}
	record, err := w.cfg.Record(ctx)
	if err != nil {
		return err
	}
	if err := w.handOver(ctx, record, host); err != nil {
		return err
	}
	if busy, err := w.underWay(ctx); busy || err != nil {
		return err
	}
	return w.show(ctx, record, host.NextEpochId)
}

// handOver makes the hand-over known, once, when it is certified.
func (w *Watcher) handOver(ctx context.Context, record *acltypes.HostChain, host *kmstypes.QueryHostEpochResponse) error {
	if p := w.Pending(); p != nil && p.Epoch == host.NextEpochId && p.Serving == host.EpochId || record.Verifier == nil {
		return nil
	}
	network, err := w.cfg.Chain.Network(ctx)
	if err != nil {
		return err
	}
	list, err := steps(ctx, network, w.cfg.Chain.Epoch, host.EpochId, host.NextEpochId)
	if errors.Is(err, ErrNotCertified) {
		if w.waiting != host.NextEpochId {
			w.waiting = host.NextEpochId
			w.cfg.Log.Info("the parties have changed; their certificates are waited for", "epoch", host.NextEpochId, "err", err)
		}
		return w.publish(nil)
	}
	if err != nil || len(list) == 0 {
		return err
	}
	last := list[len(list)-1]
	call, err := callOf(common.BytesToAddress(record.Verifier.Address), last.Signers, last.Threshold)
	if err != nil {
		return err
	}
	return w.publish(&Handover{
		Network: network, HostChainID: record.Id, Serving: host.EpochId, Epoch: last.Epoch,
		Signers: last.Signers, Threshold: last.Threshold, Call: call, Steps: list,
	})
}

// publish replaces what is pending, and the file that says so.
func (w *Watcher) publish(h *Handover) error {
	if h == nil {
		if err := os.Remove(w.cfg.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	} else if err := write(w.cfg.Path, h); err != nil {
		return err
	}
	w.mu.Lock()
	before := w.pending
	w.pending = h
	w.mu.Unlock()
	switch {
	case h != nil && w.announced != h.Epoch:
		w.announced = h.Epoch
		w.cfg.Log.Warn("the parties have changed: the host chain's owner has to define their signers", "epoch", h.Epoch,
			"signers", h.Signers, "threshold", h.Threshold, "verifier", h.Call.To, "file", w.cfg.Path)
	case h == nil && before != nil:
		w.cfg.Log.Info("the host chain follows the parties", "epoch", before.Epoch)
	}
	return nil
}

// write replaces a file at once.
func write(path string, h *Handover) error {
	raw, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		return err
	}
	next := path + ".next"
	if err := os.WriteFile(next, append(raw, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// underWay tells whether a proof that was sent may still have its effect.
func (w *Watcher) underWay(ctx context.Context) (bool, error) {
	if w.sent == nil {
		return time.Now().Before(w.until), nil
	}
	head, err := w.cfg.Chain.Wait(ctx, 0)
	if err != nil {
		return true, err
	}
	included, err := w.cfg.Chain.Included(ctx, w.sent.Hash)
	switch {
	case included:
		// With an error it was refused; without, the next look sees what came of it.
		w.sent, w.until = nil, time.Now().Add(backoff)
		w.cfg.Chain.Forget()
		if err != nil {
			w.cfg.Log.Warn("TKMS does not take the proof of the host chain's signers", "err", err)
		}
		return true, nil
	case err == nil && head.Time.After(w.sent.Timeout):
		w.sent = nil
	}
	return w.sent != nil, err
}

// show has TKMS see the signers, once the verifier takes them.
func (w *Watcher) show(ctx context.Context, record *acltypes.HostChain, epochID uint64) error {
	epoch, err := w.cfg.Chain.Epoch(ctx, epochID)
	if err != nil {
		return err
	}
	evidence, err := w.cfg.Host.GatherSigners(ctx, record, epoch.Signers, epoch.Threshold())
	if errors.Is(err, aclclient.ErrOtherSigners) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("signers of the host chain: %w", err)
	}
	requester := w.cfg.Chain.Address().String()
	proof := &kmstypes.MsgProveSigners{Sender: requester, HostChainId: record.Id, EpochId: epochID, Proof: evidence.Proof}
	msgs := []sdk.Msg{proof}
	size := proof.Size()
	if evidence.NewValidators {
		// TKMS takes the new set over when it sees the header that carries it.
		header := &acltypes.MsgSubmitHeader{Sender: requester, HostChainId: record.Id, Header: evidence.Proof.Header}
		msgs, size = append([]sdk.Msg{header}, msgs...), size+header.Size()
	}
	sent, err := w.cfg.Chain.Send(ctx, gasBase+gasByte*uint64(size), msgs...)
	if err != nil {
		w.until = time.Now().Add(backoff)
		return fmt.Errorf("proof of signers: %w", err)
	}
	w.sent = &sent
	w.cfg.Log.Info("the host chain takes the new signers; TKMS is shown", "epoch", epochID, "block", evidence.Height)
	return nil
}
