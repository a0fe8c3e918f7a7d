package party

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/status"
	"github.com/tkms-network/tkms/enclave/party/stock"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// group is the part of a request that is under one secret key.
type group struct {
	kind    tfhe.KeyKind
	members []int // positions in the request
	taken   []*intake
}

// grouped sorts ciphertexts by the key that they are under, and so by the form and the
// way that they are decrypted. Two groups never share an item: each ciphertext has a
// range of its own.
func grouped(taken []*intake) []*group {
	var groups []*group
	for i, c := range taken {
		var g *group
		for _, known := range groups {
			if known.kind == c.outline.Key() {
				g = known
			}
		}
		if g == nil {
			g = &group{kind: c.outline.Key()}
			groups = append(groups, g)
		}
		g.members = append(g.members, i)
		g.taken = append(g.taken, c)
	}
	return groups
}

// flooded reports whether the group is decrypted by flooding.
func (g *group) flooded() bool { return g.taken[0].flooded != nil }

// phases returns those of a group that is not flooded.
func (g *group) phases() []*decrypt.Phases {
	out := make([]*decrypt.Phases, len(g.taken))
	for i, c := range g.taken {
		out[i] = c.phases
	}
	return out
}

// decrypt runs the online phase and returns, for each ciphertext in the request's order,
// the plaintexts of its blocks, or of a user decryption this party's shares of them.
//
// A mask must never meet two inputs. Within a process the machine refuses
// material that was used. Across restarts the same items come back from the
// sealed stock, or are made anew, and that is sound because everything that a
// message depends on is fixed: the range of items comes from the proven record of
// this request and attempt, no other has it, and the ciphertexts are those of its
// digests. So a restarted party can only repeat the messages that it sent before,
// bit for bit; a further attempt has items of its own. What hides shares, and what
// floods, belongs to this request and attempt, too.
func (p *Party) decrypt(ctx context.Context, s *seat, t *task, held *heldKey, taken []*intake) ([][]uint64, error) {
	parts := make([][]uint64, len(taken))
	for _, g := range grouped(taken) {
		words, err := p.compute(ctx, s, t, held, g)
		if err != nil {
			return nil, err
		}
		for k, member := range g.members {
			count := g.taken[k].blocks()
			if d := s.code.Degree(); forUser(t.request) { // whole elements
				count = (count + d - 1) / d * d
			}
			parts[member], words = words[:count:count], words[count:]
		}
	}
	return parts, nil
}

// compute runs the online phase of a group. If it takes offline items, once they are
// made: with their newest version, and if that takes long with each other one that is
// held or comes to be. Enough other members may have only one of them.
func (p *Party) compute(ctx context.Context, s *seat, t *task, held *heldKey, g *group) ([]uint64, error) {
	if g.flooded() {
		return p.flood(ctx, s, t, held, g)
	}
	if s.code.N() == 1 {
		return p.online(ctx, s, t, held, g, nil, nil)
	}
	p.progress(t.request, func(r *status.Request) { r.State, r.Reason, r.Detail = status.StateWaiting, "", "" })
	shape := held.keys[g.kind].Shape()
	shapes := []preproc.Shape{shape}
	if forUser(t.request) && held.lifts(shape) {
		shapes = append(shapes, held.shape)
	}
	needs := make(supplies, len(shapes))
	ranges := make([]stock.Range, len(g.members))
	for k, member := range g.members {
		ranges[k] = stock.Range{First: t.request.Ciphertexts[member].FirstItem, Count: g.taken[k].blocks()}
	}
	for i, shape := range shapes {
		st, err := s.stock(shape)
		if err != nil {
			return nil, err
		}
		needs[i] = supply{st, ranges}
	}
	atOnce, err := needs.await(ctx)
	if err != nil {
		return nil, err
	}
	p.progress(t.request, func(r *status.Request) { r.FromStock = atOnce })
	return needs.eachVersion(ctx, func(ctx context.Context, stocked [][]*preproc.Batch) ([]uint64, error) {
		var lift []*preproc.Batch
		if len(stocked) > 1 {
			lift = stocked[1]
		}
		return p.online(ctx, s, t, held, g, stocked[0], lift)
	})
}

