package hostchain

import (
	"context"
	"errors"
	"time"
)

// hedge is how long one node is waited for before the next is asked too. A proof takes
// a few milliseconds.
const hedge = 300 * time.Millisecond

var (
	// errSlow is what a node is blamed for that others overtook.
	errSlow = errors.New("it is slower than the others")
	// errBehind is in the error of a node that is not as far as others: nothing to blame
	// it for.
	errBehind = errors.New("other nodes are further")
)

// race asks one node after the other until one answers: the next when one fails, or
// takes its time. A node that failed, or that another overtook, is blamed for it. If all
// fail the error is that of the first.
func race[T any](ctx context.Context, h *Host, ask func(context.Context, *member) (T, error)) (T, error) {
	type answer struct {
		place int
		value T
		err   error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	list := h.order()
	answers := make(chan answer, len(list))
	failures := make([]error, len(list))
	asked, open := 0, 0
	next := func() {
		m, place := list[asked], asked
		asked, open = asked+1, open+1
		go func() {
			value, err := ask(ctx, m)
			if err != nil && ctx.Err() == nil && !errors.Is(err, errBehind) {
				h.blame(m, err)
			}
			answers <- answer{place, value, err}
		}()
	}
	var none T
	next()
	for {
		var late <-chan time.Time
		if asked < len(list) {
			late = time.After(hedge)
		}
		select {
		case a := <-answers:
			if open--; a.err == nil {
				for place, m := range list[:a.place] {
					if failures[place] == nil {
						h.blame(m, errSlow)
					}
				}
				return a.value, nil
			}
			failures[a.place] = a.err
			if asked < len(list) {
				next()
			} else if open == 0 {
				return none, failures[0]
			}
		case <-late:
			next()
		case <-ctx.Done():
			return none, context.Cause(ctx)
		}
	}
}
