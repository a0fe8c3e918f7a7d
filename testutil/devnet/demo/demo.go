package demo

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/testutil/devnet/console"
	"github.com/tkms-network/tkms/testutil/measure"
)

// Numbers of the steps of the user's view.
const (
	stepKey     = 3
	stepEncrypt = 4
	stepDecrypt = 5
	stepRefuse  = 6
	stepRepeat  = 7
	stepAbsence = 8
	stepRead    = 9
	stepAudit   = 10
	stepRefresh = 11
)

// stockItems is how many offline items the parties keep ahead: enough for every
// type at once, and used up by one more euint2048 or two.
const stockItems = 3072

// Options of a run.
type Options struct {
	// Bin is the folder of the binaries, Dir that of homes and logs.
	Bin, Dir string
	// Params names the parameter set of the key, one with a server key.
	Params string
	// Types to decrypt, one value each.
	Types []tfhe.Type
	// Seed of the values.
	Seed uint64
	// Out is for a person.
	Out io.Writer
}

// DefaultTypes are the types that fhEVM chains use.
func DefaultTypes() []tfhe.Type {
	return []tfhe.Type{
		tfhe.EBool, tfhe.EUint4, tfhe.EUint8, tfhe.EUint16, tfhe.EUint32, tfhe.EUint64, tfhe.EUint128, tfhe.EUint160, tfhe.EUint256, tfhe.EUint2048,
	}
}

// Run brings a network up, does all steps, and stops it. The report is of use
// also beside an error.
func Run(ctx context.Context, o Options) (*Report, error) {
	r := &run{
		options: o, console: console.New(o.Out), values: rand.New(rand.NewChaCha8(seed(o.Seed))), //nolint:gosec // values to encrypt, reproducible by their seed
		report: &Report{
			Seed: o.Seed, Simulated: []string{"enclave device", "host chain's coprocessor", "host chain's validator network"},
			Steps: []Step{}, Decryptions: []Decryption{}, Rejections: []Rejection{}, Readings: []Reading{},
		},
	}
	start := time.Now()
	err := r.all(ctx)
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	if err != nil {
		r.report.Error = err.Error()
		return r.report, err
	}
	r.report.OK = true
	r.table()
	r.console.Line("")
	r.console.Line("every value was right and every refusal had its code; %s in all", console.Duration(time.Since(start)))
	return r.report, nil
}

// seed spreads a number over what the generator takes.
func seed(n uint64) [32]byte {
	var out [32]byte
	copy(out[:], "tkms/v1/demo/values")
	binary.BigEndian.PutUint64(out[24:], n)
	return out
}

// run is one run of the demo.
type run struct {
	options Options
	console *console.Console
	values  *rand.Rand
	report  *Report

	net  *devnet.Devnet
	user *devnet.User
	// computed is the value of step 3.
	computed *devnet.Encrypted
	// items are the values of step 4, and the computed one.
	items []*item
	// private is a value of step 9 that only the user may read.
	private *item
}

func (r *run) all(ctx context.Context) (err error) {
	r.net, err = devnet.New(devnet.Config{Bin: r.options.Bin, Dir: r.options.Dir, Params: r.options.Params, StockItems: stockItems})
	if err != nil {
		return err
	}
	r.title()
	defer func() {
		if stopErr := r.net.Stop(); err == nil && stopErr != nil {
			err = fmt.Errorf("stop the network: %w", stopErr)
		}
	}()
	for _, stage := range r.net.Stages() {
		if err := r.step(ctx, stage.Group, stage.Name, stage.Run); err != nil {
			return err
		}
	}
	for _, part := range []func(context.Context) error{r.compute, r.encryptAll, r.decryptAll, r.refuseAll, r.repeat, r.absence, r.readAll, r.commandLine, r.refresh} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) title() {
	c := r.console
	c.Line("TKMS on this machine: %d validators, %d parties, an fhEVM host chain and a relayer, each a process of its own", r.net.Config.Validators, r.net.Config.Parties)
	c.Line("SIMULATED: %s", strings.Join(r.report.Simulated, ", "))
	c.Line("seed %d, logs in %s, load average %s", r.options.Seed, r.options.Dir, measure.LoadAverage())
	c.Line("")
}

// step does one thing, prints it, and records it.
func (r *run) step(ctx context.Context, number int, name string, do func(context.Context) (string, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, stepTimeout, fmt.Errorf("not done after %s", stepTimeout))
	defer cancel()
	detail, took, err := r.console.Step(strconv.Itoa(number), name, func() (string, error) { return do(ctx) })
	r.report.Steps = append(r.report.Steps, Step{Number: number, Name: name, OK: err == nil, MS: milliseconds(took), Detail: detail})
	if err != nil {
		return fmt.Errorf("step %d, %s: %w", number, name, err)
	}
	return nil
}

// stepTimeout is far beyond what any step takes, also on a slow machine.
const stepTimeout = 15 * time.Minute

// random draws a value of a type, all of them equally likely.
func (r *run) random(t tfhe.Type) *big.Int {
	raw := make([]byte, (t.Bits()+7)/8)
	for i := range raw {
		raw[i] = byte(r.values.Uint32())
	}
	value := new(big.Int).SetBytes(raw)
	return value.Rsh(value, uint(8*len(raw)-t.Bits()))
}

// median of durations; 0 for none.
func median(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}
