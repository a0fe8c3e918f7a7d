package party

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/keyfile"
	"github.com/tkms-network/tkms/enclave/party/recall"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/vss"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// ErrEcho reports that the chain recorded another digest of the offline stage
// than this party's.
var ErrEcho = errors.New("party: the chain agreed on another digest of the offline steps")

// window is how many steps of a key generation run at a time: while the messages of
// one are under way another is computed. It bounds the memory, too.
const window = 3

// BackgroundThreads is how many threads a party's work in the background keeps busy at
// a time: those of the steps, and of what is sent and received meanwhile.
const BackgroundThreads = window + 2

// slowness is how many times the usual patience a step of a key generation may take:
// it is long, and gives way to whatever else the machine does.
const slowness = 10

// rowLinger is how long a finished opening goes on checking late shares. There are
// many, and each holds what all members sent.
const rowLinger = 300 * time.Millisecond

// generation is one attempt to generate a key, as this party sees it.
type generation struct {
	examination
	task     *task
	mode     keygen.Mode
	attempt  *keygen.Attempt
	files    *keyfile.Files
	ids      []session.ID // of the steps
	progress *progress
	missed   atomic.Int32 // steps that may have been under way when this party stopped

	mu     sync.Mutex
	closed bool
	again  map[int][]mpc.Message // what was made again for members that were away
	order  []int                 // of again, the oldest first
}

// open opens what is kept of the attempt.
func (g *generation) open() error {
	_, err := os.Stat(g.folder())
	before := err == nil // in an earlier life of this party
	if g.files, err = keyfile.Open(g.folder(), g.parameters); err != nil {
		return err
	}
	if err := g.load(); err != nil {
		_ = g.files.Close()
		return err
	}
	for step := range g.attempt.Steps() {
		g.ids = append(g.ids, session.ID(g.session(keygen.Protocol(g.mode, step)).ID()))
	}
	g.again = map[int][]mpc.Message{}
	g.progress = newProgress(g)
	if before {
		g.missed.Store(window)
	}
	g.seat.sent.Provide(g.task.id, g.sendAgain)
	return nil
}

// load makes the attempt, as far as it had come.
func (g *generation) load() (err error) {
	if g.files.Fresh() { // rows are not done whose bodies are not there
		if err := g.party.eraseSteps(attemptName(g.key) + "-" + keygen.StageRows.String() + "/"); err != nil {
			return err
		}
	}
	g.attempt, err = keygen.New(keygen.Config{
		Parameters: g.parameters, Mode: g.mode, KeyID: mpc.Digest(g.key.Id), Source: g.source,
		Session: func(step int) mpc.Digest { return g.session(keygen.Protocol(g.mode, step)).ID() },
		From:    g.members, Identity: g.seat.identity, Journal: g.party.cfg.Journal,
		Store: stepStore{g.party.cfg.Store, g.key}, Bodies: g.files,
	})
	return err
}

func (g *generation) folder() string {
	return filepath.Join(g.party.cfg.Scratch, attemptName(g.key))
}

// close lets go of what the attempt holds in memory.
func (g *generation) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed, g.again = true, nil
	_ = g.files.Close()
	g.attempt.Zero() // the source draws from the keys of the epoch, which stay
}

// finished returns the number of steps that are done.
func (g *generation) finished() int {
	count := 0
	for i := range g.attempt.Steps() {
		if g.attempt.Done(i) {
			count++
		}
	}
	return count
}

// run runs the steps that are not done: those of the offline stage, then, agreed on
// by the chain, the others. The files have all bodies afterwards.
func (g *generation) run(ctx context.Context) error {
	if err := g.deal(ctx); err != nil {
		return err
	}
	if err := g.stages(ctx, keygen.StageSecrets, keygen.StageNoise); err != nil {
		return err
	}
	if !g.attempt.Agreed() {
		posted, err := g.agree(ctx, g.attempt.Digest())
		if err != nil {
			return err
		}
		if err := g.attempt.Agree(posted); err != nil {
			return err
		}
	}
	if err := g.stages(ctx, keygen.StageSeed, keygen.StageFactors); err != nil {
		return err
	}
	if err := g.files.Begin(g.attempt.Seed()); err != nil {
		return err
	}
	return g.stages(ctx, keygen.StageRows, keygen.StageRows)
}

