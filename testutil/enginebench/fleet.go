package enginebench

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/transport"
	"github.com/tkms-network/tkms/testutil/dealer"
)

// ErrParty reports a party's process that failed.
var ErrParty = errors.New("enginebench: a party failed")

// startAhead is how long before a run the parties are told of it, so that all of
// them are asleep when it starts.
const startAhead = 2 * time.Millisecond

// stopTime is how long processes may take to stop before they are killed.
const stopTime = 5 * time.Second

// process is one party's process.
type process struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     io.Reader
}

// fleet is n parties, connected, with a key among them.
type fleet struct {
	code    *sharing.Code
	dealt   bool       // the parties deal each other what they draw
	parties []*process // index-1
	jobs    uint64
	// kill ends all processes at once: one that waits for another does not read.
	kill context.CancelFunc
}

// startFleet starts the processes and sets them up for a shape. The ends of the
// processes come with the end of ctx, or with close.
func startFleet(ctx context.Context, o *Options, n int, shape preproc.Shape, in *input) (_ *fleet, err error) {
	code, err := sharing.New(n, sharing.Threshold(n), sharing.DegreeFor(n))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	f := &fleet{code: code, dealt: o.dealt(n), kill: cancel}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	for range n {
		p := &process{command: exec.CommandContext(ctx, o.Command[0], o.Command[1:]...)}
		p.command.Stderr = o.Progress
		if p.in, err = p.command.StdinPipe(); err != nil {
			return nil, err
		}
		if p.out, err = p.command.StdoutPipe(); err != nil {
			return nil, err
		}
		if err := p.command.Start(); err != nil {
			return nil, fmt.Errorf("start party %d: %w", len(f.parties)+1, err)
		}
		f.parties = append(f.parties, p)
	}
	if err := f.setUp(o, shape, in); err != nil {
		return nil, err
	}
	return f, nil
}

// setUp connects the parties, runs PRSS among them unless they deal, and deals the key.
func (f *fleet) setUp(o *Options, shape preproc.Shape, in *input) error {
	n := len(f.parties)
	var network, epoch [32]byte
	if _, err := rand.Read(network[:]); err != nil {
		return err
	}
	if _, err := rand.Read(epoch[:]); err != nil {
		return err
	}
	listening, err := f.ask(func(i int) *command {
		return &command{Listen: &listenCommand{Index: i + 1, Parties: n, Network: network, RoundTrip: o.RoundTrip, Dir: in.dir}}
	})
	if err != nil {
		return err
	}
	keys := make([][]byte, n)
	for i, a := range listening {
		keys[i] = a.Key
	}
	joined, err := f.ask(func(i int) *command {
		var others []transport.Peer
		for j, a := range listening {
			if j != i {
				others = append(others, a.Peer)
			}
		}
		return &command{Join: &joinCommand{Peers: others, Keys: keys, Epoch: epoch, Dealt: f.dealt}}
	})
	if err != nil {
		return err
	}
	roots := map[int]mpc.Digest{}
	for i, a := range joined {
		roots[i+1] = a.Root
	}
	if !f.dealt {
		if _, err := f.ask(func(int) *command { return &command{SetUp: &setUpCommand{Roots: roots}} }); err != nil {
			return err
		}
	}
	shares, err := dealer.Deal(rand.Reader, n, f.code.T(), f.code.Degree(), in.key)
	if err != nil {
		return err
	}
	_, err = f.ask(func(i int) *command {
		var raw []byte
		for _, x := range shares[i] {
			raw = binary.LittleEndian.AppendUint64(raw, x)
		}
		return &command{Key: &keyCommand{Shape: shape, Share: raw, Ciphertext: in.file}}
	})
	return err
}

// ask sends a command to each party, 0..n−1, and returns the answers.
func (f *fleet) ask(c func(i int) *command) ([]answer, error) {
	answers := make([]answer, len(f.parties))
	var group errgroup.Group
	for i, p := range f.parties {
		if err := writeMessage(p.in, c(i)); err != nil {
			f.kill()
			return nil, errors.Join(f.failed(i, err), group.Wait())
		}
		group.Go(func() error {
			err := readMessage(p.out, &answers[i])
			if err == nil && answers[i].Error != "" {
				err = errors.New(answers[i].Error)
			}
			if err != nil {
				f.kill()
				return f.failed(i, err)
			}
			return nil
		})
	}
	return answers, group.Wait()
}

func (f *fleet) failed(i int, err error) error {
	return fmt.Errorf("%w: party %d of %d: %w", ErrParty, i+1, len(f.parties), err)
}

// result is what all runs of a job gave.
type result struct {
	// times has the time of each run: from the first party's start until n−t parties that
	// are not silent had the value.
	times []time.Duration
	// allocations and allocated are medians over the runs of the most that a party
	// made; peak is the highest of all.
	allocations, allocated uint64
	peak                   int64
	// cpu is the mean over the parties, sent the most of one, for all runs.
	cpu  time.Duration
	sent int64
}

// run runs a job. Each run's values have to be those with the digest want at all
// parties, unless there are none.
func (f *fleet) run(j job, want *mpc.Digest) (*result, error) {
	f.jobs++
	j.Number = f.jobs
	_, err := f.ask(func(i int) *command {
		c := j
		if i > 0 {
			c.Profile = "" // one party's is enough
		}
		return &command{Prepare: &c}
	})
	if err != nil {
		return nil, err
	}
	out := &result{}
	var allocations, allocated []uint64
	for range j.Runs {
		at := time.Now().Add(startAhead).UnixNano()
		answers, err := f.ask(func(int) *command { return &command{Run: &runCommand{At: at}} })
		if err != nil {
			return nil, err
		}
		all := make([]*ran, len(answers))
		for i, a := range answers {
			if all[i] = a.Ran; a.Ran == nil || want != nil && a.Ran.Values != *want {
				return nil, f.failed(i, errors.New("the values are not those that were encrypted"))
			}
		}
		out.times = append(out.times, timeOf(all[:len(all)-j.Silent], f.code.Quorum()))
		var most ran
		for _, r := range all {
			most.Allocations, most.AllocatedBytes = max(most.Allocations, r.Allocations), max(most.AllocatedBytes, r.AllocatedBytes)
			out.peak = max(out.peak, r.Peak)
		}
		allocations, allocated = append(allocations, most.Allocations), append(allocated, most.AllocatedBytes)
	}
	out.allocations, out.allocated = median(allocations), median(allocated)
	answers, err := f.ask(func(int) *command { return &command{Finish: &finishCommand{}} })
	if err != nil {
		return nil, err
	}
	for i, a := range answers {
		if a.Totals == nil {
			return nil, f.failed(i, ErrWire)
		}
		out.cpu += a.Totals.CPU / time.Duration(len(answers))
		out.sent = max(out.sent, a.Totals.Sent)
	}
	return out, nil
}

// close ends the processes.
func (f *fleet) close() {
	for _, p := range f.parties {
		_ = p.in.Close() // a party ends when its input does
	}
	defer time.AfterFunc(stopTime, f.kill).Stop()
	for _, p := range f.parties {
		_ = p.command.Wait()
	}
	f.kill()
}
