package party

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// methodPing answers at once: what a call takes is the round trip to a member.
const methodPing = "peer/ping"

// Of each connected member the quickest of some calls counts: what slows one down
// beside the network is not the network.
const (
	pings       = 3
	pingTimeout = time.Second // for all
)

func servePing(int, []byte) ([]byte, error) { return nil, nil }

// roundTrip returns the median round trip to the connected members in
// microseconds, 0 if there are none. It measures once, within pingTimeout.
func (s *seat) roundTrip(ctx context.Context) uint32 {
	s.pinging.Lock()
	defer s.pinging.Unlock()
	if s.pinged == 0 {
		s.pinged = s.measureRoundTrip(ctx)
	}
	return s.pinged
}

func (s *seat) measureRoundTrip(ctx context.Context) uint32 {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	var calls sync.WaitGroup
	var mu sync.Mutex
	var quickest []time.Duration
	for _, link := range s.mesh.Status() {
		if !link.Up {
			continue
		}
		calls.Go(func() {
			best := time.Duration(math.MaxInt64)
			for range pings {
				began := time.Now()
				if _, err := s.router.Call(ctx, link.Index, methodPing, nil); err != nil {
					break
				}
				best = min(best, time.Since(began))
			}
			if best < pingTimeout {
				mu.Lock()
				quickest = append(quickest, best)
				mu.Unlock()
			}
		})
	}
	calls.Wait()
	if len(quickest) == 0 {
		return 0
	}
	slices.Sort(quickest)
	return uint32(max(1, quickest[(len(quickest)-1)/2].Microseconds())) // #nosec G115 -- below pingTimeout
}
