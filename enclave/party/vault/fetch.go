package vault

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tkms-network/tkms/x/kms/material"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// incoming is the folder of the spool for what is being fetched. Unlike other unfinished
// files it stays for the next start: a key set has up to 1 GB.
const incoming = "incoming"

// A vault that gives less than haste bytes in a turn is left for the next one, while
// there may be a better one. Tests shorten the turn.
var turn = 15 * time.Second

const haste = 16 << 20

// errSlow reports a vault that is left for a faster one.
var errSlow = errors.New("vault: it is slow, another may be faster")

// FetchKey downloads what the vault lacks of a proven key's files from the vaults at the
// URLs and from those of the parties that generated the key, none of which is trusted:
// each file has the digest and the length of the record, or is not kept. Slow vaults are
// used only if no other has the file; an interrupted download goes on with the next
// call, also after a restart. The client's timeout does not count: what is watched is
// whether bytes come. Errors: material.ErrNoMaterial, material.ErrUnavailable, those of
// the keeper.
func (v *Vault) FetchKey(ctx context.Context, client *http.Client, key *kmstypes.Key, urls []string) error {
	files, err := material.Files(key)
	if err != nil {
		return fmt.Errorf("vault: fetch key %x: %w", key.Id, err)
	}
	v.fetching.Lock()
	defer v.fetching.Unlock()
	if err := v.spool.Mkdir(incoming, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("vault: %w", err)
	}
	patient := *client
	patient.Timeout = 0
	for _, f := range files {
		for _, url := range f.Vaults {
			if !slices.Contains(urls, url) {
				urls = append(slices.Clone(urls), url)
			}
		}
		f.Vaults = urls
		if err := v.fetch(ctx, &patient, f); err != nil {
			return fmt.Errorf("vault: fetch %s of key %x: %w", f.Kind, key.Id, err)
		}
	}
	return nil
}

// fetch downloads one file unless it is there.
func (v *Vault) fetch(ctx context.Context, client *http.Client, f material.File) error {
	name := hex.EncodeToString(f.Digest[:])
	size, err := v.keeper.Size(name)
	if err == nil && size == f.Size {
		return nil
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	partway := filepath.Join(incoming, name)
	if err := download(ctx, client, f, filepath.Join(v.folder, partway)); err != nil {
		return err
	}
	return errors.Join(v.keeper.Adopt(partway, name, f.Size), v.drop(partway))
}

// download asks the vaults in turn, first hastily, then with patience. What one vault gave
// the next goes on with.
func download(ctx context.Context, client *http.Client, f material.File, path string) error {
	for _, url := range f.Vaults {
		one := f
		one.Vaults = []string{url}
		if hastily(ctx, client, one, path) == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return f.Save(ctx, client, path, nil)
}

// hastily downloads from a vault as long as it is fast.
func hastily(ctx context.Context, client *http.Client, f material.File, path string) error {
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	var done atomic.Int64
	go func() {
		every := time.NewTicker(turn)
		defer every.Stop()
		for before := int64(0); ; {
			select {
			case <-ctx.Done():
				return
			case <-every.C:
			}
			now := done.Load()
			if now-before < haste {
				leave(errSlow)
				return
			}
			before = now
		}
	}()
	return f.Save(ctx, client, path, done.Store)
}
