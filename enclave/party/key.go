package party

import (
	"context"
	"encoding/hex"
	"fmt"
	"sync"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/committee"
	"github.com/tkms-network/tkms/enclave/protocol/pkegen"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// overtakenAfter is how many blocks after a key became active a party that is
// still generating it gives up and rebuilds its share instead.
const overtakenAfter = 50

func keygenParameters(p tfhe.Parameters) keygen.Parameters {
	out := keygen.Parameters{NoiseBound: uint(p.PKENoise)}
	out.Dimensions[keygen.PublicKey] = p.PKEDimension
	out.Dimensions[keygen.Compute] = p.ComputeDimension()
	out.Dimensions[keygen.Small] = p.LWEDimension
	return out
}

func keyObject(kind string, key *kmstypes.Key) seal.Object {
	return seal.Object{Kind: kind, Key: fmt.Sprintf("%x-%d", key.Id, key.Attempt), Epoch: key.EpochId}
}

// keySession names a protocol of one attempt to generate a key among members.
func (s *seat) keySession(key *kmstypes.Key, p tfhe.Parameters, members sharing.Parties, protocol string) mpc.Session {
	return mpc.Session{
		ChainID: s.party.cfg.ChainID, Subject: key.Id, Parameters: p.Name, Epoch: key.EpochId,
		Attempt: key.Attempt, Protocol: protocol, Parties: members, T: s.code.T(),
	}
}

// keySource draws the randomness of an attempt: that of its first protocol.
func (s *seat) keySource(keys *prss.Keys, key *kmstypes.Key, p tfhe.Parameters, members sharing.Parties) (*prss.Source, error) {
	return prss.NewSource(keys, s.code, s.keySession(key, p, members, protocolBits).ID())
}

// startKey begins to generate a key that the chain recorded.
func (p *Party) startKey(s *seat, key *kmstypes.Key) {
	if key.Status != kmstypes.KEY_STATUS_GENERATING || key.EpochId != s.epochID() || len(key.Id) != mpc.DigestSize {
		return
	}
	generating, overtaken := context.WithCancel(s.ctx)
	t := &task{id: keyTask(key), key: key, update: make(chan *kmstypes.Key, 1), overtaken: overtaken}
	ctx, fresh := p.add(s, t)
	if !fresh {
		overtaken()
		return
	}
	stop := context.AfterFunc(ctx, overtaken)
	s.running.Go(func() {
		defer p.remove(s, t)
		defer stop()
		defer s.note(t.id, 0)
		err := p.generate(generating, s, t)
		if err == nil || ctx.Err() != nil {
			return
		}
		p.cfg.Log.Error("key generation failed at this party", "key", hex.EncodeToString(key.Id), "attempt", key.Attempt, "culprits", mpc.Culprits(err).String(), "err", err)
		p.restoreWhenActive(ctx, s, t)
	})
}

// followKey hands the newest proven record to a key's task and ends it when the
// attempt is over.
func (p *Party) followKey(ctx context.Context, s *seat, t *task, height int64) error {
	var now kmstypes.Key
	if err := record(ctx, p.cfg.Chain, kmstypes.StoreKey, kmstypes.StoreKeyOfKey(t.key.Id), height, &now); err != nil {
		return err
	}
	if now.Attempt != t.key.Attempt || now.Status == kmstypes.KEY_STATUS_FAILED || now.Status == kmstypes.KEY_STATUS_RETIRED && s.holds(now.Id) != nil {
		p.remove(s, t)
		return nil
	}
	if now.Status == kmstypes.KEY_STATUS_ACTIVE && height > now.ActiveHeight+overtakenAfter && t.overtaken != nil {
		t.overtaken()
	}
	select {
	case <-t.update:
	default:
	}
	t.update <- &now
	return nil
}

// await returns the first proven record that satisfies want.
func (t *task) await(ctx context.Context, want func(*kmstypes.Key) bool) (*kmstypes.Key, error) {
	for {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case key := <-t.update:
			if want(key) {
				return key, nil
			}
		}
	}
}

// generation is one attempt to generate a key, as this party sees it.
type generation struct {
	party      *Party
	seat       *seat
	task       *task
	key        *kmstypes.Key
	parameters tfhe.Parameters
	members    sharing.Parties // of the offline stage, fixed by the chain
	source     *prss.Source
}

