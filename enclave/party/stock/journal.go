package stock

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/wire"
)

// ErrJournal reports an object that is not the ECHO of the session which it is
// named for.
var ErrJournal = errors.New("stock: the sealed ECHO is of another session")

// Journal keeps the ECHO of one session in a store. It implements
// preproc.Journal.
type Journal struct {
	Store Store
	// Name is that of the object.
	Name string
}

// Load returns the ECHO that was saved, nil if none was, ErrJournal if it is that
// of another session.
func (j Journal) Load(session mpc.Digest, batch uint32) ([]byte, error) {
	raw, err := j.Store.Get(j.Name)
	if err != nil || raw == nil {
		return nil, err
	}
	r := wire.NewReader(raw)
	saved, number, echo := r.Digest(), r.Uint32(), r.Rest()
	if r.Close() != nil || saved != session || number != batch {
		return nil, fmt.Errorf("%w: %s", ErrJournal, j.Name)
	}
	return echo, nil
}

// Save returns when the ECHO is on disk.
func (j Journal) Save(session mpc.Digest, batch uint32, echo []byte) error {
	raw := binary.BigEndian.AppendUint32(session[:], batch)
	return j.Store.Put(j.Name, append(raw, echo...))
}

// journal is that of a batch, which Sweep erases with it.
type journal struct {
	Journal
	stock      *Stock
	number     uint64
	generation uint32
}

func (s *Stock) journal(number uint64, generation uint32) journal {
	return journal{Journal{s.cfg.Store, fmt.Sprintf(echoName, number, generation)}, s, number, generation}
}

// Save implements preproc.Journal.
func (j journal) Save(session mpc.Digest, batch uint32, echo []byte) error {
	j.stock.mu.Lock()
	j.stock.noteECHO(j.number, j.generation)
	j.stock.mu.Unlock()
	return j.Journal.Save(session, batch, echo)
}

func (s *Stock) noteECHO(number uint64, generation uint32) {
	if s.echoes[number] == nil {
		s.echoes[number] = map[uint32]bool{}
	}
	s.echoes[number][generation] = true
}
