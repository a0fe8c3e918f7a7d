package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/testutil/devnet/console"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	"github.com/tkms-network/tkms/testutil/measure"
)

// pause before a request is uniform in this time, the longest block period of
// both chains, so that requests come at random moments of both.
const pause = time.Second

// Options of a run.
type Options struct {
	Bin, Dir string
	// Parties are the sizes of the networks to measure, one after the other.
	Parties []int
	Types   []tfhe.Type
	// Samples a type.
	Samples int
	// Progress is for a person who waits.
	Progress io.Writer
}

// Run measures all networks.
func Run(ctx context.Context, o Options) (*Report, error) {
	report := &Report{CPUs: runtime.NumCPU(), Samples: o.Samples, LoadBefore: measure.LoadAverage()}
	for _, parties := range o.Parties {
		cfg := devnet.Config{Bin: o.Bin, Dir: filepath.Join(o.Dir, fmt.Sprintf("%d-parties", parties)), Parties: parties}
		n := &network{options: o, console: console.New(o.Progress), samples: map[tfhe.Type]*samples{}}
		result, err := n.measure(ctx, cfg)
		if err != nil {
			return report, fmt.Errorf("%d parties: %w", parties, err)
		}
		report.HostBlockMS = float64(n.net.Config.HostBlockTime.Milliseconds())
		report.Networks = append(report.Networks, *result)
	}
	report.LoadAfter = measure.LoadAverage()
	return report, nil
}

// network is the run of one network.
type network struct {
	options Options
	console *console.Console
	net     *devnet.Devnet
	user    *devnet.User
	reader  *devnet.Reader
	samples map[tfhe.Type]*samples
}

// samples of a type.
type samples struct {
	values             []*sample
	engine, tkms, host []time.Duration
	userTKMS, read     []time.Duration
	fromStock          int
}

type sample struct {
	*devnet.Encrypted
	handle fhevm.Handle
}

func (n *network) measure(ctx context.Context, cfg devnet.Config) (result *Network, err error) {
	if n.net, err = devnet.New(cfg); err != nil {
		return nil, err
	}
	defer func() {
		if stopErr := n.net.Stop(); err == nil {
			err = stopErr
		}
	}()
	result = &Network{Parties: n.net.Config.Parties}
	label := strconv.Itoa(result.Parties)
	keygen, err := bringUp(ctx, n.net, n.console, label)
	if err != nil {
		return nil, err
	}
	result.KeygenMS = float64(keygen.Microseconds()) / 1000
	if _, _, err := n.console.Step(label, "values are encrypted and taken by the dApp", func() (string, error) { return "", n.prepare(ctx) }); err != nil {
		return nil, err
	}
	_, _, err = n.console.Step(label, "requests at random moments", func() (string, error) { return "", n.requests(ctx) })
	if err != nil {
		return nil, err
	}
	for _, t := range n.options.Types {
		result.Rows = append(result.Rows, n.row(t))
	}
	for _, u := range n.net.Usage() {
		switch u.Kind {
		case devnet.KindParties:
			result.PartyMB = float64(u.PeakMemory) / 1e6
		case devnet.KindValidators:
			result.ValidatorMB = float64(u.PeakMemory) / 1e6
		}
	}
	return result, nil
}

// bringUp runs all stages of a network and returns how long the key took.
func bringUp(ctx context.Context, net *devnet.Devnet, console *console.Console, label string) (keygen time.Duration, err error) {
	for _, stage := range net.Stages() {
		_, took, err := console.Step(label, stage.Name, func() (string, error) { return stage.Run(ctx) })
		if err != nil {
			return 0, fmt.Errorf("%s: %w", stage.Name, err)
		}
		if stage.Generates {
			keygen = took
		}
	}
	return keygen, nil
}

