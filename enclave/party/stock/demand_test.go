package stock

import (
	"encoding/binary"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/sharing"
)

func always(uint64) bool { return true }

// hold opens a request for items at all members.
func hold(members []*member, request string, first, end uint64) {
	for _, m := range members[1:] {
		m.stock.Hold(request, first, end)
	}
}

func TestABatchOnDemandIsMadeWhenOneMemberAwaitsIt(t *testing.T) {
	_, members := committeeOf(t, 4, 3*BatchItems, func(number uint64) bool { return number != 1 })
	start(t, members, 1, sharing.AllParties(4))
	hold(members, "open request", 0, 100)
	take(t, members[1], BatchItems, 1) // made ahead
	for _, m := range members[1:] {
		require.LessOrEqual(t, m.stock.Available(), BatchItems, "nobody awaits the others")
	}
	take(t, members[3], 10, 20)
	requireBits(t, members, sharing.AllParties(4), 10, 20)
	for _, m := range members[1:] {
		require.Zero(t, m.stock.Missing(1))
	}
}

// Members learn of requests in different orders. However many batches they await, none
// waits for members that are busy with others.
func TestBatchesOnDemandDoNotWaitForEachOther(t *testing.T) {
	const requests = 6
	_, members := committeeOf(t, 4, 0, always)
	start(t, members, 1, sharing.AllParties(4))
	for r := range uint64(requests) {
		hold(members, string(rune('a'+r)), r*BatchItems, (r+1)*BatchItems)
	}
	var taking sync.WaitGroup
	for i, m := range members[1:] {
		for r := range uint64(requests) {
			taking.Go(func() { take(t, m, (r*uint64(2*i+1)+uint64(i))%requests*BatchItems, 1) })
		}
	}
	taking.Wait()
}

func TestWorkIsMadeForItemsOfOpenRequestsOnly(t *testing.T) {
	_, members := committeeOf(t, 4, 0, always)
	s := members[1].stock
	s.Assigned(3 * BatchItems)
	s.Hold("open request", BatchItems+5, 2*BatchItems+1)
	for number, want := range map[uint64]bool{0: false, 1: true, 2: true, 3: false, 1 << 60: false} {
		_, err := s.serveNeeded(2, binary.BigEndian.AppendUint64(nil, number))
		if want {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, ErrMissing)
		}
		require.Equal(t, want, s.needed[number])
	}
	for _, body := range [][]byte{nil, make([]byte, 7), make([]byte, 9)} {
		_, err := s.serveNeeded(2, body)
		require.ErrorIs(t, err, ErrRequest)
	}
	s.Release("open request")
	require.Empty(t, s.needed)
}
