package soak

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tkms-network/tkms/testutil/badlink"
	"github.com/tkms-network/tkms/testutil/carrier"
	"github.com/tkms-network/tkms/testutil/devnet"
)

const (
	// latency and loss of bad links.
	latency = 300 * time.Millisecond
	loss    = 0.05
)

// begin makes a fault happen.
func (r *run) begin(ctx context.Context, f Fault) error {
	switch f.Kind {
	case ValidatorKilled:
		return r.net.Chain.Kill(f.Target - 1)
	case ValidatorPaused:
		return r.signalValidator(f.Target, syscall.SIGSTOP)
	case ValidatorFull:
		return r.limitValidator(ctx, f.Target, full)
	case RelayerKilled:
		return r.reviveRelayer(ctx, r.net.Relayer.Kill())
	case RelayerRestarted:
		return r.reviveRelayer(ctx, r.net.Relayer.Stop())
	case LinksBad:
		r.wire.setLinks(badlink.Quality{Latency: latency, Loss: loss})
	case LinksCut: // they are made anew
		for _, l := range r.wire.links {
			l.Cut()
		}
	case CommitteeChange:
		// Requests go on meanwhile.
		r.rotating.Go(func() {
			if err := r.rotate(ctx, f.Members); err != nil && ctx.Err() == nil {
				r.ledger.violate("%s: %s", f, err)
			}
		})
	default:
		r.rotating.Wait()
		return r.beginParty(ctx, r.net.Parties[f.Target-1], f)
	}
	return nil
}

func (r *run) beginParty(ctx context.Context, p *devnet.Party, f Fault) error {
	switch f.Kind {
	case PartyPaused:
		return p.Pause()
	case PartyFull:
		return limit(ctx, p.Process, full)
	case PartyLiedTo:
		r.wire.carriers[f.Target-1].Tell(carrier.Forge())
		return nil
	case PartyStalled:
		r.wire.carriers[f.Target-1].Tell(carrier.Stall())
		return nil
	}
	if err := p.Kill(); err != nil {
		return err
	}
	switch f.Kind {
	case PartyKilled:
		return nil
	case PartyCorrupt:
		if err := r.corrupt(p); err != nil {
			return err
		}
	case PartyClock:
		r.net.Pervert(p, "TKMS_CLOCK_AHEAD="+r.clock().String())
	case PartyStale:
		if err := replace(p.Home, backupOf(p)); err != nil {
			return err
		}
	case PartyCheating:
		r.net.Pervert(p, "TKMS_FAULT=bad-share")
	}
	return p.Start()
}

// end sets right what a fault did and waits until its victim works again. What lasts until
// the end of the run is left as it is.
func (r *run) end(ctx context.Context, f Fault) error {
	switch f.Kind {
	case ValidatorKilled:
		return r.restartValidator(ctx, f.Target)
	case ValidatorPaused:
		if err := r.signalValidator(f.Target, syscall.SIGCONT); err != nil {
			return err
		}
		return r.awaitValidator(ctx, f.Target)
	case ValidatorFull:
		// Consensus has halted at the node, as it should when it cannot write.
		_ = r.net.Chain.Kill(f.Target - 1)
		return r.restartValidator(ctx, f.Target)
	case LinksBad:
		r.wire.setLinks(badlink.Quality{})
		return nil
	case RelayerKilled, RelayerRestarted, LinksCut, CommitteeChange:
		return nil
	}
	return r.endParty(ctx, r.net.Parties[f.Target-1], f)
}

func (r *run) endParty(ctx context.Context, p *devnet.Party, f Fault) error {
	switch f.Kind {
	case PartyPaused:
		if err := p.Resume(); err != nil {
			return err
		}
	case PartyFull:
		// One that ended takes none.
		if err := limit(ctx, p.Process, unlimited); err != nil && p.Running() {
			return err
		}
	case PartyLiedTo, PartyStalled:
		c := r.wire.carriers[f.Target-1]
		c.Tell(carrier.Lie{})
		if c.Told() == 0 {
			return fmt.Errorf("%s was told nothing by its node", p.Moniker)
		}
	case PartyCorrupt:
		return r.reborn(ctx, p, r.mend)
	case PartyClock:
		return r.reborn(ctx, p, r.convert)
	case PartyStale, PartyCheating:
		// It has to wait for the shares of the next epoch.
		return errors.Join(p.Kill(), r.convert(p), p.Start())
	}
	if !p.Running() {
		if err := p.Start(); err != nil {
			return err
		}
	}
	return r.heal(ctx, p)
}

func (r *run) convert(p *devnet.Party) error {
	r.net.Convert(p)
	return nil
}

