package party

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/vault"
	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/enclave/session"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// keptAgain is how many steps' messages are kept that were made again.
const keptAgain = 2

// stepStore keeps under seal what the steps of one attempt made.
type stepStore struct {
	store *seal.Store
	key   *kmstypes.Key
}

func (s stepStore) object(name string) seal.Object {
	return seal.Object{Kind: kindKeyStep, Key: attemptName(s.key) + "-" + name, Epoch: s.key.EpochId}
}

// Put implements keygen.Store.
func (s stepStore) Put(name string, data []byte) error { return s.store.Put(s.object(name), data) }

// Get implements keygen.Store. What is damaged counts as missing: it is made again.
func (s stepStore) Get(name string) ([]byte, error) {
	raw, err := s.store.Get(s.object(name))
	if errors.Is(err, seal.ErrNotFound) || errors.Is(err, seal.ErrDamaged) {
		return nil, fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return raw, err
}

// sendAgain makes anew what this party sent in a step that it has finished, for a
// member that has not: all follows from keys, addresses, and agreed values.
func (g *generation) sendAgain(id session.ID, peer int) []mpc.Message {
	step := slices.Index(g.ids, id)
	if step < 0 || !g.members.Has(peer) {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || !g.attempt.Done(step) {
		return nil
	}
	if known, ok := g.again[step]; ok {
		return known
	}
	machine, err := g.attempt.Machine(step)
	if err != nil {
		return nil
	}
	out, err := machine.Start()
	if err != nil {
		g.party.cfg.Log.Warn("messages of a finished step cannot be made again", "step", step, "err", err)
		return nil
	}
	if len(g.order) == keptAgain {
		delete(g.again, g.order[0])
		g.order = g.order[1:]
	}
	g.again[step], g.order = out, append(g.order, step)
	return out
}

// publishedName names the digests of files that an attempt put into the vault, 32 bytes
// each.
const publishedName = "published"

// eraseAttempt deletes what an attempt left that is over: it is of use to nobody, nor
// are the files that it published unless the key was activated with them.
func (p *Party) eraseAttempt(ctx context.Context, name string) error {
	objects, err := p.cfg.Store.List()
	if err != nil {
		return err
	}
	var failed error
	for _, o := range objects {
		if o.Kind == kindKeyStep && o.Key == name+"-"+publishedName {
			failed = errors.Join(failed, p.withdraw(ctx, o))
		}
	}
	if failed != nil {
		return fmt.Errorf("withdraw the files of attempt %s: %w", name, failed)
	}
	failed = errors.Join(p.eraseSteps(name+"-"), os.RemoveAll(filepath.Join(p.cfg.Scratch, name)))
	if failed != nil {
		return fmt.Errorf("erase what is left of attempt %s: %w", name, failed)
	}
	return nil
}

// eraseSteps deletes what steps made whose names begin like this.
func (p *Party) eraseSteps(prefix string) error {
	objects, err := p.cfg.Store.List()
	if err != nil {
		return err
	}
	var failed error
	for _, o := range objects {
		if o.Kind == kindKeyStep && strings.HasPrefix(o.Key, prefix) {
			failed = errors.Join(failed, p.cfg.Store.Delete(o))
		}
	}
	return failed
}

// withdraw removes published files from the vault that the proven record of their key
// does not name.
func (p *Party) withdraw(ctx context.Context, published seal.Object) error {
	hexID, _, _ := strings.Cut(published.Key, "-")
	id, err := hex.DecodeString(hexID)
	if err != nil {
		return err
	}
	digests, err := p.cfg.Store.Get(published)
	if errors.Is(err, seal.ErrDamaged) {
		return nil // nobody knows which files; they are public
	}
	if err != nil {
		return err
	}
	var key kmstypes.Key
	if err := record(ctx, p.cfg.Chain, kmstypes.StoreKey, kmstypes.StoreKeyOfKey(id), p.heightNow(), &key); err != nil {
		return err
	}
	var failed error
	for digest := range slices.Chunk(digests, vault.DigestSize) {
		if !names(key.Material, digest) {
			failed = errors.Join(failed, p.cfg.Vault.Remove([vault.DigestSize]byte(digest)))
		}
	}
	return failed
}

// names reports whether a key's material has a file of this digest.
func names(m *kmstypes.KeyMaterial, digest []byte) bool {
	return m != nil && (bytes.Equal(m.PublicKeyDigest, digest) ||
		slices.ContainsFunc(m.Objects, func(o kmstypes.KeyObject) bool { return bytes.Equal(o.Digest, digest) }))
}

// findEarlier notes the attempts of which an earlier life of this party left something.
func (p *Party) findEarlier() error {
	objects, err := p.cfg.Store.List()
	if err != nil {
		return err
	}
	p.earlier = map[string]bool{}
	for _, o := range objects {
		if id, rest, ok := strings.Cut(o.Key, "-"); o.Kind == kindKeyStep && ok {
			attempt, _, _ := strings.Cut(rest, "-")
			p.earlier[id+"-"+attempt] = true
		}
	}
	folders, err := os.ReadDir(p.cfg.Scratch)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("list attempts to generate keys: %w", err)
	}
	for _, f := range folders {
		p.earlier[f.Name()] = true
	}
	return nil
}

// eraseEarlier deletes what is left of attempts that ended while this party was away.
// Only the proven record of a key says that: after a restart the newest height may be
// one before the key was requested, and a node may leave it out of the list of work.
func (p *Party) eraseEarlier(ctx context.Context, height int64) error {
	for name := range p.earlier {
		id, attempt, ok := parseAttempt(name)
		if !ok {
			delete(p.earlier, name) // it is not this party's
			continue
		}
		var key kmstypes.Key
		err := record(ctx, p.cfg.Chain, kmstypes.StoreKey, kmstypes.StoreKeyOfKey(id), height, &key)
		if errors.Is(err, ErrAbsent) {
			continue
		}
		if err != nil {
			return err
		}
		switch {
		case attempt < key.Attempt || attempt == key.Attempt && key.Status != kmstypes.KEY_STATUS_GENERATING:
			delete(p.earlier, name)
			p.eraseOver(ctx, name)
		case p.generates(&key):
			delete(p.earlier, name) // it erases that itself
		}
	}
	return nil
}

// parseAttempt is the inverse of attemptName.
func parseAttempt(name string) (id []byte, attempt uint32, ok bool) {
	hexID, number, _ := strings.Cut(name, "-")
	id, err := hex.DecodeString(hexID)
	if err != nil || len(id) != kmstypes.IDSize {
		return nil, 0, false
	}
	parsed, err := strconv.ParseUint(number, 10, 32)
	attempt = uint32(parsed) // #nosec G115 -- parsed as such
	return id, attempt, err == nil && attemptName(&kmstypes.Key{Id: id, Attempt: attempt}) == name
}

// generates reports whether a task of this party works on the attempt that a key is at.
func (p *Party) generates(key *kmstypes.Key) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tasks[keyTask(key)] != nil
}

// eraseOver erases what is left of an attempt that is over.
func (p *Party) eraseOver(ctx context.Context, name string) {
	if err := p.eraseAttempt(ctx, name); err != nil {
		p.cfg.Log.Warn("an attempt to generate a key left something behind", "err", err)
	}
}
