package backup

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/tkms-network/tkms/enclave/party/vault"
	"github.com/tkms-network/tkms/enclave/seal"
)

// kindKept is the kind of what says which files hold the backup of an epoch. It has the
// epoch in the name of its key, so that it outlives the epoch's secrets.
const kindKept = "backup-kept"

// Automatic keeps one backup of each epoch, as the shares change, and removes it when the
// epoch is over. The files are named by their digests in a vault of their own. It is
// safe for concurrent use.
type Automatic struct {
	store *seal.Store
	to    *Custodians
	files *vault.Vault
	mu    sync.Mutex
}

// NewAutomatic returns the backups of a party in a vault that nobody else uses.
func NewAutomatic(store *seal.Store, to *Custodians, files *vault.Vault) *Automatic {
	return &Automatic{store: store, to: to, files: files}
}

// kept says which files may hold backups of an epoch; the last does, of what the
// fingerprint says.
type kept struct {
	fingerprint [sha256.Size]byte
	digests     [][vault.DigestSize]byte
}

func keptObject(epoch uint64) seal.Object {
	return seal.Object{Kind: kindKept, Key: strconv.FormatUint(epoch, 10)}
}

// Keep makes the backup of an epoch unless there is one with all shares for these
// custodians. made tells whether it did. Errors: those of Make and of the vault.
func (a *Automatic) Keep(epoch uint64) (made bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before, err := a.load(epoch)
	if err != nil {
		return false, err
	}
	want, err := a.fingerprint(epoch)
	if err != nil {
		return false, err
	}
	if before.fingerprint == want && a.there(before) {
		return false, nil
	}
	raw, err := Make(a.store, epoch, a.to)
	if err != nil {
		return false, err
	}
	// The name is written down before the file is there, so that it is always removed.
	digest := vault.KeyDigest(raw)
	if err := a.save(epoch, kept{digests: append(before.digests, digest)}); err != nil {
		return false, err
	}
	if _, err := a.files.Put(raw); err != nil {
		return false, fmt.Errorf("backup: keep: %w", err)
	}
	if err := a.remove(before); err != nil {
		return true, err
	}
	return true, a.save(epoch, kept{fingerprint: want, digests: [][vault.DigestSize]byte{digest}})
}

// Forget removes the backup of an epoch that is over.
func (a *Automatic) Forget(epoch uint64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	k, err := a.load(epoch)
	if err != nil {
		return err
	}
	if err := a.remove(k); err != nil {
		return err
	}
	return a.store.Delete(keptObject(epoch))
}

// fingerprint names what a backup of an epoch has to hold now, and for whom.
func (a *Automatic) fingerprint(epoch uint64) (out [sha256.Size]byte, err error) {
	objects, err := keyShares(a.store, epoch)
	if err != nil {
		return out, err
	}
	h := sha256.New()
	text := func(s string) {
		_ = binary.Write(h, binary.BigEndian, uint32(len(s)))
		h.Write([]byte(s))
	}
	_ = binary.Write(h, binary.BigEndian, uint32(a.to.Threshold))
	_ = binary.Write(h, binary.BigEndian, uint32(len(a.to.Recipients)))
	for _, r := range a.to.Recipients {
		text(r)
	}
	for _, o := range objects {
		text(o.Key)
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

func (a *Automatic) there(k kept) bool {
	if len(k.digests) != 1 {
		return false
	}
	file, _, err := a.files.Open(k.digests[0])
	if err != nil {
		return false
	}
	_ = file.Close()
	return true
}

func (a *Automatic) remove(k kept) error {
	var failed error
	for _, d := range k.digests {
		failed = errors.Join(failed, a.files.Remove(d))
	}
	if failed != nil {
		return fmt.Errorf("backup: remove an old one: %w", failed)
	}
	return nil
}

// load returns what is known of an epoch's backup; a damaged record counts as none.
func (a *Automatic) load(epoch uint64) (k kept, err error) {
	raw, err := a.store.Get(keptObject(epoch))
	if errors.Is(err, seal.ErrNotFound) || errors.Is(err, seal.ErrDamaged) {
		return k, nil
	}
	if err != nil {
		return k, err
	}
	if len(raw) < sha256.Size || (len(raw)-sha256.Size)%vault.DigestSize != 0 {
		return k, nil
	}
	k.fingerprint = [sha256.Size]byte(raw)
	for rest := raw[sha256.Size:]; len(rest) > 0; rest = rest[vault.DigestSize:] {
		k.digests = append(k.digests, [vault.DigestSize]byte(rest))
	}
	return k, nil
}

func (a *Automatic) save(epoch uint64, k kept) error {
	raw := append([]byte(nil), k.fingerprint[:]...)
	for _, d := range k.digests {
		raw = append(raw, d[:]...)
	}
	return a.store.Put(keptObject(epoch), raw)
}
