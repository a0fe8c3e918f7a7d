package hostchain

import (
	"context"
	"errors"
	"fmt"

	"github.com/tkms-network/tkms/x/acl/client"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/handles"
)

// missing are what evidence says if it is sound and the host chain does not permit, or
// does not have, what was asked.
var missing = []error{
	client.ErrNotPermitted, client.ErrNoDigest, client.ErrNotAllowed, client.ErrOtherDigest,
	client.ErrDelegation, client.ErrDelegationOff, client.ErrUnknownWallet, client.ErrNotApproved,
}

// verdict is evidence, or what is missing under a sealed header.
type verdict struct {
	evidence *client.Evidence
	missing  error
}

// Gather returns evidence that anybody may have the plaintexts of handles, under the
// newest head of a node that has any. Errors are those of client.Node.Gather.
func (h *Host) Gather(ctx context.Context, record *acltypes.HostChain, batch []handles.Handle) (*client.Evidence, error) {
	return h.gather(ctx, func(ctx context.Context, m *member, head *client.Head) (*client.Evidence, error) {
		return m.GatherAt(ctx, record, head, batch)
	})
}

// GatherUser returns evidence that a user may read handles. Errors are those of
// client.Node.GatherUser.
func (h *Host) GatherUser(ctx context.Context, record *acltypes.HostChain, access acltypes.UserAccess) (*client.Evidence, error) {
	return h.gather(ctx, func(ctx context.Context, m *member, head *client.Head) (*client.Evidence, error) {
		return m.GatherUserAt(ctx, record, head, access)
	})
}

type gathering func(context.Context, *member, *client.Head) (*client.Evidence, error)

// gather asks the nodes. That something is missing is an answer, unless another node is
// further.
func (h *Host) gather(ctx context.Context, ask gathering) (*client.Evidence, error) {
	v, err := race(ctx, h, func(ctx context.Context, m *member) (verdict, error) { return h.judge(ctx, m, ask) })
	if err != nil {
		return nil, err
	}
	return v.evidence, v.missing
}

// judge asks one node under the head that is known of it. What is missing there may be
// in the block that came since.
func (h *Host) judge(ctx context.Context, m *member, ask gathering) (verdict, error) {
	head := h.headOf(m)
	if head != nil {
		v, err := under(ctx, m, head, ask)
		if err != nil || v.missing == nil {
			return v, err
		}
	}
	fresh, err := m.Head(ctx)
	if err != nil {
		return verdict{}, err
	}
	v, err := under(ctx, m, fresh, ask)
	if v.missing != nil && h.beyond(fresh.Height) {
		return v, fmt.Errorf("%w: %w", v.missing, errBehind)
	}
	return v, err
}

func under(ctx context.Context, m *member, head *client.Head, ask gathering) (verdict, error) {
	evidence, err := ask(ctx, m, head)
	for _, reason := range missing {
		if errors.Is(err, reason) {
			return verdict{missing: err}, nil
		}
	}
	return verdict{evidence: evidence}, err
}

// beyond tells whether a block above a height is known to be sealed.
func (h *Host) beyond(height uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.newest != nil && h.newest.Height > height
}
