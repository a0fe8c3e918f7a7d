package party

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/big"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/status"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// onlineLinger is how long a finished decryption goes on checking late shares.
const onlineLinger = 3 * time.Second

// group is the part of a request that is under one secret key.
type group struct {
	kind    tfhe.KeyKind
	members []int // positions in the request
	blocks  joined
}

// joined presents several ciphertexts as one run of blocks.
type joined struct {
	parts []*tfhe.Ciphertext
	owner []int // part of each block
	start []int // first block of each part
}

func (j *joined) add(c *tfhe.Ciphertext) {
	j.start = append(j.start, len(j.owner))
	for range c.Len() {
		j.owner = append(j.owner, len(j.parts))
	}
	j.parts = append(j.parts, c)
}

// Len implements decrypt.Blocks.
func (j *joined) Len() int { return len(j.owner) }

// Dimension implements decrypt.Blocks.
func (j *joined) Dimension() int { return j.parts[0].Dimension() }

// SwitchedLWE implements decrypt.Blocks.
func (j *joined) SwitchedLWE(i int, k uint, dst []uint32) {
	part := j.owner[i]
	j.parts[part].SwitchedLWE(i-j.start[part], k, dst)
}

// grouped sorts ciphertexts by the key that they are under. Two groups never
// share an item: each ciphertext has a range of its own.
func grouped(ciphertexts []*tfhe.Ciphertext) []*group {
	var groups []*group
	for i, c := range ciphertexts {
		var g *group
		for _, known := range groups {
			if known.kind == c.Key() {
				g = known
			}
		}
		if g == nil {
			g = &group{kind: c.Key()}
			groups = append(groups, g)
		}
		g.members = append(g.members, i)
		g.blocks.add(c)
	}
	return groups
}

// decrypt runs the online phase and returns the values in the request's order.
//
// A mask must never meet two inputs. Within a process the machine refuses
// material that was used. Across restarts the same items come back from the
// sealed stock, or are made anew, and that is sound because everything that a
// message depends on is fixed: the range of items comes from the proven record of
// this request and attempt, no other has it, and the ciphertexts are those of its
// digests. So a restarted party can only repeat the messages that it sent before,
// bit for bit; a further attempt has items of its own.
func (p *Party) decrypt(ctx context.Context, s *seat, t *task, held *heldKey, ciphertexts []*tfhe.Ciphertext) ([]*big.Int, error) {
	values := make([]*big.Int, len(ciphertexts))
	for _, g := range grouped(ciphertexts) {
		stocked, err := p.items(ctx, s, t.request, held, ciphertexts, g)
		if err != nil {
			return nil, err
		}
		plain, err := p.online(ctx, s, t, held, g, stocked)
		if err != nil {
			return nil, err
		}
		for k, member := range g.members {
			c := ciphertexts[member]
			start := g.blocks.start[k]
			if values[member], err = c.Recompose(plain[start : start+c.Len()]); err != nil {
				return nil, fmt.Errorf("recompose %s: %w", c.Type(), err)
			}
		}
	}
	return values, nil
}

// items takes the offline items of a group, waiting for them if they are yet to
// be made.
func (p *Party) items(ctx context.Context, s *seat, request *kmstypes.Request, held *heldKey, ciphertexts []*tfhe.Ciphertext, g *group) ([]*preproc.Batch, error) {
	if s.code.N() == 1 {
		return nil, nil
	}
	st, err := s.stock(held.shape)
	if err != nil {
		return nil, err
	}
	p.progress(request, func(r *status.Request) { r.State, r.Reason, r.Detail = status.StateWaiting, "", "" })
	var all []*preproc.Batch
	fromStock := true
	for _, member := range g.members {
		pieces, atOnce, err := st.Take(ctx, request.Ciphertexts[member].FirstItem, ciphertexts[member].Len())
		if err != nil {
			return nil, err
		}
		all = append(all, pieces...)
		fromStock = fromStock && atOnce
	}
	p.progress(request, func(r *status.Request) { r.FromStock = fromStock })
	return all, nil
}

// online runs the online phase of a group with all members: who is absent does
// not matter, and who is excluded may be back.
func (p *Party) online(ctx context.Context, s *seat, t *task, held *heldKey, g *group, stocked []*preproc.Batch) ([]uint64, error) {
	request := t.request
	digests := make([]mpc.Digest, len(request.Ciphertexts))
	for i, c := range request.Ciphertexts {
		digests[i] = mpc.Digest(c.Digest)
	}
	members := sharing.AllParties(s.code.N())
	id := mpc.Session{
		ChainID: p.cfg.ChainID, Subject: request.Id, Ciphertexts: digests, Parameters: held.parameters.Name, Epoch: request.EpochId,
		Attempt: request.Attempt, Protocol: "decrypt/" + g.kind.String(), Parties: members, T: s.code.T(),
	}.ID()
	machine, err := decrypt.New(decrypt.Config{Code: s.code, Self: s.identity.Self(), Key: held.keys[g.kind], Blocks: &g.blocks, Stock: stocked})
	if err != nil {
		return nil, err
	}
	p.progress(request, func(r *status.Request) { r.State, r.Reason, r.Detail = status.StateComputing, "", "" })
	var values []uint64
	err = s.run(ctx, session.ID(id), t.id, members, machine, session.WithLinger(onlineLinger,
		func() { values = machine.Values() },
		func() { p.name(s, request, machine.Culprits()) }))
	return values, err
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
