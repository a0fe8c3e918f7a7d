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
	samples map[tfhe.Type]*samples
}

// samples of a type.
type samples struct {
	values             []*sample
	engine, tkms, host []time.Duration
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
	for _, stage := range n.net.Stages() {
		_, took, err := n.console.Step(label, stage.Name, func() (string, error) { return stage.Run(ctx) })
		if err != nil {
			return nil, fmt.Errorf("%s: %w", stage.Name, err)
		}
		if stage.Generates {
			result.KeygenMS = float64(took.Microseconds()) / 1000
		}
	}
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
	result.PartyMB, result.ValidatorMB = n.net.PeakMemory()
	return result, nil
}

// prepare gives all values to the dApp.
func (n *network) prepare(ctx context.Context) (err error) {
	if n.user, err = n.net.NewUser(ctx); err != nil {
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
				s.handle, err = n.user.Submit(ctx, s.Encrypted)
				return err
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
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(mathrand.N(pause)): //nolint:gosec // a moment, no secret
			}
			if err := n.request(ctx, n.samples[t], n.samples[t].values[i]); err != nil {
				return fmt.Errorf("%s, request %d: %w", t, i+1, err)
			}
		}
	}
	return nil
}

func (n *network) request(ctx context.Context, all *samples, s *sample) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
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
	if len(all.engine) > 0 {
		row.FromStock = float64(all.fromStock) / float64(len(all.engine))
	}
	return row
}
