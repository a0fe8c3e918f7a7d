package soak

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"

	"golang.org/x/sync/errgroup"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/badlink"
	"github.com/tkms-network/tkms/testutil/carrier"
	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

// stockItems is how many offline items the parties keep ahead: a run uses them up again
// and again.
const stockItems = 2048

// readyBlocks is the shortest wait: parties are away again and again, and each time it is
// twice as long.
const readyBlocks = 1

// wire is what lies between the processes of a network.
type wire struct {
	carriers []*carrier.Carrier // by party from 0: before its own node
	links    []*badlink.Link    // by party from 0: before its address
}

// route puts a link before a party.
func (w *wire) route(_ int, listens string) (string, error) {
	link, err := badlink.New(listens)
	if err != nil {
		return "", err
	}
	w.links = append(w.links, link)
	return link.Address(), nil
}

// carry puts a carrier, honest at first, before a party's own node.
func (w *wire) carry(_ int, rpc string) (string, error) {
	c := carrier.New(rpc, carrier.Lie{})
	w.carriers = append(w.carriers, c)
	return c.URL(), nil
}

func (w *wire) close() error {
	for _, c := range w.carriers {
		c.Close()
	}
	var failures []error
	for _, l := range w.links {
		failures = append(failures, l.Close())
	}
	return errors.Join(failures...)
}

// value is an encrypted value that the dApp has.
type value struct {
	*devnet.Encrypted
	handle fhevm.Handle
}

// words are what a decryption of values must give.
func words(values []*value) ([]byte, error) {
	var out []byte
	for _, v := range values {
		word, err := fhevm.EncodeCleartext(v.handle.Type(), v.Value)
		if err != nil {
			return nil, err
		}
		out = append(out, word...)
	}
	return out, nil
}

func handlesOf(values []*value) []fhevm.Handle {
	out := make([]fhevm.Handle, len(values))
	for i, v := range values {
		out[i] = v.handle
	}
	return out
}

// reader is a user with values that only she may read.
type reader struct {
	*devnet.Reader
	values []*value
}

// prepare brings the network up and gives the dApp all values.
func (r *run) prepare(ctx context.Context) error {
	for _, stage := range r.net.Stages() {
		if _, _, err := r.console.Step("", stage.Name, func() (string, error) { return stage.Run(ctx) }); err != nil {
			return fmt.Errorf("%s: %w", stage.Name, err)
		}
	}
	for i := range r.net.Layout.Nodes {
		at, err := r.net.At(i)
		if err != nil {
			return err
		}
		// It is looked up now, while the node is up.
		if _, err := at.Sender(ctx, r.net.Layout.Nodes[i].Moniker); err != nil {
			return err
		}
		r.nodes = append(r.nodes, at)
	}
	_, _, err := r.console.Step("", "values are encrypted and given to the dApp", func() (string, error) {
		return fmt.Sprintf("%d disclosed, %d of %d users", publicValues, readers*readerValues, readers), r.prepareValues(ctx)
	})
	return err
}

func (r *run) prepareValues(ctx context.Context) error {
	random := r.plan.draw("values")
	owner, err := r.net.NewUser(ctx)
	if err != nil {
		return err
	}
	r.public = make([]*value, publicValues)
	for i := range r.public {
		if r.public[i], err = r.encrypt(ctx, random, i); err != nil {
			return err
		}
	}
	group, giving := errgroup.WithContext(ctx)
	for _, v := range r.public {
		group.Go(func() error { return v.give(giving, owner, owner.Disclose) })
	}
	for range readers {
		user, err := r.net.NewUser(ctx)
		if err != nil {
			return err
		}
		own := &reader{values: make([]*value, readerValues)}
		if own.Reader, err = user.Reader(ctx); err != nil {
			return err
		}
		for i := range own.values {
			v, err := r.encrypt(ctx, random, i)
			if err != nil {
				return err
			}
			own.values[i] = v
			group.Go(func() error {
				return v.give(giving, user, func(ctx context.Context, h fhevm.Handle) error { return user.Allow(ctx, h, user.Address()) })
			})
		}
		r.readers = append(r.readers, own)
	}
	return group.Wait()
}

// encrypt makes a value of the type that is next and hands its bytes to the relayer.
func (r *run) encrypt(ctx context.Context, random *rand.Rand, at int) (*value, error) {
	types := valueTypes()
	e, err := devnet.Encrypt(r.net.Public, types[at%len(types)], draw(random, types[at%len(types)]))
	if err != nil {
		return nil, err
	}
	return &value{Encrypted: e}, r.net.Store(ctx, e)
}

// give has the dApp take a value of a user, who then permits its use.
func (v *value) give(ctx context.Context, user *devnet.User, permit func(context.Context, fhevm.Handle) error) error {
	var err error
	if v.handle, err = user.Submit(ctx, v.Encrypted); err != nil {
		return err
	}
	return permit(ctx, v.handle)
}

// draw returns a value of a type, all of them equally likely.
func draw(random *rand.Rand, t tfhe.Type) *big.Int {
	raw := make([]byte, (t.Bits()+7)/8)
	for i := range raw {
		raw[i] = byte(random.Uint32())
	}
	return new(big.Int).Rsh(new(big.Int).SetBytes(raw), uint(8*len(raw)-t.Bits()))
}
