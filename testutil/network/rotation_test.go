package network_test

import (
	"context"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/x/kms/client"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// traffic has values decrypted one after the other, and carried to the dApp, where the
// host chain checks the signatures.
type traffic struct {
	world   *world
	user    *devnet.User
	stop    chan struct{}
	done    sync.WaitGroup
	carried map[uint64]int // by epoch
	err     error
}

func (w *world) traffic() *traffic {
	tr := &traffic{world: w, user: w.user(), stop: make(chan struct{}), carried: map[uint64]int{}}
	tr.done.Go(func() {
		for value := int64(1); ; value++ {
			select {
			case <-tr.stop:
				return
			default:
			}
			if tr.err = tr.one(value); tr.err != nil {
				return
			}
		}
	})
	return tr
}

func (tr *traffic) one(value int64) error {
	w := tr.world
	encrypted, err := devnet.Encrypt(w.Public, tfhe.EUint64, big.NewInt(value))
	if err != nil {
		return err
	}
	if err := w.Store(w.ctx, encrypted); err != nil {
		return err
	}
	handle, err := tr.user.Submit(w.ctx, encrypted)
	if err != nil {
		return err
	}
	journey, err := tr.user.Travel(w.ctx, handle)
	if err != nil {
		return err
	}
	if journey.Got.Cmp(encrypted.Value) != 0 {
		return fmt.Errorf("the dApp stored %s, encrypted was %d", journey.Got, value)
	}
	tr.carried[journey.Request.EpochId]++
	return nil
}

// end stops the traffic, of which nothing may have failed, and returns how many values of
// each epoch the host chain accepted.
func (tr *traffic) end() map[uint64]int {
	tr.world.Helper()
	close(tr.stop)
	tr.done.Wait()
	require.NoError(tr.world, tr.err)
	return tr.carried
}

// rotate changes the committee, and in a phase of it kills a party, which starts again
// when that phase may be over.
func (w *world) rotate(change devnet.Rotation, in partiestypes.EpochStatus, victim *devnet.Party) *devnet.Rotated {
	w.Helper()
	id, err := w.ProposeRotation(w.ctx, change)
	require.NoError(w, err)
	killing, stop := context.WithCancel(w.ctx)
	defer stop()
	killed := make(chan error, 1)
	go func() {
		_, err := w.WaitEpoch(killing, id, func(e partiestypes.Epoch) bool { return e.Status == in })
		if err == nil {
			err = victim.Kill()
		}
		if err == nil {
			time.Sleep(2 * time.Second)
			err = victim.Start()
		}
		killed <- err
	}()
	rotated, err := w.FollowRotation(w.ctx, id, func(p devnet.Phase) { w.Logf("%s %s", p.Name, p.Took.Round(time.Millisecond)) })
	require.NoError(w, err)
	require.NoError(w, <-killed)
	return rotated
}

// members of a committee, by number of the party.
func (w *world) members(numbers ...int) (list []*devnet.Party) {
	for _, n := range numbers {
		list = append(list, w.Parties[n-1])
	}
	return list
}

func TestTheCommitteeGrowsAndShrinksWhileTheHostChainGetsEveryValue(t *testing.T) {
	w := start(t, devnet.Config{Parties: 7, Seats: 4}, nil)
	key, err := w.Key(w.ctx, w.KeyID)
	require.NoError(t, err)
	user := w.user()
	secret, reader := w.private(user, 11), w.reader(user)
	w.read(reader, w.ask(reader, secret), 11)

	traffic := w.traffic()
	grown := w.rotate(devnet.Rotation{Members: w.members(1, 2, 3, 4, 5, 6, 7)}, partiestypes.EPOCH_STATUS_RESHARING, w.Parties[1])
	require.EqualValues(t, 2, grown.Epoch.T)
	w.requireSigners(grown.Epoch)
	w.read(reader, w.ask(reader, secret), 11)

	shrunk := w.rotate(devnet.Rotation{Members: w.members(7, 1, 3, 2)}, partiestypes.EPOCH_STATUS_PROVING, w.Parties[2])
	require.EqualValues(t, 1, shrunk.Epoch.T)
	w.requireSigners(shrunk.Epoch)
	for _, removed := range w.members(4, 5, 6) {
		require.NoError(t, removed.Stop())
	}
	carried := traffic.end()
	require.NoError(t, traffic.one(1<<40))
	w.read(reader, w.ask(reader, secret), 11)
	t.Logf("values that the host chain accepted, by epoch: %v", carried)
	for _, epoch := range []uint64{devnet.FirstEpoch, grown.Epoch.Id, shrunk.Epoch.Id} {
		require.NotZero(t, carried[epoch], "under epoch %d", epoch)
	}
	now, err := w.Key(w.ctx, w.KeyID)
	require.NoError(t, err)
	require.Equal(t, key.Material, now.Material, "the public key stays")
	require.Equal(t, shrunk.Epoch.Id, now.EpochId)
}

// requireSigners checks whose signatures the host chain takes.
func (w *world) requireSigners(epoch partiestypes.Epoch) {
	w.Helper()
	info, err := w.HostClient.FetchInfo(w.ctx)
	require.NoError(w, err)
	signers, err := w.TKMS.Signers(w.ctx, epoch.Id)
	require.NoError(w, err)
	require.Len(w, info.KMS.Signers, len(signers))
	for i, s := range signers {
		require.EqualValues(w, s, info.KMS.Signers[i])
	}
	require.EqualValues(w, 2*epoch.T+1, info.KMS.Threshold)
}

// upgraded returns a program that is tkms-party of another build: the simulated device
// measures the file.
func (w *world) upgraded() string {
	w.Helper()
	program, err := os.ReadFile(filepath.Join(w.Config.Bin, "tkms-party"))
	require.NoError(w, err)
	path := filepath.Join(w.Config.Dir, "tkms-party-upgraded")
	require.NoError(w, os.WriteFile(path, append(program, "the next build"...), 0o700))
	return path
}

func TestAnEnclaveIsUpgradedByARotationAfterWhichTheOldOneIsRefused(t *testing.T) {
	w := start(t, devnet.Config{}, nil)
	user := w.user()
	w.travel(user, w.give(user, 21), 21)

	program := w.upgraded()
	newer, err := devnet.Measure(program)
	require.NoError(t, err)
	older, err := w.Measurements()
	require.NoError(t, err)
	p5, err := w.AddParty(w.ctx, program)
	require.NoError(t, err)
	require.Error(t, w.RegisterParty(w.ctx, p5), "its image is not accepted yet")
	require.NoError(t, w.Govern(w.ctx, "accept the next build", &partiestypes.MsgSetMeasurement{Authority: devnet.Authority(), Measurement: newer}))
	require.NoError(t, w.RegisterParty(w.ctx, p5))

	rotated, err := w.Rotate(w.ctx, devnet.Rotation{Members: w.members(1, 2, 3, 5), Rejects: older})
	require.NoError(t, err)
	journey := w.travel(user, w.give(user, 22), 22)
	require.Equal(t, rotated.Epoch.Id, journey.Request.EpochId)
	late, err := w.AddParty(w.ctx, filepath.Join(w.Config.Bin, "tkms-party"))
	require.NoError(t, err)
	var refusal *client.TxError
	require.ErrorAs(t, w.RegisterParty(w.ctx, late), &refusal, "the old image")
	require.Equal(t, (&client.TxError{Codespace: partiestypes.ErrAttestation.Codespace(), Code: partiestypes.ErrAttestation.ABCICode()}).Name(), refusal.Name())
}
