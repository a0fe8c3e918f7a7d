package party

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/tkms-network/tkms/enclave/party/stock"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
)

// otherVersions is how long the newest version of a group's items has to itself.
const otherVersions = time.Second

// supply is what a group takes of a stock.
type supply struct {
	stock  *stock.Stock
	ranges []stock.Range
}

// supplies are all that a group takes, of one stock or of two.
type supplies []supply

// await waits until all items are made, and reports whether they were there at once.
func (n supplies) await(ctx context.Context) (atOnce bool, err error) {
	atOnce = true
	for _, s := range n {
		_, held, err := s.stock.Await(ctx, s.ranges...)
		if err != nil {
			return false, err
		}
		atOnce = atOnce && held
	}
	return atOnce, nil
}

// versions returns the combinations of the versions in which each supply is held, the
// newest ones first, and what is closed when there may be others.
func (n supplies) versions() (all [][]stock.Version, changed []<-chan struct{}, err error) {
	all = [][]stock.Version{nil}
	for _, s := range n {
		versions, next, err := s.stock.Versions(s.ranges...)
		if err != nil {
			return nil, nil, err
		}
		changed = append(changed, next)
		var longer [][]stock.Version
		for _, before := range all {
			for _, version := range versions {
				longer = append(longer, append(before[:len(before):len(before)], version))
			}
		}
		all = longer
	}
	return all, changed, nil
}

// cut takes copies of the items in a version of each supply.
func (n supplies) cut(versions []stock.Version) ([][]*preproc.Batch, error) {
	out := make([][]*preproc.Batch, len(n))
	for i, s := range n {
		var err error
		if out[i], err = s.stock.Cut(versions[i], s.ranges...); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// eachVersion calls run for the newest version of items that are held, after a
// while for the others, too, and returns what ends first.
func (n supplies) eachVersion(ctx context.Context, run func(context.Context, [][]*preproc.Batch) ([]uint64, error)) ([]uint64, error) {
	type outcome struct {
		values []uint64
		err    error
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	outcomes := make(chan outcome)
	tried := map[string]bool{}
	patience := time.After(otherVersions)
	for {
		all, changed, err := n.versions()
		if err != nil {
			return nil, err
		}
		if patience != nil {
			all = all[:max(0, min(len(all), 1-len(tried)))]
		}
		for _, versions := range all {
			name := nameOf(versions)
			if tried[name] {
				continue
			}
			tried[name] = true
			stocked, err := n.cut(versions)
			if err != nil {
				return nil, err
			}
			running.Go(func() {
				values, err := run(ctx, stocked)
				select {
				case outcomes <- outcome{values, err}:
				case <-ctx.Done():
					clear(values) // they may be shares
				}
			})
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-changed[0]:
		case <-changed[len(changed)-1]: // there are at most two
		case <-patience:
			patience = nil
		case got := <-outcomes:
			return got.values, got.err
		}
	}
}

// nameOf tells combinations of versions apart: of each supply they are all as long.
func nameOf(versions []stock.Version) string {
	var out strings.Builder
	for _, v := range versions {
		out.WriteString(string(v))
	}
	return out.String()
}
