package party

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/committee"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// heldKey is a key of which this party has a share.
type heldKey struct {
	parameters tfhe.Parameters
	shape      preproc.Shape
	keys       map[tfhe.KeyKind]*decrypt.Key
}

func shapeOf(p tfhe.Parameters) preproc.Shape {
	return preproc.Shape{K: p.SwitchBits, W: p.WindowBits()}
}

func keygenParameters(p tfhe.Parameters) keygen.Parameters {
	out := keygen.Parameters{NoiseBound: uint(p.PKENoise)}
	out.Dimensions[keygen.PublicKey] = p.PKEDimension
	out.Dimensions[keygen.Compute] = p.ComputeDimension()
	out.Dimensions[keygen.Small] = p.LWEDimension
	return out
}

func shareObject(keyID []byte, attempt uint32, epoch uint64) seal.Object {
	return seal.Object{Kind: kindKeyShare, Key: fmt.Sprintf("%x-%d", keyID, attempt), Epoch: epoch}
}

// holdKey returns a key that this party has a share of, read from under seal
// when it is first asked for.
func (s *seat) holdKey(ctx context.Context, keyID []byte) (*heldKey, error) {
	name := hex.EncodeToString(keyID)
	s.mu.Lock()
	held := s.held[name]
	s.mu.Unlock()
	if held != nil {
		return held, nil
	}
	var key kmstypes.Key
	if err := record(ctx, s.party.cfg.Chain, kmstypes.StoreKey, kmstypes.StoreKeyOfKey(keyID), s.party.heightNow(), &key); err != nil {
		return nil, err
	}
	return s.openKey(&key)
}

// openKey reads the share of a proven key from under seal.
func (s *seat) openKey(key *kmstypes.Key) (*heldKey, error) {
	p, err := parameters(key.Params)
	if err != nil {
		return nil, err
	}
	raw, err := s.party.cfg.Store.Get(shareObject(key.Id, key.Attempt, key.EpochId))
	if err != nil {
		return nil, fmt.Errorf("share of key %x: %w", key.Id, err)
	}
	defer raw.Zero()
	share, err := keygen.UnmarshalKeyShare(raw)
	if err != nil {
		return nil, err
	}
	defer share.Zero()
	held, err := s.prepare(p, share)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.held[hex.EncodeToString(key.Id)] = held
	s.mu.Unlock()
	return held, nil
}

// prepare makes a key share ready for decryption.
func (s *seat) prepare(p tfhe.Parameters, share *keygen.KeyShare) (*heldKey, error) {
	held := &heldKey{parameters: p, shape: shapeOf(p), keys: map[tfhe.KeyKind]*decrypt.Key{}}
	for kind, secret := range map[tfhe.KeyKind]keygen.Secret{tfhe.ComputeKey: keygen.Compute, tfhe.PublicKeyEncryptionKey: keygen.PublicKey} {
		key, err := decrypt.NewKey(s.code, held.shape, share.Part(secret))
		if err != nil {
			return nil, err
		}
		held.keys[kind] = key
	}
	return held, nil
}

// openKeys opens the shares of the epoch's active keys and starts their stock:
// requests find it ready after a restart.
func (s *seat) openKeys(ctx context.Context, height int64, next uint64) error {
	objects, err := s.party.cfg.Store.List()
	if err != nil {
		return err
	}
	for _, object := range objects {
		if object.Kind != kindKeyShare || object.Epoch != s.epochID() {
			continue
		}
		id, _, _ := bytes.Cut([]byte(object.Key), []byte("-"))
		keyID, err := hex.DecodeString(string(id))
		if err != nil {
			continue
		}
		var key kmstypes.Key
		if err := record(ctx, s.party.cfg.Chain, kmstypes.StoreKey, kmstypes.StoreKeyOfKey(keyID), height, &key); errors.Is(err, ErrAbsent) {
			continue
		} else if err != nil {
			return err
		}
		if key.Status != kmstypes.KEY_STATUS_ACTIVE || shareObject(key.Id, key.Attempt, key.EpochId) != object {
			continue
		}
		held, err := s.openKey(&key)
		if err != nil {
			return err
		}
		st, err := s.stock(held.shape)
		if err != nil {
			return err
		}
		st.Assigned(next)
		st.Sweep()
	}
	return nil
}