// deal has the members deal what the steps draw, where that is not pseudo-random. After a
// restart what was dealt is dealt again: steps that are done draw it, too.
func (g *generation) deal(ctx context.Context) error {
	if _, dealt := g.source.(*vss.Source); !dealt {
		return nil
	}
	for step := range g.attempt.Steps() {
		demand, err := g.attempt.Demand(step)
		if err != nil {
			return err
		}
		if err := g.dealFor(ctx, keygen.Protocol(g.mode, step), demand); err != nil {
			return err
		}
	}
	return nil
}

// stages runs what is not done of stages that do not depend on each other, some steps
// at a time and in their order: a member that has finished a step finds the others at
// most a window behind.
func (g *generation) stages(ctx context.Context, first, last keygen.Stage) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, window)
	var running sync.WaitGroup
	for step, s := range g.attempt.Steps() {
		if s.Stage < first || s.Stage > last || g.attempt.Done(step) {
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		running.Add(1)
		g.party.cfg.Background(func() {
			defer running.Done()
			defer func() { <-slots }()
			if err := g.step(ctx, step, s); err != nil {
				cancel(fmt.Errorf("%s: %w", s.Name, err))
			}
		})
	}
	running.Wait()
	return context.Cause(ctx)
}

// step runs one step to its end.
func (g *generation) step(ctx context.Context, step int, s keygen.Step) error {
	machine, err := g.attempt.Machine(step)
	if err != nil {
		return err
	}
	protocol := keygen.Protocol(g.mode, step)
	switch m := machine.(type) {
	case *preproc.Machine:
		if err = g.runOffline(ctx, protocol, m, g.usual(), session.WithBulk()); err == nil {
			err = g.attempt.Finish(step, m)
		}
	case *keygen.Opening:
		// Once it is done the machine is the router's, which checks late shares.
		var kept error
		finish := func() { kept = g.attempt.Finish(step, m) }
		if err = g.runOpening(ctx, protocol, m, g.usual(), rowLinger, finish, func() {}, session.WithBulk()); err == nil {
			err = kept
		}
	}
	if err != nil {
		return err
	}
	g.seat.sent.Forget(g.ids[step])
	g.progress.did(s)
	return nil
}

// usual returns how long a step takes at most when nobody is away. Who was away itself
// misses what was under way then, and asks for it at once.
func (g *generation) usual() time.Duration {
	if g.missed.Add(-1) >= 0 {
		return recall.Short
	}
	return recall.Long
}

// agree posts the digest of the offline stage and returns the one that the chain
// records as that of enough parties. Nothing built on the stage leaves before.
func (g *generation) agree(ctx context.Context, own mpc.Digest) (mpc.Digest, error) {
	say := func() {
		err := g.party.once("echo "+g.task.id, func() error {
			return g.party.poster.Message(ctx, &kmstypes.MsgCommitKeyEcho{
				Account: g.party.account(), KeyId: g.key.Id, Attempt: g.key.Attempt, Digest: own[:],
			})
		})
		if err != nil {
			g.party.cfg.Log.Warn("the digest of the offline steps was not posted", "err", err)
		}
	}
	say()
	agreed, err := g.task.await(ctx, func(k *kmstypes.Key) bool {
		if len(k.EchoDigest) > 0 {
			return true
		}
		said := slices.ContainsFunc(k.Echoes, func(e kmstypes.EchoCommitment) bool { return int(e.Index) == g.seat.identity.Self() })
		if !said {
			say()
		}
		return false
	})
	if err != nil {
		return mpc.Digest{}, err
	}
	if !bytes.Equal(agreed.EchoDigest, own[:]) {
		return mpc.Digest{}, ErrEcho
	}
	return own, nil
}
