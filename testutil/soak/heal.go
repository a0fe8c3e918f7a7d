package soak

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tkms-network/tkms/testutil/devnet"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

const (
	// healTimeout is how long a party may take until it works again and is counted, which
	// it waits for the longer the more often it was away.
	healTimeout = 4 * time.Minute
	// healByItself is how long a party may take to follow the chain before an operator
	// would restart it.
	healByItself = 45 * time.Second
	// behind is how many blocks a node or party may be behind and count as well.
	behind = 4
)

// heal waits until a party works again. One that does not follow the chain by itself is
// restarted, which the summary counts.
func (r *run) heal(ctx context.Context, p *devnet.Party) error {
	ctx, cancel := context.WithTimeoutCause(ctx, healTimeout, fmt.Errorf("not within %s", healTimeout))
	defer cancel()
	alone, done := context.WithTimeout(ctx, healByItself)
	defer done()
	if err := await(alone, func() error { return r.follows(ctx, p) }); err != nil && ctx.Err() == nil {
		r.restarts++
		r.say("%s does not follow the chain by itself and is restarted: %s", p.Moniker, err)
		if err := errors.Join(p.Kill(), p.Start()); err != nil {
			return err
		}
	}
	err := await(ctx, func() error { return errors.Join(r.follows(ctx, p), r.counted(ctx, p)) })
	if err != nil {
		return fmt.Errorf("%s does not work again: %w", p.Moniker, err)
	}
	return nil
}

// await waits until there is no error any more.
func await(ctx context.Context, check func() error) error {
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(retryPause):
		}
	}
}

// follows tells whether a party has verified the latest blocks.
func (r *run) follows(ctx context.Context, p *devnet.Party) error {
	height, err := r.height(ctx)
	if err != nil {
		return err
	}
	status, err := r.net.StatusOf(ctx, p)
	if err != nil {
		return err
	}
	if status.Height < height-behind {
		return fmt.Errorf("it is at block %d of %d", status.Height, height)
	}
	return nil
}

// counted tells whether the chain counts a party, unless it is convicted.
func (r *run) counted(ctx context.Context, p *devnet.Party) error {
	absence, err := r.absence(ctx, p)
	if err != nil {
		return err
	}
	if absence.Excluded && !absence.Convicted {
		return errors.New("it is excluded")
	}
	return nil
}

// absence is what the active epoch says of a party.
func (r *run) absence(ctx context.Context, p *devnet.Party) (partiestypes.Absence, error) {
	node, err := r.live(ctx)
	if err != nil {
		return partiestypes.Absence{}, err
	}
	epoch, err := node.Epoch(ctx, r.epoch.Load())
	if err != nil {
		return partiestypes.Absence{}, err
	}
	at := slices.IndexFunc(epoch.Members, func(m partiestypes.Member) bool { return m.PartyId == p.ID })
	if at < 0 {
		return partiestypes.Absence{}, nil
	}
	for _, a := range epoch.Absences {
		if a.Index == epoch.Members[at].Index {
			return a, nil
		}
	}
	return partiestypes.Absence{}, nil
}

// live returns the network as a validator's node sees it that answers, the furthest one.
func (r *run) live(ctx context.Context) (*devnet.Devnet, error) {
	var best *devnet.Devnet
	furthest := int64(0)
	for _, at := range r.nodes {
		asking, cancel := context.WithTimeout(ctx, time.Second)
		status, err := at.TKMS.RPC().Status(asking)
		cancel()
		if err == nil && status.SyncInfo.LatestBlockHeight > furthest {
			best, furthest = at, status.SyncInfo.LatestBlockHeight
		}
	}
	if best == nil {
		return nil, errors.New("no validator's node answers")
	}
	return best, nil
}

func (r *run) height(ctx context.Context) (int64, error) {
	at, err := r.live(ctx)
	if err != nil {
		return 0, err
	}
	status, err := at.TKMS.RPC().Status(ctx)
	if err != nil {
		return 0, err
	}
	return status.SyncInfo.LatestBlockHeight, nil
}

// awaitValidator waits until a validator's node has caught up.
func (r *run) awaitValidator(ctx context.Context, number int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, healTimeout, fmt.Errorf("not within %s", healTimeout))
	defer cancel()
	height, err := r.height(ctx)
	if err != nil {
		return err
	}
	return r.net.Chain.WaitForHeight(ctx, number-1, height)
}
