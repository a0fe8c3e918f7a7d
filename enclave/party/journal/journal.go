// Package journal keeps on disk what a party must not sign twice: the ECHO that it
// sent in a session of the offline phase. A party that restarts sends the same one
// again, or none; otherwise it would convict itself.
//
// The file has a fixed number of slots, written in turn and synced one by one
// before Save returns, in blocks that exist already: a sync is then one flush of
// the device. The oldest entry is lost when a slot is used again, long after its
// session has ended. A slot that was torn by a loss of power never left the party
// and is ignored.
//
// Nothing in it is secret: peers get every byte. Who can put an older file in the
// place of the newer can make this party, and no other, look like a cheat.
package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/tkms-network/tkms/enclave/mpc"
)

const (
	// Slots is the number of entries that are kept.
	Slots = 4096
	// slotSize bounds an entry: an ECHO of 16 parties takes 1,600 bytes.
	slotSize = 2048
	// header is the number of the entry (8), the session (32), the batch (4) and the
	// length (4); the checksum ends the entry.
	header = 8 + mpc.DigestSize + 4 + 4
	// MaxEntry is the most bytes of an ECHO.
	MaxEntry = slotSize - header - sha256.Size
)

// Errors of this package.
var (
	// ErrTooLarge reports an ECHO that no slot holds.
	ErrTooLarge = errors.New("journal: the entry is too large")
	// ErrFile reports a file that is no journal.
	ErrFile = errors.New("journal: the file is not a journal of this version: restore it, or start this party with a new identity")
)

type key struct {
	session mpc.Digest
	batch   uint32
}

type entry struct {
	number uint64
	echo   []byte
}

// Journal implements preproc.Journal. It is safe for concurrent use.
type Journal struct {
	mu      sync.Mutex
	file    *os.File
	next    uint64
	entries map[key]entry
	slots   [Slots]key
}

// Open opens the journal at path, which it makes if there is none.
func Open(path string) (*Journal, error) {
	if err := create(path); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	j := &Journal{file: file, entries: map[key]entry{}}
	if err := j.read(); err != nil {
		_ = file.Close()
		return nil, err
	}
	return j, nil
}

// create makes an empty journal, whole or not at all.
func create(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }()
	_, err = file.Write(make([]byte, Slots*slotSize))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	directory, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}

func (j *Journal) read() error {
	all, err := io.ReadAll(io.LimitReader(j.file, Slots*slotSize+1))
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if len(all) != Slots*slotSize {
		return fmt.Errorf("%w: %d bytes", ErrFile, len(all))
	}
	for slot := range uint64(Slots) {
		k, e, ok := decode(all[slot*slotSize:][:slotSize])
		if !ok || e.number%Slots != slot {
			continue
		}
		j.next = max(j.next, e.number+1)
		j.slots[slot] = k
		j.entries[k] = e
	}
	return nil
}

func encode(k key, e entry) []byte {
	out := make([]byte, 0, slotSize)
	out = binary.BigEndian.AppendUint64(out, e.number)
	out = append(out, k.session[:]...)
	out = binary.BigEndian.AppendUint32(out, k.batch)
	out = binary.BigEndian.AppendUint32(out, uint32(len(e.echo))) // #nosec G115 -- at most MaxEntry
	out = append(out, e.echo...)
	sum := sha256.Sum256(out)
	return append(out, sum[:]...)
}

func decode(slot []byte) (key, entry, bool) {
	k := key{mpc.Digest(slot[8:]), binary.BigEndian.Uint32(slot[8+mpc.DigestSize:])}
	size := int(binary.BigEndian.Uint32(slot[header-4:]))
	if size > MaxEntry {
		return key{}, entry{}, false
	}
	sum := sha256.Sum256(slot[:header+size])
	if sum != [sha256.Size]byte(slot[header+size:]) {
		return key{}, entry{}, false
	}
	return k, entry{binary.BigEndian.Uint64(slot), append([]byte(nil), slot[header:header+size]...)}, true
}

// Load returns the ECHO that was saved for a batch of a session, nil if none was.
func (j *Journal) Load(session mpc.Digest, batch uint32) ([]byte, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.entries[key{session, batch}].echo, nil
}

// Save returns when the ECHO survives a loss of power.
func (j *Journal) Save(session mpc.Digest, batch uint32, echo []byte) error {
	if len(echo) > MaxEntry {
		return fmt.Errorf("%w: %d bytes", ErrTooLarge, len(echo))
	}
	k := key{session, batch}
	j.mu.Lock()
	e := entry{j.next, append([]byte(nil), echo...)}
	j.next++
	slot := e.number % Slots
	if old := j.slots[slot]; j.entries[old].number+Slots == e.number {
		delete(j.entries, old)
	}
	j.slots[slot], j.entries[k] = k, e
	_, err := j.file.WriteAt(encode(k, e), int64(slot)*slotSize) // #nosec G115 -- below Slots
	j.mu.Unlock()
	// Outside the lock: the batches that are made at once wait for one flush each.
	if err == nil {
		err = syscall.Fdatasync(int(j.file.Fd())) // #nosec G115 -- a descriptor
	}
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// Close closes the file.
func (j *Journal) Close() error { return j.file.Close() }