// reborn kills a party, sets something right and starts it again.
func (r *run) reborn(ctx context.Context, p *devnet.Party, right func(*devnet.Party) error) error {
	if err := errors.Join(p.Kill(), right(p), p.Start()); err != nil {
		return err
	}
	return r.heal(ctx, p)
}

// relayerAway is how long the relayer stays away.
const relayerAway = 2 * time.Second

// reviveRelayer starts the relayer that was ended.
func (r *run) reviveRelayer(ctx context.Context, ended error) error {
	if ended != nil {
		return ended
	}
	select {
	case <-ctx.Done():
	case <-time.After(relayerAway):
	}
	return r.net.StartRelayer(ctx)
}

func (r *run) signalValidator(number int, signal syscall.Signal) error {
	pid, err := r.net.Chain.PID(number - 1)
	if err != nil {
		return err
	}
	return syscall.Kill(pid, signal)
}

func (r *run) restartValidator(ctx context.Context, number int) error {
	if err := r.net.Chain.StartNode(number - 1); err != nil {
		return err
	}
	return r.awaitValidator(ctx, number)
}

// Limits of a process: how far it may write into files, in bytes. With no space at all,
// every write to a file fails, as on a full disk, with EFBIG in place of ENOSPC.
const (
	full      = "0"
	unlimited = "unlimited"
)

// limit bounds what a process writes from now on.
func limit(ctx context.Context, p *devnet.Process, bytes string) error {
	pid, err := p.PID()
	if err != nil {
		return err
	}
	return limitPID(ctx, pid, bytes)
}

func (r *run) limitValidator(ctx context.Context, number int, bytes string) error {
	pid, err := r.net.Chain.PID(number - 1)
	if err != nil {
		return err
	}
	return limitPID(ctx, pid, bytes)
}

func limitPID(ctx context.Context, pid int, bytes string) error {
	// The hard limit stays, so that the soft one can be lifted.
	out, err := exec.CommandContext(ctx, "prlimit", "--pid", fmt.Sprint(pid), "--fsize="+bytes+":").CombinedOutput()
	if err != nil {
		return fmt.Errorf("prlimit of util-linux: %w: %s", err, out)
	}
	return nil
}

// clock returns how far off the next wrong clock is, fast and slow by turns.
func (r *run) clock() time.Duration {
	r.clocks++
	if r.clocks%2 == 0 {
		return -time.Hour
	}
	return time.Hour
}

func (w *wire) setLinks(q badlink.Quality) {
	for _, l := range w.links {
		l.Set(q)
	}
}

// damage is a file of a party that a fault changed, as it was before.
type damage struct {
	path    string
	content []byte
}

// rotate hands the keys over to other parties, by number.
func (r *run) rotate(ctx context.Context, numbers []int) error {
	var members []*devnet.Party
	for _, n := range numbers {
		members = append(members, r.net.Parties[n-1])
	}
	at, err := r.live(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	rotated, err := at.Rotate(ctx, devnet.Rotation{Members: members})
	if err != nil {
		return err
	}
	epoch := rotated.Epoch
	r.epoch.Store(epoch.Id)
	r.say("epoch %d is active after %s: n = %d, t = %d", epoch.Id, time.Since(began).Round(time.Millisecond), len(epoch.Members), epoch.T)
	return nil
}

// corrupt changes a byte of the file in which a party has its share of the key.
func (r *run) corrupt(p *devnet.Party) error {
	path, err := shareFile(p)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	r.damages[p.Moniker] = damage{path, slices.Clone(content)}
	content[len(content)/2] ^= 1
	return os.WriteFile(path, content, 0o600)
}

// mend puts the file back.
func (r *run) mend(p *devnet.Party) error {
	d := r.damages[p.Moniker]
	return os.WriteFile(d.path, d.content, 0o600)
}

// shareFile is the sealed file of a party's share of the key.
func shareFile(p *devnet.Party) (string, error) {
	folder := filepath.Join(p.Home, "sealed")
	entries, err := os.ReadDir(folder)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), shareKind) {
			return filepath.Join(folder, e.Name()), nil
		}
	}
	return "", fmt.Errorf("%s has no share in %s", p.Moniker, folder)
}

// backupOf is where the copy of a party's folder is.
func backupOf(p *devnet.Party) string { return p.Home + ".backup" }

// backup copies the folder of a running party.
func backup(p *devnet.Party) error {
	if err := p.Pause(); err != nil {
		return err
	}
	return errors.Join(os.CopyFS(backupOf(p), os.DirFS(p.Home)), p.Resume())
}

// replace puts a copy of a folder in its place.
func replace(folder, backup string) error {
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	return os.Rename(backup, folder)
}
