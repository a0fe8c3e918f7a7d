package cli

import (
	"fmt"
	"slices"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"

	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	"github.com/tkms-network/tkms/x/parties/types"
)

// Snapshot is what the chain says before a change, from queries: it shows, and proves
// nothing.
type Snapshot struct {
	// Authority is the account of governance.
	Authority string
	// Now is compared with attestations.
	Now    time.Time
	Params types.Params
	// Active is the epoch that holds the keys.
	Active types.Epoch
	// Others are epochs in the making or draining, ascending.
	Others []types.Epoch
	// Parties are all that are registered, ascending by id; Bonds, in utkms, by id.
	Parties []types.Party
	Bonds   map[uint64]uint64
	// Keys are those that the active epoch holds, ascending.
	Keys []kmstypes.Key
}

func (s *Snapshot) party(id uint64) (types.Party, bool) {
	at := slices.IndexFunc(s.Parties, func(p types.Party) bool { return p.Id == id })
	if at < 0 {
		return types.Party{}, false
	}
	return s.Parties[at], true
}

// messages returns what governance is to decide so that the wish comes true.
func (w Wish) messages(s *Snapshot) ([]sdk.Msg, error) {
	var list []sdk.Msg
	if w.RefreshEvery != nil {
		params := s.Params
		params.RefreshBlocks = *w.RefreshEvery
		if err := params.Validate(); err != nil {
			return nil, err
		}
		list = append(list, &types.MsgUpdateParams{Authority: s.Authority, Params: params})
	}
	if w.rotates() {
		rotate, err := w.rotation(s)
		if err != nil {
			return nil, err
		}
		list = append(list, rotate)
	}
	if len(list) == 0 {
		return nil, ErrNothing
	}
	return list, nil
}

func (w Wish) rotation(s *Snapshot) (*types.MsgRotate, error) {
	ids, err := w.committee(s.Active.PartyIDs())
	if err != nil {
		return nil, err
	}
	msg := &types.MsgRotate{Authority: s.Authority, PartyIds: ids, T: w.T, Rehearsal: w.Rehearsal}
	if msg.Accepts, err = measurementsOf(w.Accepts); err != nil {
		return nil, err
	}
	if msg.Rejects, err = measurementsOf(w.Rejects); err != nil {
		return nil, err
	}
	if err := msg.ValidateBasic(); err != nil {
		return nil, err
	}
	for i, id := range ids {
		if _, known := s.party(id); !known {
			return nil, fmt.Errorf("party %d: %w", id, types.ErrUnknownParty)
		}
		if slices.Contains(ids[:i], id) {
			return nil, fmt.Errorf("%w: party %d has two seats", ErrWish, id)
		}
	}
	return msg, nil
}

// Plan is what the messages of a proposal do to committees and parameters.
type Plan struct {
	// Rotate is nil if there is no other epoch.
	Rotate *types.MsgRotate
	// Params are those after the proposal.
	Params types.Params
}

// planOf reads the messages of a proposal. It returns ErrNothing if none is about
// committees, and ErrWish for two rotations.
func planOf(list []sdk.Msg, s *Snapshot) (*Plan, error) {
	plan := &Plan{Params: s.Params}
	about := false
	for _, msg := range list {
		var err error
		switch msg := msg.(type) {
		case *types.MsgRotate:
			if plan.Rotate != nil {
				return nil, fmt.Errorf("%w: two rotations in one proposal", ErrWish)
			}
			plan.Rotate = msg
			for _, measurement := range msg.Accepts {
				if plan.Params, err = plan.Params.WithMeasurement(measurement, false); err != nil {
					return nil, err
				}
			}
		case *types.MsgUpdateParams:
			plan.Params = msg.Params
		case *types.MsgSetMeasurement:
			if plan.Params, err = plan.Params.WithMeasurement(msg.Measurement, msg.Remove); err != nil {
				return nil, err
			}
		default:
			continue
		}
		about = true
	}
	if !about {
		return nil, ErrNothing
	}
	return plan, nil
}
