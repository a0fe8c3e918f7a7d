package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/clientkey"
	"github.com/tkms-network/tkms/testutil/dealer"
)

// grace is how long parties without a value are waited for once n−t have it.
const grace = 5 * time.Second

// ErrNoAgreement reports that fewer than n−t parties came to one value.
var ErrNoAgreement = errors.New("cluster: too few parties agree on a value")

// keyShares are one party's shares of the keys that ciphertexts are under.
type keyShares map[tfhe.KeyKind]*decrypt.Key

// dealKey shares the bits of each key that the client key has, and returns the
// parties' shares.
func dealKey(random io.Reader, code *sharing.Code, key *tfhe.ClientKey) ([]keyShares, error) {
	shape := shapeOf(key.Parameters())
	out := make([]keyShares, code.N())
	for i := range out {
		out[i] = keyShares{}
	}
	for _, kind := range []tfhe.KeyKind{tfhe.ComputeKey, tfhe.PublicKeyEncryptionKey} {
		secret, err := clientkey.SecretBits(key, kind)
		if errors.Is(err, clientkey.ErrNoKey) {
			continue
		}
		if err != nil {
			return nil, err
		}
		shares, err := dealer.Deal(random, code.N(), code.T(), code.Degree(), secret)
		if err != nil {
			return nil, err
		}
		for i, share := range shares {
			if out[i][kind], err = decrypt.NewKey(code, shape, share); err != nil {
				return nil, err
			}
			clear(share)
		}
	}
	return out, nil
}

func shapeOf(p tfhe.Parameters) preproc.Shape {
	return preproc.Shape{K: p.SwitchBits, W: p.WindowBits()}
}

// Result is a decrypted value and how it came about.
type Result struct {
	// Value is the plaintext.
	Value *big.Int
	// Offline is what it took to make the random material, which does not depend on
	// the ciphertext; Online is from the start of the decryption until n−t parties
	// had the value.
	Offline, Online time.Duration
	// Agreed are the parties that came to this value. Culprits were named by more
	// than t parties for wrong messages. Absent were heard by t parties at most
	// before these stopped listening: silent, or late.
	Agreed, Culprits, Absent sharing.Parties
	// BytesSent is the most that one party wrote to its links.
	BytesSent int64
}

// Decrypt makes random material for the ciphertext among all parties, and then
// has them decrypt it; faulty parties are faulty in the second part. It returns
// ErrNoAgreement, or the cause why ctx ended, if fewer than n−t parties come to
// one value. It must not be called concurrently.
func (c *Cluster) Decrypt(ctx context.Context, ciphertext *tfhe.Ciphertext) (*Result, error) {
	if _, ok := c.parties[0].shares[ciphertext.Key()]; !ok {
		return nil, fmt.Errorf("%v key: %w", ciphertext.Key(), clientkey.ErrNoKey)
	}
	before, start := c.net.sent(), time.Now()
	stock, err := c.makeStock(ctx, ciphertext.Len())
	if err != nil {
		return nil, fmt.Errorf("offline phase: %w", err)
	}
	result := &Result{Offline: time.Since(start)}
	if err := c.online(ctx, ciphertext, stock, result); err != nil {
		return nil, err
	}
	for i, sent := range c.net.sent() {
		result.BytesSent = max(result.BytesSent, sent-before[i])
	}
	return result, nil
}

// makeStock makes fresh items for count blocks and returns each party's.
func (c *Cluster) makeStock(ctx context.Context, count int) ([][]*preproc.Batch, error) {
	stock := make([][]*preproc.Batch, c.code.N())
	if c.code.N() == 1 {
		return stock, nil
	}
	first := c.nextItem
	c.nextItem += uint64(count)
	id, shape := c.sessionID("preproc", nil), shapeOf(c.parameters)
	made, machines := make([]*preproc.Machine, len(stock)), make([]mpc.Machine, len(stock))
	for i, p := range c.parties {
		m, err := preproc.NewBatch(preproc.Config{
			Source: p.source, Session: id, From: sharing.AllParties(c.code.N()), Identity: p.identity,
		}, shape, first, count)
		if err != nil {
			return nil, err
		}
		made[i], machines[i] = m, m
	}
	if err := c.runAll(ctx, id, machines); err != nil {
		return nil, err
	}
	for i, m := range made {
		b, err := preproc.FromMachine(m, shape)
		if err != nil {
			return nil, err
		}
		stock[i] = []*preproc.Batch{b}
	}
	return stock, nil
}

