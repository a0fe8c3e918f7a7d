package devnet

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tkms-network/tkms/app/genesis"
	partiescli "github.com/tkms-network/tkms/x/parties/cli"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// acceptGas covers the acceptance of a seat.
const acceptGas = 300_000

// Rotation is a change of the committee.
type Rotation struct {
	// Members of the new committee in the order of their indices; none for those of the
	// active epoch, who then get new shares.
	Members []*Party
	// T is how many of them it tolerates, as many as so many can if it is 0.
	T uint32
	// Accepts are enclave images that are accepted from the proposal on, Rejects those that
	// no longer are once the epoch before has ended.
	Accepts, Rejects []partiestypes.Measurement
	// Rehearsal does everything but the activation.
	Rehearsal bool
	// Watch, if not nil, is told of each phase once it is over.
	Watch func(Phase)
}

// Phase is one phase of a rotation.
type Phase struct {
	Name string
	Took time.Duration
}

// Rotated is what became of a rotation.
type Rotated struct {
	// Epoch is the new one, as it was once it was active or rehearsed.
	Epoch partiestypes.Epoch
	// Phases in order: those of the epoch until it is active, and what follows.
	Phases []Phase
}

// Names of the phases that are not those of x/parties.
const (
	// phaseHandOver is the host chain's: until TKMS has the proof of the new signers.
	phaseHandOver = "hand-over"
	// phaseDraining is that of the epoch before.
	phaseDraining = "draining"
)

// Rotate has the DAO change the committee, from its proposal to the end of the epoch
// before: newcomers accept their seats, the parties hand the keys over, the owner of the
// host chain's KMSVerifier takes the new signers. A rotation to the same committee that is
// under way already is gone on with, so that it can be called again after an error.
func (d *Devnet) Rotate(ctx context.Context, change Rotation) (*Rotated, error) {
	id, err := d.ProposeRotation(ctx, change)
	if err != nil {
		return nil, err
	}
	return d.FollowRotation(ctx, id, change.Watch)
}

// FollowRotation does what is left to do of a rotation that governance passed: all that
// Rotate does but the proposal.
func (d *Devnet) FollowRotation(ctx context.Context, id uint64, watch func(Phase)) (*Rotated, error) {
	r := &Rotated{}
	done := func(name string, took time.Duration) {
		r.Phases = append(r.Phases, Phase{name, took})
		if watch != nil {
			watch(r.Phases[len(r.Phases)-1])
		}
	}
	if err := d.acceptSeats(ctx, id); err != nil {
		return nil, err
	}
	var err error
	if r.Epoch, err = d.followEpoch(ctx, id, done); err != nil || r.Epoch.Rehearsal {
		return r, err
	}
	began := time.Now()
	if err := d.HandOver(ctx, r.Epoch); err != nil {
		return r, fmt.Errorf("hand the host chain over to epoch %d: %w", id, err)
	}
	done(phaseHandOver, time.Since(began))
	began = time.Now()
	if _, err := d.WaitEpoch(ctx, r.Epoch.From, func(e partiestypes.Epoch) bool { return e.Status == partiestypes.EPOCH_STATUS_RETIRED }); err != nil {
		return r, fmt.Errorf("the end of epoch %d: %w", r.Epoch.From, err)
	}
	done(phaseDraining, time.Since(began))
	return r, nil
}

// ProposeRotation proposes a rotation by tkmsd, as a member of the DAO would, has it
// passed, and returns the epoch that it made.
func (d *Devnet) ProposeRotation(ctx context.Context, change Rotation) (uint64, error) {
	before, err := d.ActiveEpoch(ctx)
	if err != nil {
		return 0, err
	}
	if open, err := d.newestEpoch(ctx); err != nil || change.makes(open, before) {
		return open.Id, err
	}
	file, err := d.rotationFile(change)
	if err != nil {
		return 0, err
	}
	args := append([]string{"tx", "parties", "propose-rotation", "--file", file, "--wait"}, d.TxFlags(d.Layout.Nodes[0].Moniker)...)
	if _, err := d.Command(ctx, args...); err != nil {
		return 0, err
	}
	if err := d.pass(ctx, rotationTitle); err != nil {
		return 0, err
	}
	made, err := d.newestEpoch(ctx)
	if err == nil && !change.makes(made, before) {
		err = fmt.Errorf("governance passed a rotation, and the newest epoch is %d, %s", made.Id, made.Status)
	}
	return made.Id, err
}

// makes tells whether an epoch is what the change makes of another one.
func (c Rotation) makes(e, from partiestypes.Epoch) bool {
	ids := c.ids()
	if len(ids) == 0 {
		for _, m := range from.Members {
			ids = append(ids, m.PartyId)
		}
	}
	return e.From == from.Id && e.Id > from.Id && e.Rehearsal == c.Rehearsal && e.ClosedHeight == 0 && (c.T == 0 || c.T == e.T) &&
		slices.EqualFunc(e.Members, ids, func(m partiestypes.Member, id uint64) bool { return m.PartyId == id })
}

