package tkms

import (
	"sync"
	"time"
)

// recordsAge is how old cached answers may be.
const recordsAge = 2 * time.Second

// moments keeps answers of the chain for a moment. The zero value is ready, and safe for
// concurrent use.
type moments[V any] struct {
	mu   sync.Mutex
	kept map[uint64]moment[V]
}

type moment[V any] struct {
	value V
	at    time.Time
}

// get returns what is known of a host chain or epoch, or asks for it.
func (m *moments[V]) get(id uint64, ask func() (V, error)) (V, error) {
	m.mu.Lock()
	known, ok := m.kept[id]
	m.mu.Unlock()
	if ok && time.Since(known.at) < recordsAge {
		return known.value, nil
	}
	value, err := ask()
	if err != nil {
		var none V
		return none, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil {
		m.kept = map[uint64]moment[V]{}
	}
	m.kept[id] = moment[V]{value, time.Now()}
	return value, nil
}

// forget drops all that is known.
func (m *moments[V]) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.kept)
}