// event is what a party's session tells: that it has values, or that it ended.
type event struct {
	party     int
	values    []uint64
	at        time.Time
	ended     bool
	culprits  sharing.Parties
	heardFrom sharing.Parties
	err       error
}

// observed is a decryption that notes whom it hears.
type observed struct {
	*decrypt.Machine
	heard sharing.Parties
}

func (o *observed) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	o.heard = o.heard.With(from)
	return o.Machine.Receive(from, round, payload)
}

func (c *Cluster) online(ctx context.Context, ciphertext *tfhe.Ciphertext, stock [][]*preproc.Batch, result *Result) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	id := c.sessionID("decrypt", nil)
	machines := make([]*observed, c.code.N())
	for i, p := range c.parties {
		m, err := decrypt.New(decrypt.Config{
			Code: c.code, Self: p.index, Key: p.shares[ciphertext.Key()], Blocks: ciphertext, Stock: stock[i],
		})
		if err != nil {
			return fmt.Errorf("party %d: %w", p.index, err)
		}
		machines[i] = &observed{Machine: m}
	}
	start := time.Now()
	// Two events a party at most, so that no party ever waits for the reader.
	events := make(chan event, 2*len(machines))
	for i, m := range machines {
		go c.runOnline(ctx, id, i, m, events)
	}
	return c.gather(cancel, events, ciphertext, start, result)
}

// runOnline runs one party's session and tells when it has values and when it
// has ended.
func (c *Cluster) runOnline(ctx context.Context, id mpc.Digest, i int, m *observed, events chan<- event) {
	self := i + 1
	var machine mpc.Machine = m
	if fault, ok := c.cfg.Faults[self]; ok {
		machine = &faulty{Machine: m, fault: fault, random: rand.New(rand.NewPCG(uint64(self), c.sessions))}
	}
	done := func() {
		events <- event{party: self, values: slices.Clone(m.Values()), at: time.Now()}
	}
	closed := func() {
		events <- event{party: self, ended: true, culprits: m.Culprits(), heardFrom: m.heard}
	}
	err := c.net.nodes[i].router.Run(ctx, session.ID(id), machine, session.WithLinger(c.cfg.Linger, done, closed))
	if err != nil {
		events <- event{party: self, ended: true, err: err}
	}
}

// gather waits until all parties have ended. Once n−t parties have one value, the
// others are given a grace to end too.
func (c *Cluster) gather(cancel func(), events <-chan event, ciphertext *tfhe.Ciphertext, start time.Time, result *Result) error {
	n, t := c.code.N(), c.code.T()
	views := map[string]sharing.Parties{}
	accused, heard := make([]int, n+1), make([]int, n+1)
	var values []uint64
	var failures []error
	for ended := 0; ended < n; {
		e := <-events
		switch {
		case !e.ended:
			view := fmt.Sprint(e.values)
			views[view] = views[view].With(e.party)
			if values == nil && views[view].Count() >= n-t {
				values, result.Online = e.values, e.at.Sub(start)
				defer time.AfterFunc(grace, cancel).Stop()
			}
			continue
		case e.err != nil:
			failures = append(failures, fmt.Errorf("party %d: %w", e.party, e.err))
		}
		ended++
		for i := 1; i <= n; i++ {
			if e.culprits.Has(i) {
				accused[i]++
			}
			if e.heardFrom.Has(i) {
				heard[i]++
			}
		}
	}
	if values == nil {
		return errors.Join(append([]error{ErrNoAgreement}, failures...)...)
	}
	result.Agreed = views[fmt.Sprint(values)]
	for i := 1; i <= n && n > 1; i++ {
		// Up to t accusers may all be liars.
		if accused[i] > t {
			result.Culprits = result.Culprits.With(i)
		}
		if heard[i] <= t {
			result.Absent = result.Absent.With(i)
		}
	}
	var err error
	result.Value, err = ciphertext.Recompose(values)
	return err
}