// begin finds out who takes part: whom the chain recorded when the attempt began.
func (p *Party) begin(ctx context.Context, s *seat, t *task) (*generation, error) {
	parameters, err := parameters(t.key.Params)
	if err != nil {
		return nil, err
	}
	c, err := loadCommittee(ctx, p.cfg.Chain, t.key.EpochId, p.id, t.key.StartedHeight)
	if err != nil {
		return nil, err
	}
	members := sharing.AllParties(c.N)
	for _, index := range t.key.Without {
		members = members.Without(sharing.PartiesOf(int(index)))
	}
	if !members.Has(c.Self) {
		return nil, fmt.Errorf("%w: excluded when the attempt began", committee.ErrNotMember)
	}
	keys, err := s.loadKeys(c)
	if err != nil {
		return nil, err
	}
	if keys == nil {
		return nil, ErrNoKeys
	}
	g := &generation{party: p, seat: s, task: t, key: t.key, parameters: parameters, members: members}
	g.source, err = s.keySource(keys, t.key, parameters, g.members)
	return g, err
}

// generate runs one attempt: shared bits, their digest on chain, the public key,
// a test decryption, and the party's word on the result.
func (p *Party) generate(ctx context.Context, s *seat, t *task) error {
	g, err := p.begin(ctx, s, t)
	if err != nil {
		return err
	}
	p.cfg.Log.Info("generating a key", "key", hex.EncodeToString(t.key.Id), "attempt", t.key.Attempt, "params", g.parameters.Name)
	bits, err := g.makeBits(ctx)
	if err != nil {
		return fmt.Errorf("shared bits: %w", err)
	}
	share, material, public, err := g.open(ctx, bits)
	if err != nil {
		return fmt.Errorf("public key: %w", err)
	}
	defer share.Zero()
	held, err := s.prepare(g.parameters, share)
	if err != nil {
		return err
	}
	if material.TestDecryptionOk, err = g.test(ctx, held, share, public); err != nil {
		return fmt.Errorf("test decryption: %w", err)
	}
	if material.TestDecryptionOk {
		material.Tested = []string{kmstypes.FormCompactList}
	}
	if err := g.post(ctx, material); err != nil {
		return err
	}
	s.mu.Lock()
	s.held[hex.EncodeToString(t.key.Id)] = held
	s.mu.Unlock()
	_, err = s.stock(held.shape)
	return err
}

// run runs one protocol of the attempt among those that take part.
func (g *generation) run(ctx context.Context, protocol string, machine mpc.Machine, options ...session.Option) error {
	return g.seat.run(ctx, session.ID(g.session(protocol).ID()), g.task.id, g.members, machine, options...)
}

// runOpening runs a machine that opens values and passes on what it found. Its results
// are read in done; release is called when nothing more comes, or it failed.
func (g *generation) runOpening(ctx context.Context, protocol string, machine opening, done, release func()) error {
	of := g.session(protocol)
	err := g.run(ctx, protocol, machine, g.seat.lingering(of, machine, done, func(culprits, convicted sharing.Parties) {
		release()
		g.seat.name(of, culprits.Without(convicted))
	}))
	if err != nil {
		release()
	}
	return err
}

// offline is what the machine of a protocol that waits for all who take part needs.
func (g *generation) offline(protocol string) preproc.Config {
	id := g.session(protocol).ID()
	return preproc.Config{
		Source: g.source, Session: id, From: g.members, Identity: g.seat.identity, Journal: g.party.cfg.Journal,
	}
}

// runOffline runs such a machine, notes who keeps it waiting, and passes on what it
// found about them.
func (g *generation) runOffline(ctx context.Context, protocol string, machine *preproc.Machine) error {
	watched := &watchedMachine{Machine: machine}
	watching, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { g.seat.watch(watching, g.task.id, watched) })
	err := g.run(ctx, protocol, watched)
	stop()
	watch.Wait()
	culprits := mpc.Culprits(err)
	g.seat.accuseAll(ctx, g.session(protocol), machine.Evidence(), culprits)
	if len(machine.Evidence()) == 0 {
		g.seat.note(g.task.id, culprits) // until the attempt is over
	}
	return err
}

func (g *generation) session(protocol string) mpc.Session {
	return g.seat.keySession(g.key, g.parameters, g.members, protocol)
}
