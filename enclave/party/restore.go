package party

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// methodKeyOpened names the peer call by which a member that was away while a key
// was generated asks for the values that were opened: with its own keys of the
// epoch they give its share. They are known to all members that took part and say
// nothing about the key.
const methodKeyOpened = "key/opened"

// callTime bounds the calls for opened values.
const callTime = 5 * time.Second

// Errors of rebuilding a share.
var (
	errKeyRequest   = errors.New("party: malformed request for the opened values of a key")
	errKeyUnvouched = errors.New("party: no t+1 members vouch for the same opened values of the key")
)

// sealShare seals the share of a key and, before it, what other members need to
// rebuild theirs.
func (s *seat) sealShare(key *kmstypes.Key, share *keygen.KeyShare, members sharing.Parties, opened []byte) error {
	vouched := append(binary.BigEndian.AppendUint32(nil, uint32(members)), opened...)
	if err := s.party.cfg.Store.Put(keyObject(kindKeyOpened, key), vouched); err != nil {
		return fmt.Errorf("seal the opened values: %w", err)
	}
	return s.sealKeyShare(key, share)
}

// sealKeyShare seals a share of a key, as of the epoch that the key is under.
func (s *seat) sealKeyShare(key *kmstypes.Key, share *keygen.KeyShare) error {
	encoded, err := share.MarshalBinary()
	if err != nil {
		return err
	}
	defer clear(encoded)
	if err := s.party.cfg.Store.Put(keyObject(kindKeyShare, key), encoded); err != nil {
		return fmt.Errorf("seal the share of key %x: %w", key.Id, err)
	}
	return nil
}

func openedCall(key *kmstypes.Key) []byte {
	return binary.BigEndian.AppendUint32(append([]byte(nil), key.Id...), key.Attempt)
}

// serveOpened answers with the members that took part in an attempt (4 bytes) and
// the values that they opened.
func (s *seat) serveOpened(_ int, body []byte) ([]byte, error) {
	if len(body) != kmstypes.IDSize+4 {
		return nil, errKeyRequest
	}
	key := kmstypes.Key{Id: body[:kmstypes.IDSize], Attempt: binary.BigEndian.Uint32(body[kmstypes.IDSize:]), EpochId: s.epochID()}
	return s.party.cfg.Store.Get(keyObject(kindKeyOpened, &key))
}

// startRestore begins to rebuild this party's share of a key that others hold.
func (p *Party) startRestore(s *seat, key *kmstypes.Key) {
	if key.Status != kmstypes.KEY_STATUS_ACTIVE && key.Status != kmstypes.KEY_STATUS_RETIRED {
		return
	}
	t := &task{id: keyTask(key), key: key, update: make(chan *kmstypes.Key, 1)}
	ctx, fresh := p.add(s, t)
	if !fresh {
		return
	}
	s.running.Go(func() {
		defer p.remove(t)
		p.restore(ctx, s, key)
	})
}

// restoreWhenActive waits until the others have a key that this party failed to
// generate with them, and rebuilds the share.
func (p *Party) restoreWhenActive(ctx context.Context, s *seat, t *task) {
	key, err := t.await(ctx, func(k *kmstypes.Key) bool { return k.Status == kmstypes.KEY_STATUS_ACTIVE })
	if err == nil {
		p.restore(ctx, s, key)
	}
}

// restore rebuilds a share; it goes on trying until ctx ends.
func (p *Party) restore(ctx context.Context, s *seat, key *kmstypes.Key) {
	for said := false; ; said = true {
		err := p.restoreOnce(ctx, s, key)
		if err == nil {
			p.cfg.Log.Info("rebuilt the share of a key", "key", hex.EncodeToString(key.Id))
			return
		}
		if ctx.Err() == nil && !said {
			p.cfg.Log.Warn("the share of a key cannot be rebuilt yet", "key", hex.EncodeToString(key.Id), "err", err)
		}
		if !pause(ctx, retryPause) {
			return
		}
	}
}

func (p *Party) restoreOnce(ctx context.Context, s *seat, key *kmstypes.Key) error {
	if s.reshared(key) {
		if err := p.restoreReshared(ctx, s); err != nil {
			return err
		}
		held, err := s.openKey(key)
		if err != nil {
			return err
		}
		return s.openStocks(held)
	}
	if s.dealt() || s.code.N() >= dealtKeysFrom {
		return fmt.Errorf("%w: its members dealt what the key was made of; the next refresh brings a share", ErrNoKeys)
	}
	parameters, err := tfhe.ByName(key.Params)
	if err != nil {
		return err
	}
	keys, err := s.loadKeys(s.current())
	if err != nil {
		return err
	}
	if keys == nil {
		return ErrNoKeys
	}
	members, opened, err := s.askOpened(ctx, key)
	if err != nil {
		return err
	}
	source, err := s.keySource(keys, key, parameters, members)
	if err != nil {
		return err
	}
	share, err := keygen.RebuildShare(source, parameters, mpc.Digest(key.Id), opened)
	if err != nil {
		return err
	}
	defer share.Zero()
	return s.adopt(key, parameters, share, members, opened)
}

// adopt seals a rebuilt share and makes it usable.
func (s *seat) adopt(key *kmstypes.Key, parameters tfhe.Parameters, share *keygen.KeyShare, members sharing.Parties, opened []byte) error {
	if err := s.sealShare(key, share, members, opened); err != nil {
		return err
	}
	held, err := s.keep(key, parameters, share)
	if err != nil {
		return err
	}
	return s.openStocks(held)
}

// askOpened returns what t+1 members say alike: one of them is honest.
func (s *seat) askOpened(ctx context.Context, key *kmstypes.Key) (sharing.Parties, []byte, error) {
	if own, err := s.serveOpened(s.identity.Self(), openedCall(key)); err == nil {
		return s.parseOpened(own) // the share alone was lost
	}
	calling, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	answers := make(chan []byte, s.code.N())
	asked := 0
	for peer := 1; peer <= s.code.N(); peer++ {
		if peer == s.identity.Self() {
			continue
		}
		asked++
		s.running.Go(func() {
			answer, err := s.router.Call(calling, peer, methodKeyOpened, openedCall(key))
			if err != nil {
				answer = nil
			}
			answers <- answer
		})
	}
	votes := map[string]int{}
	for range asked {
		answer := <-answers
		if len(answer) < 4 {
			continue
		}
		if votes[string(answer)]++; votes[string(answer)] <= s.code.T() {
			continue
		}
		return s.parseOpened(answer)
	}
	return 0, nil, errKeyUnvouched
}

func (s *seat) parseOpened(answer []byte) (sharing.Parties, []byte, error) {
	if len(answer) < 4 {
		return 0, nil, errKeyRequest
	}
	members := sharing.Parties(binary.BigEndian.Uint32(answer))
	if !members.Within(s.code.N()) || members.Count() < s.code.Quorum() {
		return 0, nil, errKeyRequest
	}
	return members, answer[4:], nil
}
