package soak

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/x/kms/client"
)

const (
	// askTimeout is how long one request may take with everything that goes wrong.
	askTimeout = 5 * time.Minute
	// tryTimeout is how long one way of asking may take before another is tried.
	tryTimeout = 25 * time.Second
	// retryPause is the pause before another try.
	retryPause = 500 * time.Millisecond
)

// answer is what became of one request of the plan.
type answer struct {
	ask     Ask
	took    time.Duration
	tries   int
	expired bool
	// refusals are the codes with which the chain or the relayer refused tries.
	refusals []string
	err      error
}

// serve makes a request until it is answered, expires, or its time is over. A person whose
// node or relayer does not answer would ask another one, or again.
func (r *run) serve(ctx context.Context, a Ask) *answer {
	ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, fmt.Errorf("no answer within %s", askTimeout))
	defer cancel()
	out := &answer{ask: a}
	began := time.Now()
	defer func() { out.took = time.Since(began) }()
	for {
		trying, done := context.WithTimeout(ctx, tryTimeout)
		out.err = r.try(trying, a, out.tries)
		done()
		out.tries++
		var wrong *wrongValue
		switch {
		case out.err == nil:
			return out
		case errors.Is(out.err, devnet.ErrExpired):
			out.expired, out.err = true, nil
			return out
		case errors.As(out.err, &wrong):
			return out
		case ctx.Err() != nil:
			out.err = fmt.Errorf("%w: %w", context.Cause(ctx), out.err)
			return out
		}
		var refusal *client.TxError
		if errors.As(out.err, &refusal) {
			out.refusals = append(out.refusals, refusal.Name())
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryPause):
		}
	}
}

// wrongValue is an answer that is not what was encrypted.
type wrongValue struct{ got, want string }

func (e *wrongValue) Error() string {
	return fmt.Sprintf("the answer is %s, encrypted was %s", e.got, e.want)
}

// way is the kind of a request, of the first one if it is made again.
func (r *run) way(a Ask) Ask {
	if a.Kind == AskAgain {
		of := r.plan.Asks[a.Of-1]
		of.Node = a.Node
		return of
	}
	return a
}

func (r *run) try(ctx context.Context, a Ask, tries int) error {
	a = r.way(a)
	if a.Kind == AskRead {
		return r.tryRead(ctx, a, tries)
	}
	var asked []*value
	for _, at := range a.Values {
		asked = append(asked, r.public[at])
	}
	want, err := words(asked)
	if err != nil {
		return err
	}
	id, err := r.net.RequestID(handlesOf(asked)...)
	if err != nil {
		return err
	}
	r.ledger.expect(a.Number, id, want)
	var got []byte
	if a.Kind == AskRelayed {
		job, err := r.net.AskRelayer(ctx, handlesOf(asked)...)
		if err != nil {
			return err
		}
		if got, err = r.net.Relayed(ctx, job); err != nil {
			return err
		}
	} else {
		node := r.nodes[(a.Node+tries)%len(r.nodes)]
		outcome, err := node.Decrypt(ctx, handlesOf(asked)...)
		if err != nil {
			return err
		}
		got = outcome.Request.Plaintext
	}
	if !bytes.Equal(got, want) {
		return &wrongValue{hex.EncodeToString(got), hex.EncodeToString(want)}
	}
	return nil
}

// tryRead has a user read. A start of the validity of its own makes each request of the
// plan another one for the chain.
func (r *run) tryRead(ctx context.Context, a Ask, tries int) error {
	from := r.readers[a.Reader]
	var asked []*value
	var want []string
	for _, at := range a.Values {
		asked = append(asked, from.values[at])
		want = append(want, from.values[at].Value.String())
	}
	start := r.began.Add(-time.Minute - time.Duration(a.Number)*time.Second)
	question, err := from.Ask(nil, func(t *client.Terms) { t.Start = start }, handlesOf(asked)...)
	if err != nil {
		return err
	}
	id, err := question.ID()
	if err != nil {
		return err
	}
	r.ledger.expect(a.Number, id[:], nil)
	reading, err := from.At(r.nodes[(a.Node+tries)%len(r.nodes)]).Read(ctx, question)
	if err != nil {
		return err
	}
	var got []string
	for _, v := range reading.Values {
		got = append(got, v.String())
	}
	if !slices.Equal(got, want) {
		return &wrongValue{fmt.Sprint(got), fmt.Sprint(want)}
	}
	r.ledger.blame(reading.Wrong)
	return nil
}
