package party

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/tfhe"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// holdKey returns a key that this party has a share of, read from under seal
// when it is first asked for. A share that is missing is asked for, and an error
// as long as it is not there.
func (p *Party) holdKey(ctx context.Context, s *seat, keyID []byte) (*heldKey, error) {
	if held := s.holds(keyID); held != nil {
		return held, nil
	}
	var key kmstypes.Key
	if err := record(ctx, p.cfg.Chain, kmstypes.StoreKey, kmstypes.StoreKeyOfKey(keyID), p.heightNow(), &key); err != nil {
		return nil, err
	}
	// Of an epoch that drains, the record names the one after it.
	of := under(&key, s.epochID())
	held, err := s.openKey(of)
	if err != nil {
		p.startRestore(s, of)
	}
	return held, err
}

func (s *seat) holds(keyID []byte) *heldKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held[hex.EncodeToString(keyID)]
}

// openKey reads the share of a proven key from under seal and makes it usable.
func (s *seat) openKey(key *kmstypes.Key) (*heldKey, error) {
	share, err := s.openShare(key)
	if err != nil {
		return nil, err
	}
	defer share.Zero()
	return s.keep(key, share.Parameters(), share)
}

// openShare reads the share of a proven key from under seal.
func (s *seat) openShare(key *kmstypes.Key) (*keygen.KeyShare, error) {
	p, err := tfhe.ByName(key.Params)
	if err != nil {
		return nil, err
	}
	raw, err := s.party.cfg.Store.Get(keyObject(kindKeyShare, key))
	if err != nil {
		return nil, fmt.Errorf("share of key %x: %w", key.Id, err)
	}
	defer raw.Zero()
	share, err := keygen.UnmarshalKeyShare(raw)
	if err != nil {
		return nil, err
	}
	if share.Self() != s.identity.Self() || share.N() != s.code.N() || share.ID() != mpc.Digest(key.Id) || share.Parameters().Name != p.Name {
		share.Zero()
		return nil, fmt.Errorf("share of key %x: %w: it is of another key or member", key.Id, keygen.ErrEncoding)
	}
	return share, nil
}

// keep makes a key share usable by requests.
func (s *seat) keep(key *kmstypes.Key, p tfhe.Parameters, share *keygen.KeyShare) (*heldKey, error) {
	held, err := s.prepare(p, share)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.held[hex.EncodeToString(key.Id)] = held
	s.mu.Unlock()
	return held, nil
}

// openKeys opens the shares of the epoch's active keys and starts their stock:
// requests find it ready after a restart. Which keys there are is a hint; what is
// missing is rebuilt.
func (p *Party) openKeys(ctx context.Context, s *seat, height int64) error {
	var hints kmstypes.QueryKeysResponse
	if err := query(ctx, p.cfg.Chain, "/tkms.kms.v1.Query/Keys", &kmstypes.QueryKeysRequest{}, &hints); err != nil {
		return err
	}
	for _, hint := range hints.Keys {
		var key kmstypes.Key
		err := record(ctx, p.cfg.Chain, kmstypes.StoreKey, kmstypes.StoreKeyOfKey(hint.Id), height, &key)
		if errors.Is(err, ErrAbsent) {
			continue
		}
		if err != nil {
			return err
		}
		if key.Status != kmstypes.KEY_STATUS_ACTIVE || key.EpochId != s.epochID() || s.holds(key.Id) != nil {
			continue
		}
		held, err := s.openKey(&key)
		if err != nil {
			p.cfg.Log.Warn("no usable share of an active key: rebuilding it", "key", hex.EncodeToString(key.Id), "err", err)
			p.startRestore(s, &key)
			continue
		}
		if err := s.openStocks(held); err != nil && !errors.Is(err, ErrNoKeys) {
			return err
		}
	}
	return nil
}
