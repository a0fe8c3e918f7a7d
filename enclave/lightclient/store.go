package lightclient

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/types"

	"github.com/tkms-network/tkms/enclave/seal"
)

// Store keeps one small state. Load returns nil without error if there is none.
type Store interface {
	Load() ([]byte, error)
	Save([]byte) error
}

// stateObject is the name of the state in a sealed store.
var stateObject = seal.Object{Kind: "light-client"}

type sealedStore struct{ store *seal.Store }

// Sealed keeps the state in a sealed store.
func Sealed(store *seal.Store) Store { return sealedStore{store} }

func (s sealedStore) Load() ([]byte, error) {
	state, err := s.store.Get(stateObject)
	if errors.Is(err, seal.ErrNotFound) {
		return nil, nil
	}
	return state, err
}

func (s sealedStore) Save(state []byte) error { return s.store.Put(stateObject, state) }

type memoryStore struct {
	mu    sync.Mutex
	state []byte
}

// InMemory keeps the state until the process ends.
func InMemory() Store { return &memoryStore{} }

func (m *memoryStore) Load() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Clone(m.state), nil
}

func (m *memoryStore) Save(state []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = bytes.Clone(state)
	return nil
}

// The state is a protobuf tendermint.types.LightBlock.
func encodeState(b *types.LightBlock) ([]byte, error) {
	message, err := b.ToProto()
	if err != nil {
		return nil, fmt.Errorf("light client: encoding the state: %w", err)
	}
	return message.Marshal()
}

func decodeState(state []byte, chainID string) (b *types.LightBlock, err error) {
	// The validator set panics on powers that sum up to too much.
	defer func() {
		if p := recover(); p != nil {
			b, err = nil, fmt.Errorf("%w: %v", ErrState, p)
		}
	}()
	var message cmtproto.LightBlock
	if err := message.Unmarshal(state); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	b, err = types.LightBlockFromProto(&message)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	if err := b.ValidateBasic(chainID); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	return b, nil
}
