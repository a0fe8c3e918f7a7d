package party

import (
	"context"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

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
	phases  []*decrypt.Phases
}

// grouped sorts ciphertexts by the key that they are under. Two groups never
// share an item: each ciphertext has a range of its own.
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
		g.phases = append(g.phases, c.phases)
	}
	return groups
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
// bit for bit; a further attempt has items of its own. What hides shares belongs to
// this request and attempt, too.
func (p *Party) decrypt(ctx context.Context, s *seat, t *task, held *heldKey, taken []*intake) ([][]uint64, error) {
	parts := make([][]uint64, len(taken))
	for _, g := range grouped(taken) {
		words, err := p.compute(ctx, s, t, held, g)
		if err != nil {
			return nil, err
		}
		for k, member := range g.members {
			count := g.phases[k].Len()
			if d := s.code.Degree(); forUser(t.request) { // whole elements
				count = (count + d - 1) / d * d
			}
			parts[member], words = words[:count:count], words[count:]
		}
	}
	return parts, nil
}

// otherVersions is how long the newest version of a group's items has to itself.
const otherVersions = time.Second

// compute runs the online phase of a group with its offline items, once they are
// made: with their newest version, and if that takes long with each other one that
// is held or comes to be. Enough other members may have only one of them.
func (p *Party) compute(ctx context.Context, s *seat, t *task, held *heldKey, g *group) ([]uint64, error) {
	if s.code.N() == 1 {
		return p.online(ctx, s, t, held, g, nil)
	}
	st, err := s.stock(held.shape)
	if err != nil {
		return nil, err
	}
	p.progress(t.request, func(r *status.Request) { r.State, r.Reason, r.Detail = status.StateWaiting, "", "" })
	ranges := make([]stock.Range, len(g.members))
	for k, member := range g.members {
		ranges[k] = stock.Range{First: t.request.Ciphertexts[member].FirstItem, Count: g.phases[k].Len()}
	}
	_, atOnce, err := st.Await(ctx, ranges...)
	if err != nil {
		return nil, err
	}
	p.progress(t.request, func(r *status.Request) { r.FromStock = atOnce })
	return eachVersion(ctx, st, ranges, func(ctx context.Context, stocked []*preproc.Batch) ([]uint64, error) {
		return p.online(ctx, s, t, held, g, stocked)
	})
}

// eachVersion calls run for the newest version of items that are held, after a
// while for the others, too, and returns what ends first.
func eachVersion(ctx context.Context, st *stock.Stock, ranges []stock.Range, run func(context.Context, []*preproc.Batch) ([]uint64, error)) ([]uint64, error) {
	type outcome struct {
		values []uint64
		err    error
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	outcomes := make(chan outcome)
	tried := map[stock.Version]bool{}
	patience := time.After(otherVersions)
	for {
		versions, changed, err := st.Versions(ranges...)
		if err != nil {
			return nil, err
		}
		if patience != nil {
			versions = versions[:max(0, min(len(versions), 1-len(tried)))]
		}
		for _, version := range versions {
			if tried[version] {
				continue
			}
			tried[version] = true
			stocked, err := st.Cut(version, ranges...)
			if err != nil {
				return nil, err
			}
			running.Go(func() {
				values, err := run(ctx, stocked)
				select {
				case outcomes <- outcome{values, err}:
				case <-ctx.Done():
					clear(values) // they may be shares
				}
			})
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-changed:
		case <-patience:
			patience = nil
		case got := <-outcomes:
			return got.values, got.err
		}
	}
}

// session names the online phase of a group with all members: who is absent does
// not matter, and who is excluded may be back. The same items made in another
// context are other masks, so the id covers the contexts.
func (p *Party) session(s *seat, request *kmstypes.Request, held *heldKey, g *group, stocked []*preproc.Batch) mpc.Session {
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
		Attempt: request.Attempt, Protocol: "decrypt/" + g.kind.String(), Parties: sharing.AllParties(s.code.N()), T: s.code.T(),
		Items: mpc.Hash("tkms/v1/online/items", masks),
	}
}

// online runs the online phase of a group and returns the values of its blocks, or of a
// user decryption this party's shares of them.
func (p *Party) online(ctx context.Context, s *seat, t *task, held *heldKey, g *group, stocked []*preproc.Batch) ([]uint64, error) {
	named := p.session(s, t.request, held, g, stocked)
	id := named.ID()
	keep, err := p.keep(s, t.request, held, g)
	if err != nil {
		return nil, err
	}
	machine, err := decrypt.New(decrypt.Config{
		Code: s.code, Self: s.identity.Self(), Session: id, Identity: s.identity, Phases: g.phases, Stock: stocked, Keep: keep,
	})
	if err != nil {
		return nil, err
	}
	p.progress(t.request, func(r *status.Request) { r.State, r.Reason, r.Detail = status.StateComputing, "", "" })
	var words []uint64
	err = s.run(ctx, session.ID(id), t.id, named.Parties, machine, s.lingering(named, machine,
		func() {
			if words = machine.Values(); keep != nil {
				words = machine.Shares()
			}
		},
		func(culprits, _ sharing.Parties) {
			machine.Release()
			p.name(s, t.request, culprits)
		}))
	if err != nil {
		machine.Release()
	}
	return words, err
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