func (c Rotation) ids() (ids []uint64) {
	for _, p := range c.Members {
		ids = append(ids, p.ID)
	}
	return ids
}

const rotationTitle = "change the committee"

// rotationFile writes what tkmsd proposes.
func (d *Devnet) rotationFile(change Rotation) (path string, err error) {
	wish := partiescli.Wish{
		Refresh: len(change.Members) == 0, Members: change.ids(), T: change.T, Rehearsal: change.Rehearsal,
		Accepts: imagesOf(change.Accepts), Rejects: imagesOf(change.Rejects),
		Title: rotationTitle, Summary: rotationTitle, Deposit: genesis.DevnetGovernance().MinDeposit.String(),
	}
	raw, err := json.Marshal(wish)
	if err != nil {
		return "", err
	}
	path = filepath.Join(d.Config.Dir, "rotation.json")
	return path, os.WriteFile(path, raw, 0o600)
}

func imagesOf(measurements []partiestypes.Measurement) (images []partiescli.Image) {
	for _, m := range measurements {
		images = append(images, partiescli.Image{
			TeeType: m.TeeType, Pcr0: hex.EncodeToString(m.Pcr0), Pcr1: hex.EncodeToString(m.Pcr1), Pcr2: hex.EncodeToString(m.Pcr2), Note: m.Note,
		})
	}
	return images
}

// acceptSeats has the operator accept the seats of newcomers.
func (d *Devnet) acceptSeats(ctx context.Context, id uint64) error {
	epoch, err := d.Epoch(ctx, id)
	if err != nil || epoch.Status != partiestypes.EPOCH_STATUS_PROPOSED {
		return err
	}
	operator, err := d.Sender(ctx, OperatorAccount)
	if err != nil {
		return err
	}
	for _, m := range epoch.Members {
		if slices.Contains(epoch.Accepted, m.Index) {
			continue
		}
		msg := &partiestypes.MsgAcceptSeat{Operator: operator.Address().String(), EpochId: id, PartyId: m.PartyId}
		if _, err := operator.Send(ctx, acceptGas, msg); err != nil {
			return fmt.Errorf("%s accepts its seat: %w", d.partyName(m.PartyId), err)
		}
	}
	return nil
}

// followEpoch waits until an epoch is active or rehearsed.
func (d *Devnet) followEpoch(ctx context.Context, id uint64, done func(name string, took time.Duration)) (partiestypes.Epoch, error) {
	phase, began := "", time.Now()
	epoch, err := d.WaitEpoch(ctx, id, func(e partiestypes.Epoch) bool {
		name := phaseOf(e)
		if phase != "" && name != phase {
			done(phase, time.Since(began))
			began = time.Now()
		}
		phase = name
		return e.ActiveHeight > 0 || e.Status == partiestypes.EPOCH_STATUS_REHEARSED
	})
	if err != nil {
		return epoch, fmt.Errorf("%w (%s, %s)", err, phase, epoch.Failure)
	}
	return epoch, nil
}

// phaseOf names the phase of an epoch, with the attempt if it is not the first.
func phaseOf(e partiestypes.Epoch) string {
	name := strings.ToLower(strings.TrimPrefix(e.Status.String(), "EPOCH_STATUS_"))
	attempt := e.Attempt
	if e.Resharing != nil {
		attempt = e.Resharing.Attempt
	}
	if attempt > 1 {
		name += fmt.Sprintf(" %d", attempt)
	}
	return name
}

// Between returns the seconds from one block to another, as the chain has them.
func (d *Devnet) Between(ctx context.Context, from, to int64) (float64, error) {
	first, err := d.TKMS.RPC().Header(ctx, &from)
	if err != nil {
		return 0, err
	}
	last, err := d.TKMS.RPC().Header(ctx, &to)
	if err != nil {
		return 0, err
	}
	return last.Header.Time.Sub(first.Header.Time).Seconds(), nil
}

// ActiveEpoch returns the epoch that holds the keys.
func (d *Devnet) ActiveEpoch(ctx context.Context) (partiestypes.Epoch, error) { return d.Epoch(ctx, 0) }

func (d *Devnet) newestEpoch(ctx context.Context) (partiestypes.Epoch, error) {
	var response partiestypes.QueryEpochsResponse
	var newest partiestypes.Epoch
	if err := d.TKMS.Query(ctx, "/tkms.parties.v1.Query/Epochs", &partiestypes.QueryEpochsRequest{}, &response); err != nil {
		return newest, err
	}
	for _, e := range response.Epochs {
		if e.Id > newest.Id {
			newest = e
		}
	}
	return newest, nil
}
