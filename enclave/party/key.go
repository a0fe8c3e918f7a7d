package party

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/committee"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/enclave/tfhe/evaluate"
	"github.com/tkms-network/tkms/enclave/vss"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// overtakenAfter is how many blocks after a key became active a party that is
// still generating it gives up and rebuilds its share instead.
const overtakenAfter = 50

// errNoise reports noise that this party does not know how to make.
var errNoise = errors.New("party: a key with noise of an unknown kind")

func keyObject(kind string, key *kmstypes.Key) seal.Object {
	return seal.Object{Kind: kind, Key: attemptName(key), Epoch: key.EpochId}
}

// under returns a key as of an epoch that holds, held or is to hold its shares.
func under(key *kmstypes.Key, epoch uint64) *kmstypes.Key {
	out := *key
	out.EpochId = epoch
	return &out
}

// attemptName names an attempt to generate a key in files.
func attemptName(key *kmstypes.Key) string { return fmt.Sprintf("%x-%d", key.Id, key.Attempt) }

// keySession names a protocol of one attempt to generate a key among members.
func (s *seat) keySession(key *kmstypes.Key, p tfhe.Parameters, members sharing.Parties, protocol string) mpc.Session {
	return mpc.Session{
		ChainID: s.party.cfg.ChainID, Subject: key.Id, Parameters: p.Name, Epoch: key.EpochId,
		Attempt: key.Attempt, Protocol: protocol, Parties: members, T: s.code.T(),
	}
}

// allBut returns the members 1..n but for some.
func allBut(n int, without []uint32) sharing.Parties {
	members := sharing.AllParties(n)
	for _, index := range without {
		members = members.Without(sharing.PartiesOf(int(index)))
	}
	return members
}

// noiseMode returns how the noise of a key is made.
func noiseMode(key *kmstypes.Key) (keygen.Mode, error) {
	switch key.Noise {
	case kmstypes.NoiseExact:
		return keygen.Exact, nil
	case kmstypes.NoisePRSS:
		return keygen.PRSS, nil
	}
	return 0, fmt.Errorf("%w: %q", errNoise, key.Noise)
}

// keySource draws the randomness of an attempt: that of its first step.
func (s *seat) keySource(keys *prss.Keys, key *kmstypes.Key, p tfhe.Parameters, members sharing.Parties) (*prss.Source, error) {
	mode, err := noiseMode(key)
	if err != nil {
		return nil, err
	}
	return prss.NewSource(keys, s.code, s.keySession(key, p, members, keygen.Protocol(mode, 0)).ID())
}

// dealtKeysFrom is the number of members from which the randomness of a key's generation
// is dealt although the epoch has keys of a set-up: a bit costs so many sets 20 times as
// much otherwise.
const dealtKeysFrom = 13

// keyRandomness returns what an attempt draws from; what is dealt is to be joined.
func (s *seat) keyRandomness(key *kmstypes.Key, p tfhe.Parameters, members sharing.Parties, mode keygen.Mode) (prss.Randomness, error) {
	context := s.keySession(key, p, members, keygen.Protocol(mode, 0)).ID()
	if s.dealt() {
		return vss.NewSource(s.code, s.identity.Self(), members, context), nil
	}
	keys, err := s.loadKeys(s.current())
	if err != nil {
		return nil, err
	}
	if keys == nil {
		return nil, ErrNoKeys
	}
	pseudo, err := s.keySource(keys, key, p, members)
	if err != nil || s.code.N() < dealtKeysFrom {
		return pseudo, err
	}
	source := vss.NewSource(s.code, s.identity.Self(), members, context)
	return source, source.TakeNoise(pseudo)
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
		defer p.endKey(t)
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

// endKey ends the task of an attempt. What the attempt left is erased, unless it is
// this party that stops: then it goes on later.
func (p *Party) endKey(t *task) {
	p.remove(t)
	if t.seat.ctx.Err() != nil {
		return
	}
	p.eraseOver(t.seat.ctx, attemptName(t.key))
}

// followKey hands the newest proven record to a key's task and ends it when the
// attempt is over.
func (p *Party) followKey(ctx context.Context, t *task, height int64) error {
	var now kmstypes.Key
	if err := record(ctx, p.cfg.Chain, kmstypes.StoreKey, kmstypes.StoreKeyOfKey(t.key.Id), height, &now); err != nil {
		return err
	}
	if now.Attempt != t.key.Attempt || now.Status == kmstypes.KEY_STATUS_FAILED || now.Status == kmstypes.KEY_STATUS_RETIRED && t.seat.holds(now.Id) != nil {
		p.remove(t)
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

// begin finds out who takes part, whom the chain recorded when the attempt began, and
// how far this party had come in an earlier life.
func (p *Party) begin(s *seat, t *task) (*generation, error) {
	parameters, err := tfhe.ByName(t.key.Params)
	if err != nil {
		return nil, err
	}
	mode, err := noiseMode(t.key)
	if err != nil {
		return nil, err
	}
	// Who is a member of an epoch does not change: a committee of now will do, and of
	// the header of the attempt's first block a restarted light client may have nothing.
	c := s.current()
	members := allBut(c.N, t.key.Without)
	if !members.Has(c.Self) {
		return nil, fmt.Errorf("%w: excluded when the attempt began", committee.ErrNotMember)
	}
	source, err := s.keyRandomness(t.key, parameters, members, mode)
	if err != nil {
		return nil, err
	}
	g := &generation{task: t, mode: mode, examination: examination{
		party: p, key: t.key, parameters: parameters,
		sessions: sessions{seat: s, owner: t.id, members: members, source: source, session: func(protocol string) mpc.Session {
			return s.keySession(t.key, parameters, members, protocol)
		}},
	}}
	g.compute = func(ctx context.Context) ([]evaluate.Trial, error) {
		_ = p.trials.Forget(mpc.Digest(t.key.Id)) // of files that an earlier life had
		return p.trials.Trials(mpc.Digest(t.key.Id), parameters, func() ([]evaluate.Trial, error) { return g.computed(ctx) })
	}
	return g, g.open()
}

// generate runs one attempt: the offline steps, their digest on chain, the openings,
// the files, test decryptions, and the party's word on the result.
func (p *Party) generate(ctx context.Context, s *seat, t *task) (err error) {
	g, err := p.begin(s, t)
	if err != nil {
		return err
	}
	defer g.close()
	p.cfg.Log.Info("generating a key", "key", hex.EncodeToString(t.key.Id), "attempt", t.key.Attempt, "params", g.parameters.Name,
		"noise", g.mode.String(), "steps", len(g.attempt.Steps()), "done", g.finished())
	telling, told := context.WithCancel(ctx)
	defer told()
	s.running.Go(func() { g.progress.run(telling) })
	if err := g.run(ctx); err != nil {
		return err
	}
	material, err := g.publish()
	if err != nil {
		return fmt.Errorf("publish the key: %w", err)
	}
	share := g.attempt.Share()
	opened, err := g.attempt.OpenedSecrets()
	if err != nil {
		return err
	}
	if err := s.sealShare(t.key, share, g.members, opened); err != nil {
		return err
	}
	held, err := s.prepare(g.parameters, share)
	if err != nil {
		return err
	}
	g.progress.reach(kmstypes.KEY_STAGE_TESTING)
	if err := g.test(ctx, held, material); err != nil {
		return fmt.Errorf("test decryptions: %w", err)
	}
	if err := g.post(ctx, material); err != nil {
		return err
	}
	s.mu.Lock()
	s.held[hex.EncodeToString(t.key.Id)] = held
	s.mu.Unlock()
	return s.openStocks(held)
}