// session names a protocol of a group with all members: who is absent does not matter,
// and who is excluded may be back. The same items made in another context are other
// masks, so the id covers the contexts.
func (p *Party) session(s *seat, request *kmstypes.Request, held *heldKey, protocol string, g *group, stocked []*preproc.Batch) mpc.Session {
	digests := make([]mpc.Digest, len(request.Ciphertexts))
	for i, c := range request.Ciphertexts {
		digests[i] = mpc.Digest(c.Digest)
	}
	var masks []byte
	for _, b := range stocked {
		context := b.Context()
		first, count := b.Range()
		masks = append(masks, context[:]...)
		masks = append(masks, mpc.Uint64(first)...)
		masks = append(masks, mpc.Uint64(uint64(count))...) // #nosec G115 -- positive
	}
	return mpc.Session{
		ChainID: p.cfg.ChainID, Subject: request.Id, Ciphertexts: digests, Parameters: held.parameters.Name, Epoch: request.EpochId,
		Attempt: request.Attempt, Protocol: protocol + "/" + g.kind.String(), Parties: sharing.AllParties(s.code.N()), T: s.code.T(),
		Items: mpc.Hash("tkms/v1/online/items", masks),
	}
}

// online runs the online phase of a group and returns the values of its blocks, or of a
// user decryption this party's shares of them.
func (p *Party) online(ctx context.Context, s *seat, t *task, held *heldKey, g *group, stocked, lift []*preproc.Batch) ([]uint64, error) {
	named := p.session(s, t.request, held, "decrypt", g, slices.Concat(stocked, lift))
	keep, err := p.keep(s, t.request, held, g)
	if err != nil {
		return nil, err
	}
	machine, err := decrypt.New(decrypt.Config{
		Code: s.code, Self: s.identity.Self(), Session: named.ID(), Identity: s.identity, Phases: g.phases(), Stock: stocked, Lift: lift, Keep: keep,
	})
	if err != nil {
		return nil, err
	}
	var words []uint64
	err = p.runOnline(ctx, s, t, named, machine, func() {
		if words = machine.Values(); keep != nil {
			words = machine.Shares()
		}
	})
	return words, err
}

// flood decrypts a group by flooding and returns the values of its blocks. What floods
// is drawn in a context of the session, which covers the ciphertexts and their order.
func (p *Party) flood(ctx context.Context, s *seat, t *task, held *heldKey, g *group) ([]uint64, error) {
	p.progress(t.request, func(r *status.Request) { r.FromStock = true }) // it needs none
	named := p.session(s, t.request, held, "flood", g, nil)
	config := decrypt.FloodConfig{Code: s.code, Self: s.identity.Self(), Session: named.ID(), Identity: s.identity}
	for _, c := range g.taken {
		config.Phases = append(config.Phases, c.flooded)
	}
	var err error
	if config.Source, err = s.source(named.ID()); err != nil {
		return nil, err
	}
	machine, err := decrypt.NewFlooding(config)
	if err != nil {
		return nil, err
	}
	var values []uint64
	err = p.runOnline(ctx, s, t, named, machine, func() { values = machine.Values() })
	return values, err
}

// decryption is a machine that decrypts.
type decryption interface {
	opening
	Release()
}

// runOnline runs a decryption; its result is read in done.
func (p *Party) runOnline(ctx context.Context, s *seat, t *task, named mpc.Session, machine decryption, done func()) error {
	p.progress(t.request, func(r *status.Request) { r.State, r.Reason, r.Detail = status.StateComputing, "", "" })
	err := s.run(ctx, session.ID(named.ID()), t.id, named.Parties, machine, s.lingering(named, machine, openingLinger, done,
		func(culprits, _ sharing.Parties) {
			machine.Release()
			p.name(s, t.request, culprits)
		}))
	if err != nil {
		machine.Release()
	}
	return err
}

// name records who sent wrong shares.
func (p *Party) name(s *seat, request *kmstypes.Request, culprits sharing.Parties) {
	if culprits == 0 {
		return
	}
	p.cfg.Log.Warn("wrong shares", "request", hex.EncodeToString(request.Id), "culprits", culprits.String())
	if culprits.Has(s.identity.Self()) {
		p.cfg.Log.Error("the shares of this party itself are wrong: its share of the key or its stock is damaged", "request", hex.EncodeToString(request.Id))
	}
	for _, i := range culprits.List() {
		p.metrics.Culprits.WithLabelValues(fmt.Sprint(i)).Inc()
	}
	p.progress(request, func(r *status.Request) { r.Culprits = culprits.List() })
}
