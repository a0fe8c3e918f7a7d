package stock

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc/wire"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// inviteInterval is the pause before a member that did not know yet what items a
// request has is told again that they are needed.
const inviteInterval = 100 * time.Millisecond

// methodNeeded names the peer call by which a member that makes a batch on demand tells
// the others. What a request needs may be known only to those that have its
// ciphertexts, but all members are needed to make it.
func methodNeeded(shape preproc.Shape) string {
	return fmt.Sprintf("stock/needed/%d/%d/%t", shape.K, shape.W, shape.Chain)
}

// Await returns the newest version of items, made or yet to be made, and whether
// they were all there at once.
func (s *Stock) Await(ctx context.Context, ranges ...Range) (newest Version, atOnce bool, err error) {
	for waited := false; ; waited = true {
		versions, changed, err := s.Versions(ranges...)
		if err != nil {
			return "", false, err
		}
		if len(versions) > 0 {
			return versions[0], !waited, nil
		}
		if !waited && s.need(ranges) {
			continue
		}
		select {
		case <-ctx.Done():
			return "", false, fmt.Errorf("stock: items of %v: %w", ranges, context.Cause(ctx))
		case <-changed:
		}
	}
}

// need notes the batches on demand that have some of the items, which Versions took, and
// reports whether that is news.
func (s *Stock) need(ranges []Range) (news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range ranges {
		for number := r.First / BatchItems; number <= (r.First+uint64(r.Count)-1)/BatchItems; number++ { // #nosec G115 -- positive
			news = s.require(number) || news
		}
	}
	return news
}

// require notes that somebody awaits items of a batch.
func (s *Stock) require(number uint64) (news bool) {
	if _, held := s.newest(number); held || s.needed[number] || !s.onDemand(number) {
		return false
	}
	s.needed[number] = true
	s.notify()
	return true
}

// workOnDemand makes the batches that somebody awaits.
func (s *Stock) workOnDemand(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	for ctx.Err() == nil {
		s.mu.Lock()
		changed := s.changed
		for number := range s.needed {
			if _, held := s.newest(number); held || s.making[number] || s.spent(number) || s.members.active == 0 {
				continue
			}
			s.making[number] = true
			running.Go(func() { s.make(ctx, number) })
		}
		s.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
}

// invite tells the members that a batch is needed, each until it knows. Whoever makes it
// does: one that told only some would have these wait for the others.
func (s *Stock) invite(ctx context.Context, number uint64, among sharing.Parties) {
	var telling sync.WaitGroup
	defer telling.Wait()
	for _, peer := range among.Without(sharing.PartiesOf(s.cfg.Identity.Self())).List() {
		telling.Go(func() {
			for ctx.Err() == nil {
				calling, cancel := context.WithTimeout(ctx, callTime)
				_, err := s.cfg.Sessions.Call(calling, peer, methodNeeded(s.cfg.Shape), binary.BigEndian.AppendUint64(nil, number))
				cancel()
				if err == nil {
					return
				}
				pause(ctx, inviteInterval)
			}
		})
	}
}

// serveNeeded takes a batch (number, 8 bytes) that a peer makes: one of which an open
// request has items, so that a liar makes work for those only.
func (s *Stock) serveNeeded(_ int, body []byte) ([]byte, error) {
	r := wire.NewReader(body)
	number := r.Uint64()
	if r.Close() != nil {
		return nil, ErrRequest
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, held := range s.open {
		if held.first < held.end && held.first/BatchItems <= number && number <= (held.end-1)/BatchItems {
			s.require(number)
			return nil, nil
		}
	}
	return nil, ErrMissing
}
