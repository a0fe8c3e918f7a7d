package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/testutil/devnet/console"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	"github.com/tkms-network/tkms/testutil/measure"
	"github.com/tkms-network/tkms/x/kms/client"
)

const (
	// answerTimeout is how long a user waits for an answer before it counts as lost.
	answerTimeout = 2 * time.Minute
	// failurePause is how long a user whose question failed waits for the next.
	failurePause = time.Second
	// keptFailures is how many texts of failures a report has.
	keptFailures = 5
)

// UsersOptions of a run with many users.
type UsersOptions struct {
	Bin, Dir string
	// Parties of the network; Users that ask at the same time.
	Parties, Users int
	// Type of the users' values.
	Type tfhe.Type
	// Time for which they ask.
	Time time.Duration
	// Progress is for a person who waits.
	Progress io.Writer
}

// crowd is a run with many users.
type crowd struct {
	options UsersOptions
	console *console.Console
	net     *devnet.Devnet
	readers []*reader

	mu  sync.Mutex
	all answers
}

// reader is a user with a value of her own.
type reader struct {
	*devnet.Reader
	value  *big.Int
	handle fhevm.Handle
	asked  int
	// began is the start of the first validity.
	began time.Time
}

// answers is what became of the questions.
type answers struct {
	latencies  []time.Duration
	inTime     int // before users ended to ask
	failed     int
	lost       int
	shareBytes int
	failures   []string
}

// RunUsers has many users read their values again and again, each time by a question that
// nobody asked before, and measures how many are served.
func RunUsers(ctx context.Context, o UsersOptions) (report *UsersReport, err error) {
	report = &UsersReport{CPUs: runtime.NumCPU(), Parties: o.Parties, Users: o.Users, Type: o.Type.String(), Seconds: o.Time.Seconds()}
	c := &crowd{options: o, console: console.New(o.Progress)}
	cfg := devnet.Config{Bin: o.Bin, Dir: filepath.Join(o.Dir, fmt.Sprintf("%d-parties", o.Parties)), Parties: o.Parties}
	if c.net, err = devnet.New(cfg); err != nil {
		return report, err
	}
	defer func() {
		if stopErr := c.net.Stop(); err == nil {
			err = stopErr
		}
	}()
	label := strconv.Itoa(o.Parties)
	if _, err := bringUp(ctx, c.net, c.console, label); err != nil {
		return report, err
	}
	name := fmt.Sprintf("%d users keep a %s each", o.Users, o.Type)
	if _, _, err := c.console.Step(label, name, func() (string, error) { return "", c.prepare(ctx) }); err != nil {
		return report, err
	}
	report.LoadBefore = measure.LoadAverage()
	before := c.usage()
	name = fmt.Sprintf("all of them ask again and again for %s", o.Time)
	_, _, err = c.console.Step(label, name, func() (string, error) { return c.ask(ctx) })
	report.Processes = processes(before, c.usage())
	report.LoadAfter = measure.LoadAverage()
	report.add(&c.all)
	return report, err
}

// usage is that of the network and of this process, which is all users.
func (c *crowd) usage() []devnet.Usage {
	self := devnet.Usage{Kind: "users", Processes: 1, CPU: measure.CPU(os.Getpid()), PeakMemory: measure.PeakMemory(os.Getpid())}
	return append(c.net.Usage(), self)
}

// prepare gives each user a value that only she may read.
func (c *crowd) prepare(ctx context.Context) error {
	c.readers = make([]*reader, c.options.Users)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(32)
	for i := range c.readers {
		group.Go(func() (err error) {
			c.readers[i], err = newReader(ctx, c.net, c.options.Type)
			return err
		})
	}
	return group.Wait()
}

// newReader makes a user with a value of the type that only she may read.
func newReader(ctx context.Context, net *devnet.Devnet, t tfhe.Type) (*reader, error) {
	value, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(t.Bits())))
	if err != nil {
		return nil, err
	}
	user, err := net.NewUser(ctx)
	if err != nil {
		return nil, err
	}
	encrypted, err := devnet.Encrypt(net.Public, t, value)
	if err != nil {
		return nil, err
	}
	if err := net.Store(ctx, encrypted); err != nil {
		return nil, err
	}
	r := &reader{value: value}
	if r.handle, err = user.Submit(ctx, encrypted); err != nil {
		return nil, err
	}
	if err := user.Allow(ctx, r.handle, user.Address()); err != nil {
		return nil, err
	}
	r.Reader, err = user.Reader(ctx)
	return r, err
}

// ask lets all users ask for the time of the options, and waits for the answers to what
// was asked.
func (c *crowd) ask(ctx context.Context) (string, error) {
	end := time.Now().Add(c.options.Time)
	var asking sync.WaitGroup
	for _, r := range c.readers {
		asking.Go(func() {
			// Users do not all begin at once.
			pauseFor(ctx, mathrand.N(pause)) //nolint:gosec // a moment, no secret
			for time.Now().Before(end) && ctx.Err() == nil {
				if !c.askOnce(ctx, r, end) {
					pauseFor(ctx, failurePause)
				}
			}
		})
	}
	asking.Wait()
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	return fmt.Sprintf("%d answers", len(c.all.latencies)), nil
}

func pauseFor(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// askOnce has a user ask, and notes what came of it. It reports whether she read her
// value.
func (c *crowd) askOnce(ctx context.Context, r *reader, end time.Time) bool {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	reading, err := r.read(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.all.latencies = append(c.all.latencies, reading.Latency)
		c.all.shareBytes = max(c.all.shareBytes, reading.ShareBytes)
		if time.Now().Before(end) {
			c.all.inTime++
		}
	case errors.Is(err, context.DeadlineExceeded):
		c.all.lost++
	default:
		c.all.failed++
	}
	if err != nil && len(c.all.failures) < keptFailures {
		c.all.failures = append(c.all.failures, err.Error())
	}
	c.console.Progress("%d answers, %d failed, %d lost", len(c.all.latencies), c.all.failed, c.all.lost)
	return err == nil
}

// read asks a new question: another start of its validity makes it another request.
func (r *reader) read(ctx context.Context) (*devnet.Reading, error) {
	r.asked++
	earlier := time.Duration(r.asked) * time.Second
	question, err := r.Ask(nil, func(t *client.Terms) {
		if r.began.IsZero() {
			r.began = t.Start
		}
		t.Start = r.began.Add(-earlier) // not from now, which moves on as fast
	}, r.handle)
	if err != nil {
		return nil, err
	}
	reading, err := r.Read(ctx, question)
	if err != nil {
		return nil, err
	}
	if reading.Values[0].Cmp(r.value) != 0 {
		return nil, fmt.Errorf("she read %s, encrypted was %s", reading.Values[0], r.value)
	}
	return reading, nil
}

// latency has the user read her value once, and tells how long that took.
func (r *reader) latency(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	reading, err := r.read(ctx)
	if err != nil {
		return 0, err
	}
	return reading.Latency, nil
}
