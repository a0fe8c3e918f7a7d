package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/keyfile"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/enclave/vss"
)

// ErrKeySet reports parties that came to different key sets.
var ErrKeySet = errors.New("cluster: the parties do not agree on a key set")

// KeyConfig is how a key set is generated.
type KeyConfig struct {
	Parameters tfhe.Parameters
	Mode       keygen.Mode
	// Folder takes the parties' files and what they keep of the attempt.
	Folder string
	// Steps is how many steps run at a time, 0 stands for 3.
	Steps int
}

// Generation is a key set that the parties generated, and how that went.
type Generation struct {
	// PublicKey is the compact public key, in the form with a seeded mask.
	PublicKey *tfhe.CompressedCompactPublicKey
	// Files are the published objects, as one of the parties wrote them: none if the
	// set is of the compact public key only.
	Files []keyfile.File
	// Offline made bits, products and noise; Opening opened what is published.
	Offline, Opening Phase
	// Stages are the times that the stages took, in the attempt that succeeded.
	Stages []StageTime
	// BytesSent is the most that one party wrote to its links.
	BytesSent int64
}

// StageTime is how long the steps of a stage took.
type StageTime struct {
	Stage keygen.Stage
	Steps int
	Took  time.Duration
}

// Generate starts the parties and has them generate a key set. A party that was
// excluded on the way rebuilds its share.
func Generate(ctx context.Context, cfg Config, k KeyConfig, random io.Reader) (*Cluster, *Generation, error) {
	c, err := connectParties(ctx, cfg, k.Parameters, random)
	if err != nil {
		return nil, nil, err
	}
	if k.Steps == 0 {
		k.Steps = 3
	}
	g := &Generation{Offline: Phase{Name: "offline"}, Opening: Phase{Name: "opening"}}
	if err := c.generate(ctx, k, g); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("key generation: %w", err), c.Close())
	}
	return c, g, nil
}

func (c *Cluster) generate(ctx context.Context, k KeyConfig, g *Generation) error {
	before := c.net.sent()
	for {
		a, err := c.newGeneration(k, g)
		if err != nil {
			return err
		}
		again, err := a.run(ctx)
		if err == nil && !again {
			err = a.take()
		}
		err = errors.Join(err, a.close())
		if err != nil {
			return err
		}
		if !again {
			break
		}
	}
	for i, sent := range c.net.sent() {
		g.BytesSent = max(g.BytesSent, sent-before[i])
	}
	return nil
}

// generation is one attempt at a key set by the parties that are not excluded.
type generation struct {
	*Cluster
	KeyConfig
	result   *Generation
	base     mpc.Session
	attempts map[int]*keygen.Attempt
	files    map[int]*keyfile.Files
	sources  map[int]*vss.Source // of dealt randomness

	mu sync.Mutex // guards the result and the members
	// members are those that are done with all steps so far.
	members sharing.Parties
}

func (c *Cluster) newGeneration(k KeyConfig, g *Generation) (*generation, error) {
	a := &generation{
		Cluster: c, KeyConfig: k, result: g, base: c.newAttempt("keygen").session,
		attempts: map[int]*keygen.Attempt{}, files: map[int]*keyfile.Files{}, sources: map[int]*vss.Source{},
	}
	a.members = a.base.Parties
	for _, i := range a.members.List() {
		p := c.parties[i-1]
		source, err := a.source(p)
		if err != nil {
			return nil, errors.Join(err, a.close())
		}
		folder := filepath.Join(k.Folder, fmt.Sprintf("party-%d-%d", i, c.sessions))
		if a.files[i], err = keyfile.Open(folder, k.Parameters); err != nil {
			return nil, errors.Join(err, a.close())
		}
		a.attempts[i], err = keygen.New(keygen.Config{
			Parameters: k.Parameters, Mode: k.Mode, KeyID: c.epoch, Source: source,
			Session: func(step int) mpc.Digest { return a.session(step).ID() },
			From:    a.base.Parties, Identity: p.identity, Store: folderStore(folder), Bodies: a.files[i],
		})
		if err != nil {
			return nil, errors.Join(err, a.close())
		}
	}
	return a, nil
}

