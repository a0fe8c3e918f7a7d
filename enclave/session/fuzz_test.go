package session_test

import (
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/session"
)

// frames reads frames of a malicious peer out of fuzz input: a length and a kind,
// then that many bytes. Kinds beyond the real ones are frames as they come.
func frames(data []byte) [][]byte {
	var out [][]byte
	for len(data) >= 2 && len(out) < 64 {
		size, kind := int(data[0]), data[1]
		data = data[2:]
		size = min(size, len(data))
		body := data[:size]
		data = data[size:]
		frame := body
		switch kind {
		case 0: // to the session that the peer is in
			frame = append(message(id(1), uint16(size), nil), body...)
		case 1: // to the session that it is not in
			frame = append(message(id(2), uint16(size), nil), body...)
		case 2: // to sessions that nobody has heard of
			frame = append(message(id(3, byte(len(out))), 0, nil), body...)
		case 3:
			frame = append(append([]byte{2, 0, 0, 0, 0, 0, 0, 0, byte(len(out)), 4}, "echo"...), body...)
		case 4:
			frame = append(append([]byte{2, 0, 0, 0, 0, 0, 0, 0, byte(len(out)), 5}, "panic"...), body...)
		case 5:
			frame = append(append([]byte{3}, binary.BigEndian.AppendUint64(nil, uint64(len(out)))...), body...)
		}
		out = append(out, append([]byte(nil), frame...))
	}
	return out
}

// Party 2 is in session 1, where its messages make the machine panic or fail, and
// not in session 2. Whatever it sends, session 2 ends right.
func FuzzAMaliciousPeersFrames(f *testing.F) {
	f.Add([]byte{5, 0, 'p', 'a', 'n', 'i', 'c', 8, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 2, 3, 3, 'a', 'b', 'c'})
	f.Add([]byte{4, 0, 'f', 'a', 'i', 'l', 1, 4, 0, 2, 5, 0, 0, 3, 9, 1, 2, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		network := newMemoryNetwork(t)
		bounds := func(c *session.Config) { c.PendingFrames, c.PendingBytes = 8, 1024 }
		alice, carol := network.join(t, 1, 3, bounds), network.join(t, 3, 3, bounds)
		alice.Handle("echo", func(_ int, body []byte) ([]byte, error) { return body, nil })
		alice.Handle("panic", func(int, []byte) ([]byte, error) { panic("a bug") })
		disturbed := make(chan error, 1)
		go func() { disturbed <- alice.Run(timeLimited(t), id(1), newSumming(1, 3, 1, 0)) }()
		honest := make(chan error, 2)
		machines := []*summing{newSumming(1, 2, 1, 40), newSumming(3, 2, 1, 2)}
		sent := frames(data)
		for _, frame := range sent[:len(sent)/2] {
			alice.Receive(2, frame)
		}
		for k, r := range []*session.Router{alice, carol} {
			go func() { honest <- r.Run(timeLimited(t), id(2), machines[k], session.WithParties(1, 3)) }()
		}
		for _, frame := range sent[len(sent)/2:] {
			alice.Receive(2, frame)
		}
		for range machines {
			require.NoError(t, <-honest)
		}
		require.EqualValues(t, 42, machines[0].sum)
		require.EqualValues(t, 42, machines[1].sum)
		require.LessOrEqual(t, alice.Stats().Pending, 8)
		alice.Close()
		require.Error(t, <-disturbed, "it waits for party 3, or was ended by a panic")
	})
}

func TestAFloodForUnknownSessionsTakesNoMoreMemoryThanConfigured(t *testing.T) {
	const limit, frameLimit = 8 << 20, 4096
	for name, c := range map[string]struct{ payload, count int }{
		"empty messages":        {0, 20 * frameLimit},
		"small messages":        {100, 20 * frameLimit},
		"large messages":        {1 << 16, 10 * limit >> 16},
		"one enormous message":  {limit + 1, 3},
		"messages at the limit": {limit - 35, 3},
	} {
		t.Run(name, func(t *testing.T) {
			r := newMemoryNetwork(t).join(t, 1, 2, func(c *session.Config) { c.PendingFrames, c.PendingBytes = frameLimit, limit })
			before := heap()
			for i := range c.count {
				var session session.ID
				binary.BigEndian.PutUint64(session[:], uint64(i))
				r.Receive(2, message(session, 0, make([]byte, c.payload)))
			}
			// What keeps a message and its session, beside its bytes.
			const overhead = 600
			require.LessOrEqual(t, heap()-before, int64(limit+overhead*frameLimit))
			require.LessOrEqual(t, r.Stats().Pending, frameLimit)
			require.NotZero(t, r.Stats().Overflow)
		})
	}
}

// heap returns the bytes in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) // #nosec G115 -- far below
}
