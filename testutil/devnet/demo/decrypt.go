package demo

import (
	"context"
	"fmt"
	"math/big"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	"github.com/tkms-network/tkms/testutil/measure"
)

// item is one encrypted value with its handle.
type item struct {
	*devnet.Encrypted
	handle   fhevm.Handle
	computed bool
}

// encryptAll is step 4.
func (r *run) encryptAll(ctx context.Context) error {
	err := r.step(ctx, stepEncrypt, "a client encrypts a value of each type under the key", func(ctx context.Context) (string, error) {
		total := 0
		for _, t := range r.options.Types {
			r.console.Progress("%s", t)
			e, err := devnet.Encrypt(r.net.Public, t, r.random(t))
			if err != nil {
				return "", err
			}
			r.items = append(r.items, &item{Encrypted: e})
			total += len(e.Bytes)
		}
		return fmt.Sprintf("%d CompactCiphertextLists, %.1f kB", len(r.items), float64(total)/1000), nil
	})
	if err != nil {
		return err
	}
	r.items = append(r.items, &item{Encrypted: r.computed, computed: true})
	err = r.step(ctx, stepEncrypt, "all bytes are stored with the relayer by their digest", func(ctx context.Context) (string, error) {
		for _, it := range r.items {
			if err := r.net.Store(ctx, it.Encrypted); err != nil {
				return "", err
			}
		}
		return r.net.BlobURL, nil
	})
	if err != nil {
		return err
	}
	return r.step(ctx, stepEncrypt, "the coprocessor binds handle to digest, the dApp takes the handle", func(ctx context.Context) (string, error) {
		if r.user == nil {
			var err error
			if r.user, err = r.net.NewUser(ctx); err != nil {
				return "", err
			}
		}
		return fmt.Sprintf("%d handles by input verification", len(r.items)), submitAll(ctx, r.user, r.items)
	})
}

// submitAll gives values to the dApp, side by side.
func submitAll(ctx context.Context, user *devnet.User, items []*item) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, it := range items {
		group.Go(func() (err error) {
			it.handle, err = user.Submit(ctx, it.Encrypted)
			return err
		})
	}
	return group.Wait()
}

// decryptAll is step 5.
func (r *run) decryptAll(ctx context.Context) error {
	for _, it := range r.items {
		name := fmt.Sprintf("%s: disclosed, proven, decrypted, carried back, checkSignatures", it.Type)
		if it.computed {
			name = fmt.Sprintf("%s that was computed: disclosed, proven, decrypted, carried back", it.Type)
		}
		err := r.step(ctx, stepDecrypt, name, func(ctx context.Context) (string, error) {
			journey, err := r.user.Travel(ctx, it.handle)
			if err != nil {
				return "", err
			}
			engine, _, err := r.engine(ctx, journey)
			if err != nil {
				return "", err
			}
			r.report.Decryptions = append(r.report.Decryptions, Decryption{
				Type: it.Type.String(), Expected: it.Value.String(), Got: journey.Got.String(),
				EngineMS: milliseconds(engine), TKMSMS: milliseconds(journey.TKMS), HostMS: milliseconds(journey.Host),
			})
			if journey.Got.Cmp(it.Value) != 0 {
				return "", fmt.Errorf("the dApp stored %s, encrypted was %s", journey.Got, it.Value)
			}
			return shortValue(it.Type, journey.Got), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// engine returns the median of the parties' engine times, and whether all of them
// had their offline items ready.
func (r *run) engine(ctx context.Context, journey *devnet.Journey) (time.Duration, bool, error) {
	all, err := r.net.Engines(ctx, journey.Request)
	if err != nil {
		return 0, false, err
	}
	fromStock := true
	var times []time.Duration
	for _, s := range all {
		times = append(times, time.Duration(s.EngineMicros)*time.Microsecond)
		fromStock = fromStock && s.FromStock
	}
	return median(times), fromStock, nil
}

// shortValue writes a value for a person.
func shortValue(t tfhe.Type, v *big.Int) string {
	switch text := v.String(); {
	case t == tfhe.EBool:
		return fmt.Sprint(v.Sign() != 0)
	case len(text) > 24:
		return fmt.Sprintf("%s…%s (%d digits)", text[:8], text[len(text)-8:], len(text))
	default:
		return text
	}
}

// table prints types by latency.
func (r *run) table() {
	r.console.Line("")
	w := tabwriter.NewWriter(r.options.Out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "type\tengine\tTKMS end to end\tto the host chain\tvalue\t")
	for _, d := range r.report.Decryptions {
		verdict := "right"
		if d.Expected != d.Got {
			verdict = "WRONG"
		}
		fmt.Fprintf(w, "%s\t%.1f ms\t%.0f ms\t%.0f ms\t%s\t\n", d.Type, d.EngineMS, d.TKMSMS, d.HostMS, verdict)
	}
	_ = w.Flush()
	r.console.Line("load average %s", measure.LoadAverage())
}