// source returns what a party draws from in the attempt.
func (a *generation) source(p *party) (prss.Randomness, error) {
	context := a.session(0).ID() // the randomness is the attempt's
	if !a.dealt() {
		return prss.NewSource(p.keys, a.code, context)
	}
	dealt := vss.NewSource(a.code, p.index, a.base.Parties, context)
	a.sources[p.index] = dealt
	if p.keys == nil {
		return dealt, nil
	}
	noise, err := prss.NewSource(p.keys, a.code, context)
	if err != nil {
		return nil, err
	}
	return dealt, dealt.TakeNoise(noise)
}

// dealFor has the members deal each other what steps draw, before any of these runs: later
// chunks of a matrix have the factors of the first.
func (a *generation) dealFor(ctx context.Context, first, next int) (again bool, err error) {
	for step := first; a.dealt() && step < next; step++ {
		demand, err := a.attempts[a.members.List()[0]].Demand(step)
		if err != nil {
			return false, err
		}
		if len(demand) == 0 {
			continue
		}
		made := attempt{session: a.session(step), context: a.session(0).ID()}
		if again, err := a.deal(ctx, &a.result.Offline, &made, demand); again || err != nil {
			return again, err
		}
		for i, source := range made.dealt {
			if err := a.sources[i].Join(source); err != nil {
				return false, fmt.Errorf("party %d: %w", i, err)
			}
		}
	}
	return false, nil
}

func (a *generation) close() error {
	var failed error
	for _, f := range a.files {
		failed = errors.Join(failed, f.Close())
	}
	return failed
}

// folderStore keeps what steps made in files: in the clear, as all parties' shares are in
// this process.
type folderStore string

func (f folderStore) path(name string) string {
	return filepath.Join(string(f), "kept-"+filepath.Base(filepath.Dir(name))+"-"+filepath.Base(name))
}

// Put implements keygen.Store.
func (f folderStore) Put(name string, data []byte) error {
	return os.WriteFile(f.path(name), data, 0o600)
}

// Get implements keygen.Store.
func (f folderStore) Get(name string) ([]byte, error) { return os.ReadFile(f.path(name)) }

func (a *generation) session(step int) mpc.Session {
	s := a.base
	s.Protocol = keygen.Protocol(a.Mode, step)
	return s
}

// run runs all steps. It reports that another attempt is to be made, without parties
// that are excluded now.
func (a *generation) run(ctx context.Context) (again bool, err error) {
	a.result.Stages = nil
	steps := a.attempts[a.members.List()[0]].Steps()
	began := time.Now()
	for first := 0; first < len(steps); {
		next := first
		for next < len(steps) && steps[next].Stage == steps[first].Stage {
			next++
		}
		if steps[first].Stage == keygen.StageSeed {
			a.result.Offline.Took = time.Since(began)
			if err := a.agree(); err != nil {
				return false, err
			}
		}
		if steps[first].Stage == keygen.StageRows {
			for _, i := range a.members.List() {
				if err := a.files[i].Begin(a.attempts[i].Seed()); err != nil {
					return false, err
				}
			}
		}
		at := time.Now()
		if again, err := a.dealFor(ctx, first, next); again || err != nil {
			return again, err
		}
		if again, err := a.stage(ctx, first, next, steps[first].Offline); again || err != nil {
			return again, err
		}
		a.result.Stages = append(a.result.Stages, StageTime{steps[first].Stage, next - first, time.Since(at)})
		first = next
	}
	a.result.Opening.Took = time.Since(began) - a.result.Offline.Took
	a.result.Opening.Agreed = a.members
	return false, nil
}