// prepare gives all values to the dApp.
func (n *network) prepare(ctx context.Context) (err error) {
	if n.user, err = n.net.NewUser(ctx); err != nil {
		return err
	}
	if n.reader, err = n.user.Reader(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for _, t := range n.options.Types {
		all := &samples{}
		n.samples[t] = all
		for range n.options.Samples {
			value, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(t.Bits())))
			if err != nil {
				return err
			}
			s := new(sample)
			all.values = append(all.values, s)
			group.Go(func() (err error) {
				if s.Encrypted, err = devnet.Encrypt(n.net.Public, t, value); err != nil {
					return err
				}
				if err := n.net.Store(ctx, s.Encrypted); err != nil {
					return err
				}
				if s.handle, err = n.user.Submit(ctx, s.Encrypted); err != nil || !Readable(t) {
					return err
				}
				return n.user.Allow(ctx, s.handle, n.user.Address())
			})
		}
	}
	return group.Wait()
}

// requests decrypts all values, the types in turn.
func (n *network) requests(ctx context.Context) error {
	for i := range n.options.Samples {
		for _, t := range n.options.Types {
			n.console.Progress("%d of %d, %s", i+1, n.options.Samples, t)
			all, s := n.samples[t], n.samples[t].values[i]
			// The user reads her value before it is disclosed to everybody.
			if Readable(t) {
				if err := n.atRandom(ctx, all, s, n.read); err != nil {
					return fmt.Errorf("%s, user decryption %d: %w", t, i+1, err)
				}
			}
			if err := n.atRandom(ctx, all, s, n.request); err != nil {
				return fmt.Errorf("%s, request %d: %w", t, i+1, err)
			}
		}
	}
	return nil
}

// atRandom does something with a sample at a random moment, for a while at most.
func (n *network) atRandom(ctx context.Context, all *samples, s *sample, do func(context.Context, *samples, *sample) error) error {
	pauseFor(ctx, mathrand.N(pause)) //nolint:gosec // a moment, no secret
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return do(ctx, all, s)
}

// Readable tells whether clients read a type for a user.
func Readable(t tfhe.Type) bool { return t.Bits() <= 256 }

// read has the user read a value of hers.
func (n *network) read(ctx context.Context, all *samples, s *sample) error {
	question, err := n.reader.Ask(nil, nil, s.handle)
	if err != nil {
		return err
	}
	id, err := question.ID()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	group.Go(func() error {
		if _, err := n.net.WaitFulfilled(ctx, id[:], 0); err != nil {
			return err
		}
		all.userTKMS = append(all.userTKMS, time.Since(start))
		return nil
	})
	group.Go(func() error {
		reading, err := n.reader.Read(ctx, question)
		if err != nil {
			return err
		}
		if reading.Values[0].Cmp(s.Value) != 0 {
			return fmt.Errorf("she read %s, encrypted was %s", reading.Values[0], s.Value)
		}
		all.read = append(all.read, reading.Latency)
		return nil
	})
	return group.Wait()
}

func (n *network) request(ctx context.Context, all *samples, s *sample) error {
	journey, err := n.user.Travel(ctx, s.handle)
	if err != nil {
		return err
	}
	if journey.Got.Cmp(s.Value) != 0 {
		return fmt.Errorf("the dApp stored %s, encrypted was %s", journey.Got, s.Value)
	}
	engines, err := n.net.Engines(ctx, journey.Request)
	if err != nil {
		return err
	}
	for _, e := range engines {
		all.engine = append(all.engine, time.Duration(e.EngineMicros)*time.Microsecond)
		if e.FromStock {
			all.fromStock++
		}
	}
	all.tkms, all.host = append(all.tkms, journey.TKMS), append(all.host, journey.Host)
	return nil
}

func (n *network) row(t tfhe.Type) Row {
	all := n.samples[t]
	engine, tkms, host := referenceOf(t, n.net.Config.Parties)
	row := Row{Type: t.String(), Engine: figure(all.engine, engine), TKMS: figure(all.tkms, tkms), Host: figure(all.host, host)}
	if Readable(t) {
		row.User = &UserFigures{TKMS: figure(all.userTKMS, 0), Read: figure(all.read, 0)}
	}
	if len(all.engine) > 0 {
		row.FromStock = float64(all.fromStock) / float64(len(all.engine))
	}
	return row
}
