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
	client.ErrDelegation, client.ErrDelegationOff, client.ErrUnknownWallet, client.ErrNotApproved, client.ErrOtherSigners,
}

// verdict is evidence, or what is missing under a sealed header.
type verdict[E any] struct {
	evidence E
	missing  error
}

// Gather returns evidence that anybody may have the plaintexts of handles, under the
// newest head of a node that has any. Errors are those of client.Node.Gather.
func (h *Host) Gather(ctx context.Context, record *acltypes.HostChain, batch []handles.Handle) (*client.Evidence, error) {
	return gather(ctx, h, func(ctx context.Context, m *member, head *client.Head) (*client.Evidence, error) {
		return m.GatherAt(ctx, record, head, batch)
	})
}

// GatherUser returns evidence that a user may read handles. Errors are those of
// client.Node.GatherUser.
func (h *Host) GatherUser(ctx context.Context, record *acltypes.HostChain, access acltypes.UserAccess) (*client.Evidence, error) {
	return gather(ctx, h, func(ctx context.Context, m *member, head *client.Head) (*client.Evidence, error) {
		return m.GatherUserAt(ctx, record, head, access)
	})
}

// GatherSigners returns evidence that the host chain's verifier takes exactly these
// signers. Errors are those of client.Node.GatherSigners.
func (h *Host) GatherSigners(ctx context.Context, record *acltypes.HostChain, signers [][20]byte, threshold uint32) (*client.SignersEvidence, error) {
	return gather(ctx, h, func(ctx context.Context, m *member, head *client.Head) (*client.SignersEvidence, error) {
		return m.GatherSignersAt(ctx, record, head, signers, threshold)
	})
}

type gathering[E any] func(context.Context, *member, *client.Head) (E, error)

// gather asks the nodes. That something is missing is an answer, unless another node is
// further.
func gather[E any](ctx context.Context, h *Host, ask gathering[E]) (E, error) {
	v, err := race(ctx, h, func(ctx context.Context, m *member) (verdict[E], error) { return judge(ctx, h, m, ask) })
	if err != nil {
		return v.evidence, err
	}
	return v.evidence, v.missing
}

// judge asks one node under the head that is known of it. What is missing there may be
// in the block that came since.
func judge[E any](ctx context.Context, h *Host, m *member, ask gathering[E]) (verdict[E], error) {
	head := h.headOf(m)
	if head != nil {
		v, err := under(ctx, m, head, ask)
		if err != nil || v.missing == nil {
			return v, err
		}
	}
	fresh, err := m.Head(ctx)
	if err != nil {
		return verdict[E]{}, err
	}
	v, err := under(ctx, m, fresh, ask)
	if v.missing != nil && h.beyond(fresh.Height) {
		return v, fmt.Errorf("%w: %w", v.missing, errBehind)
	}
	return v, err
}

func under[E any](ctx context.Context, m *member, head *client.Head, ask gathering[E]) (verdict[E], error) {
	evidence, err := ask(ctx, m, head)
	for _, reason := range missing {
		if errors.Is(err, reason) {
			return verdict[E]{missing: err}, nil
		}
	}
	return verdict[E]{evidence: evidence}, err
}

// beyond tells whether a block above a height is known to be sealed.
func (h *Host) beyond(height uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.newest != nil && h.newest.Height > height
}