// stage runs steps that do not depend on each other.
func (a *generation) stage(ctx context.Context, first, next int, offline bool) (again bool, err error) {
	group, all := errgroup.WithContext(ctx)
	group.SetLimit(a.Steps)
	for step := first; step < next; step++ {
		group.Go(func() error {
			if offline {
				return a.offlineStep(all, step)
			}
			return a.openingStep(all, step)
		})
	}
	if err = group.Wait(); err == nil {
		return false, nil
	}
	bad := (a.result.Offline.Culprits | a.result.Offline.Absent).Without(a.excluded)
	a.exclude(bad)
	if ctx.Err() != nil || !errors.Is(err, errStep) || bad == 0 || a.excluded.Count() > a.code.T() {
		return false, errors.Join(fmt.Errorf("%w: culprits %v, absent %v", ErrStuck, a.result.Offline.Culprits, a.result.Offline.Absent), err)
	}
	return true, nil
}

// errStep ends an attempt of which a step was not done by enough parties.
var errStep = errors.New("cluster: too few parties are done with a step")

// offlineStep runs a step of preproc, of which the parties that are done go on.
func (a *generation) offlineStep(ctx context.Context, step int) error {
	machines, list := map[int]mpc.Machine{}, map[int]*preproc.Machine{}
	for i, attempt := range a.attempts {
		m, err := attempt.Machine(step)
		if err != nil {
			return fmt.Errorf("party %d: %w", i, err)
		}
		machines[i], list[i] = m, m.(*preproc.Machine)
	}
	s := a.session(step)
	endings := a.play(ctx, s, machines, session.WithBulk())
	done, _, failure := a.sum(endings, a.code.Quorum())
	a.mu.Lock()
	a.judgeOffline(&a.result.Offline, attempt{session: s}, endings, list)
	a.mu.Unlock()
	return a.finish(step, done, machines, failure)
}

// openingStep runs a step that opens values, among those that are done with all before
// its stage.
func (a *generation) openingStep(ctx context.Context, step int) error {
	machines := map[int]mpc.Machine{}
	for i, attempt := range a.attempts {
		if !attempt.Ready(step) {
			continue
		}
		m, err := attempt.Machine(step)
		if err != nil {
			return fmt.Errorf("party %d: %w", i, err)
		}
		machines[i] = m
	}
	s := a.session(step)
	endings := a.play(ctx, s, machines, session.WithBulk())
	done, _, failure := a.sum(endings, a.code.Quorum())
	a.mu.Lock()
	a.judgeOpening(&a.result.Opening, s, endings, func(i int) opening { return machines[i].(opening) })
	a.mu.Unlock()
	return a.finish(step, done, machines, failure)
}

// finish keeps what the parties that are done with a step made: n−t at least.
func (a *generation) finish(step int, done sharing.Parties, machines map[int]mpc.Machine, failure error) error {
	if done.Count() < a.code.Quorum() {
		return errors.Join(fmt.Errorf("%w: %v", errStep, done), failure)
	}
	for _, i := range done.List() {
		if err := a.attempts[i].Finish(step, machines[i].(keygen.Machine)); err != nil {
			return fmt.Errorf("party %d: %w", i, err)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.members &= done
	if a.members.Count() < a.code.Quorum() {
		return fmt.Errorf("%w: %v are done with all", errStep, a.members)
	}
	return nil
}

// agree plays the chain's part: it takes the digest that n−t parties posted.
func (a *generation) agree() error {
	votes := map[mpc.Digest]sharing.Parties{}
	for _, i := range a.members.List() {
		digest := a.attempts[i].Digest()
		votes[digest] = votes[digest].With(i)
	}
	for digest, who := range votes {
		if who.Count() < a.code.Quorum() {
			continue
		}
		a.result.Offline.Agreed = who
		for _, i := range who.List() {
			if err := a.attempts[i].Agree(digest); err != nil {
				return fmt.Errorf("party %d: %w", i, err)
			}
		}
		return nil
	}
	return ErrKeySet
}
