package keygen

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"github.com/tkms-network/tkms/enclave/mpc"
)

// agreement is the name under which the posted digest is kept.
const agreement = "agreed"

// keptHeader is the digest of all that follows, the ECHO, and the length of the data.
const keptHeader = mpc.DigestSize + mpc.DigestSize + 8

// put keeps data, and a step's ECHO with it, so that get notices if any of it is lost.
func (a *Attempt) put(name string, echo mpc.Digest, data []byte) error {
	kept := make([]byte, keptHeader, keptHeader+len(data))
	copy(kept[mpc.DigestSize:], echo[:])
	binary.BigEndian.PutUint64(kept[2*mpc.DigestSize:], uint64(len(data)))
	kept = append(kept, data...)
	digest := a.keptDigest(name, kept[mpc.DigestSize:])
	copy(kept, digest[:])
	defer clear(kept)
	if err := a.Store.Put(name, kept); err != nil {
		return fmt.Errorf("keygen: keep %s: %w", name, err)
	}
	return nil
}

func (a *Attempt) keptDigest(name string, rest []byte) mpc.Digest {
	return mpc.Hash("tkms/v1/keygen/kept", a.id[:], []byte(name), rest)
}

// get returns what was put under the name: ErrStore if it is missing, damaged, or not
// of this attempt.
func (a *Attempt) get(name string) (echo mpc.Digest, data []byte, err error) {
	kept, err := a.Store.Get(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return mpc.Digest{}, nil, fmt.Errorf("%w: no %s", ErrStore, name)
	case err != nil:
		return mpc.Digest{}, nil, fmt.Errorf("keygen: read %s: %w", name, err)
	}
	if len(kept) < keptHeader || binary.BigEndian.Uint64(kept[2*mpc.DigestSize:]) != uint64(len(kept)-keptHeader) ||
		a.keptDigest(name, kept[mpc.DigestSize:]) != mpc.Digest(kept) {
		clear(kept)
		return mpc.Digest{}, nil, fmt.Errorf("%w: %s", ErrStore, name)
	}
	return mpc.Digest(kept[mpc.DigestSize:]), kept[keptHeader:], nil
}

// keep keeps what a step made and notes that it is done.
func (a *Attempt) keep(step int, echo mpc.Digest, data []byte) error {
	if err := a.put(a.steps[step].Name, echo, data); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.note(step, echo, data)
}

// note takes over what is needed of a step that is done.
func (a *Attempt) note(step int, echo mpc.Digest, data []byte) error {
	var err error
	switch s := a.steps[step]; s.Stage {
	case StageSecrets:
		a.share, _, err = a.readShare(data)
	case StageSeed:
		if len(data) != SeedSize {
			return fmt.Errorf("%w: a seed of %d bytes", ErrStore, len(data))
		}
		a.seed = [SeedSize]byte(data)
	case StageFactors:
		err = a.takeFactors(data)
	}
	if err != nil {
		return err
	}
	a.echoes[step], a.done[step] = echo, true
	return nil
}

// resume notes the steps that are done. A step whose result is damaged is not, and
// neither is what was built on it: on rows nothing is.
func (a *Attempt) resume() error {
	whole := true
	for i, s := range a.steps {
		if i == a.first(StageSeed) {
			if !whole {
				return nil
			}
			_, posted, err := a.get(agreement)
			if lost(err) {
				return nil
			}
			if err != nil {
				return err
			}
			if own := a.digest(); len(posted) != len(own) || mpc.Digest(posted) != own {
				return nil
			}
			a.agreed = true
		}
		if i == a.first(StageRows) && !whole {
			return nil
		}
		echo, data, err := a.get(s.Name)
		if err == nil {
			err = a.note(i, echo, data)
		}
		clear(data)
		switch {
		case lost(err):
			whole = false
		case err != nil:
			return err
		}
	}
	return nil
}

// lost reports that there is nothing of use under a name. Another error of the Store
// may go by.
func lost(err error) bool { return errors.Is(err, ErrStore) }
