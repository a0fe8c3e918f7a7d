package devnet

import (
	"context"
	"fmt"
	"slices"

	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// acceptGas covers the acceptance of a seat.
const acceptGas = 300_000

// Rotate has governance hand the keys over to a committee of parties, in the order of
// their indices, which tolerates t of them or as many as so many can if it is 0. Newcomers
// accept their seats. It returns the epoch once it is active and the host chain's
// KMSVerifier has its signers.
func (d *Devnet) Rotate(ctx context.Context, t uint32, members ...*Party) (partiestypes.Epoch, error) {
	var none partiestypes.Epoch
	before, err := d.ActiveEpoch(ctx)
	if err != nil {
		return none, err
	}
	var ids []uint64
	for _, p := range members {
		ids = append(ids, p.ID)
	}
	msg := &partiestypes.MsgRotate{Authority: Authority(), PartyIds: ids, T: t}
	if err := d.Govern(ctx, "change the committee", msg); err != nil {
		return none, err
	}
	next, err := d.newestEpoch(ctx)
	if err != nil {
		return none, err
	}
	if next.Id <= before.Id {
		return none, fmt.Errorf("governance passed a rotation, and the newest epoch is still %d", next.Id)
	}
	operator, err := d.Sender(ctx, OperatorAccount)
	if err != nil {
		return none, err
	}
	for _, p := range members {
		if slices.ContainsFunc(before.Members, func(m partiestypes.Member) bool { return m.PartyId == p.ID }) {
			continue
		}
		_, err := operator.Send(ctx, acceptGas, &partiestypes.MsgAcceptSeat{Operator: operator.Address().String(), EpochId: next.Id, PartyId: p.ID})
		if err != nil {
			return none, fmt.Errorf("%s accepts its seat: %w", p.Moniker, err)
		}
	}
	active, err := d.WaitEpoch(ctx, next.Id, func(e partiestypes.Epoch) bool { return e.Status == partiestypes.EPOCH_STATUS_ACTIVE })
	if err != nil {
		return active, err
	}
	return active, d.SetKMSContext(ctx, active)
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