// startKey begins to generate a key that the chain recorded.
func (p *Party) startKey(s *seat, key *kmstypes.Key) {
	if key.Status != kmstypes.KEY_STATUS_GENERATING || key.EpochId != s.epochID() {
		return
	}
	t := &task{id: keyTask(key), key: key, update: make(chan *kmstypes.Key, 1)}
	ctx, fresh := p.add(s, t)
	if !fresh {
		return
	}
	s.running.Go(func() {
		defer p.remove(t)
		if err := p.generate(ctx, s, t); err != nil && ctx.Err() == nil {
			p.cfg.Log.Error("key generation failed at this party", "key", hex.EncodeToString(key.Id), "attempt", key.Attempt, "culprits", mpc.Culprits(err).String(), "err", err)
		}
	})
}

// followKey hands the newest proven record to a key's task and ends it when the
// attempt is over.
func (p *Party) followKey(ctx context.Context, t *task, height int64) error {
	var now kmstypes.Key
	if err := record(ctx, p.cfg.Chain, kmstypes.StoreKey, kmstypes.StoreKeyOfKey(t.key.Id), height, &now); err != nil {
		return err
	}
	if now.Attempt != t.key.Attempt || now.Status == kmstypes.KEY_STATUS_FAILED || now.Status == kmstypes.KEY_STATUS_RETIRED {
		p.remove(t)
		return nil
	}
	select {
	case <-t.update:
	default:
	}
	t.update <- &now
	return nil
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

func (g *generation) session(protocol string) mpc.Session {
	return mpc.Session{
		ChainID: g.party.cfg.ChainID, Subject: g.key.Id, Parameters: g.parameters.Name, Epoch: g.key.EpochId,
		Attempt: g.key.Attempt, Protocol: protocol, Parties: g.members, T: g.seat.code.T(),
	}
}

// generate runs one attempt: shared bits, their digest on chain, the public key,
// a test decryption, and the party's word on the result.
func (p *Party) generate(ctx context.Context, s *seat, t *task) error {
	parameters, err := parameters(t.key.Params)
	if err != nil {
		return err
	}
	// Who takes part is what the chain said when the attempt began.
	c, err := loadCommittee(ctx, p.cfg.Chain, t.key.EpochId, p.id, t.key.StartedHeight)
	if err != nil {
		return err
	}
	if c.Excluded {
		return fmt.Errorf("%w: excluded when the attempt began", committee.ErrNotMember)
	}
	keys, err := s.loadKeys(c)
	if err != nil {
		return err
	}
	if keys == nil {
		return ErrNoKeys
	}
	g := &generation{party: p, seat: s, task: t, key: t.key, parameters: parameters, members: c.Active}
	if g.source, err = prss.NewSource(keys, s.code, g.session("key generation").ID()); err != nil {
		return err
	}
	p.cfg.Log.Info("generating a key", "key", hex.EncodeToString(t.key.Id), "attempt", t.key.Attempt, "params", parameters.Name)
	bits, err := g.makeBits(ctx)
	if err != nil {
		return fmt.Errorf("shared bits: %w", err)
	}
	share, material, public, err := g.open(ctx, bits)
	if err != nil {
		return fmt.Errorf("public key: %w", err)
	}
	defer share.Zero()
	held, err := s.prepare(parameters, share)
	if err != nil {
		return err
	}
	if material.TestDecryptionOk, err = g.test(ctx, held, share, public); err != nil {
		return fmt.Errorf("test decryption: %w", err)
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

// makeBits runs the offline stage and posts its digest.
func (g *generation) makeBits(ctx context.Context) (*preproc.Machine, error) {
	id := g.session("key generation").ID()
	machine, err := keygen.NewGeneration(preproc.Config{
		Source: g.source, Session: id, From: g.members, Identity: g.seat.identity,
	}, keygenParameters(g.parameters))
	if err != nil {
		return nil, err
	}
	if err := g.run(ctx, id, machine); err != nil {
		return nil, err
	}
	echo := machine.Echo()
	err = g.party.poster.Message(ctx, &kmstypes.MsgCommitKeyEcho{Account: g.party.account(), KeyId: g.key.Id, Attempt: g.key.Attempt, Digest: echo[:]})
	return machine, err
}

func (g *generation) run(ctx context.Context, id mpc.Digest, machine mpc.Machine) error {
	return g.seat.router.Run(ctx, session.ID(id), machine, session.WithParties(g.members.List()...))
}

// await returns the first proven record that satisfies want.
func (g *generation) await(ctx context.Context, want func(*kmstypes.Key) bool) (*kmstypes.Key, error) {
	for {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case key := <-g.task.update:
			if want(key) {
				return key, nil
			}
		}
	}
}
