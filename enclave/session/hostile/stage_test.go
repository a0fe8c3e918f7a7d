package hostile

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/recall"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Bounds of the routers on the stage.
const (
	pendingFrames = 64
	pendingBytes  = 4 << 20
	inboxBytes    = 4 << 20
)

// stage is a network of routers in one process. Frames arrive at once.
type stage struct {
	mu      sync.Mutex
	routers [parties + 1]*session.Router
	lies    *script // of the liar
}

// mesh is a party's end.
type mesh struct {
	stage *stage
	self  int
}

func (m mesh) Self() int { return m.self }

func (m mesh) SendBulk(to int, parts ...[]byte) error { return m.Send(to, parts...) }

func (m mesh) Send(to int, parts ...[]byte) error {
	for _, f := range m.stage.frames(m.self, to, slices.Concat(parts...)) {
		m.stage.routers[to].Receive(m.self, f)
	}
	return nil
}

// frames returns what goes out when a party sends a frame.
func (st *stage) frames(from, to int, frame []byte) [][]byte {
	st.mu.Lock()
	defer st.mu.Unlock()
	switch liar {
	case from:
		return st.lies.instead(to, frame)
	case to:
		st.lies.heard[from] = bytes.Clone(frame)
	}
	return [][]byte{frame}
}

// script says what a liar does with the frames that an honest party would send: each
// takes an order from the data, and when it has run out the liar is honest.
type script struct {
	data  []byte
	held  [parties + 1][]byte
	heard [parties + 1][]byte // the latest frame from each
}

func (s *script) next() byte {
	if len(s.data) == 0 {
		return 0
	}
	b := s.data[0]
	s.data = s.data[1:]
	return b
}

// upTo returns a number below n, of two bytes of the script.
func (s *script) upTo(n int) int {
	at := int(s.next())<<8 | int(s.next())
	if n <= 0 {
		return 0
	}
	return at % n
}

const (
	orders = 13
	// headerSize is that of a message's frame: kind, session, round.
	headerSize = 1 + 32 + 2
)

// instead returns the frames that go out in place of one.
func (s *script) instead(to int, frame []byte) [][]byte {
	switch s.next() % orders {
	case 1: // nothing
		return nil
	case 2: // another byte
		frame[s.upTo(len(frame))] ^= s.next() | 1
	case 3: // less
		frame = frame[:s.upTo(len(frame))]
	case 4: // more
		frame = append(frame, bytes.Repeat([]byte{s.next()}, 1+s.upTo(1<<15))...)
	case 5: // again and again
		return slices.Repeat([][]byte{frame, bytes.Clone(frame)}, 1+int(s.next())%8)
	case 6: // in another round
		if len(frame) >= headerSize {
			frame[headerSize-2], frame[headerSize-1] = s.next()%2, s.next()
		}
	case 7: // something else
		size := int(s.next())
		frame = append(frame[:min(len(frame), headerSize)], s.data[:min(len(s.data), size)]...)
	case 8: // later
		frame, s.held[to] = s.held[to], frame
		if frame == nil {
			return nil
		}
	case 9: // what the receiver said
		frame = append([]byte(nil), s.heard[to]...)
	case 10: // in another session, or to another call
		frame[min(len(frame)-1, 1+s.upTo(32))] ^= 1
	case 11: // of another kind
		frame[0] = s.next() % 5
	case 12: // with a great length
		at := s.upTo(len(frame))
		copy(frame[at:], bytes.Repeat([]byte{0xff}, 1+int(s.next())%8))
	}
	return [][]byte{frame}
}

// alarm fails the test if a router reports a panic.
type alarm struct {
	slog.Handler
	t *testing.T
}

func (a alarm) Enabled(context.Context, slog.Level) bool { return true }

func (a alarm) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(attr slog.Attr) bool { text += " " + attr.String(); return true })
	if strings.Contains(text, "panicked") {
		a.t.Error(text)
	}
	return nil
}

// greeting is done when the other has been heard.
type greeting struct{ done bool }

func (g *greeting) Start() ([]mpc.Message, error) {
	return []mpc.Message{{Payload: []byte("hello")}}, nil
}
func (g *greeting) Done() bool { return g.done }
func (g *greeting) Receive(int, uint16, []byte) ([]mpc.Message, error) {
	g.done = true
	return nil, nil
}

// play runs a session of a kind in which the liar follows the script, and checks that
// the victim has kept to its bounds and serves others. It returns whose machines are
// done.
func play(t *testing.T, k kind, data []byte, most int) (done sharing.Parties) {
	synctest.Test(t, func(t *testing.T) {
		st := &stage{lies: &script{data: data}}
		log := slog.New(alarm{slog.DiscardHandler, t})
		machines, logs := make([]mpc.Machine, parties+1), make([]*recall.Log, parties+1)
		for i := 1; i <= parties; i++ {
			r, err := session.New(session.Config{
				Mesh: mesh{st, i}, Parties: parties, PendingFrames: pendingFrames, PendingBytes: pendingBytes, InboxBytes: inboxBytes, Log: log,
			})
			require.NoError(t, err)
			defer r.Close()
			logs[i] = recall.New()
			r.Handle(recall.Method, logs[i].Serve)
			r.Handle("echo", func(_ int, body []byte) ([]byte, error) { return body, nil })
			machines[i], err = k.machine(i)
			require.NoError(t, err)
			st.routers[i] = r
		}
		id, all := session.ID{1}, sharing.AllParties(parties)
		ctx, stop := context.WithCancel(t.Context())
		for i := 1; i <= parties; i++ {
			go func() { _ = st.routers[i].Run(ctx, id, logs[i].Record(id, k.name, all, machines[i])) }()
		}
		synctest.Wait()
		// The liar asks for what it was sent, and is asked.
		go recall.Ask(ctx, st.routers[victim], victim, all, id, recall.Short)
		go recall.Ask(ctx, st.routers[liar], liar, all, id, recall.Short)
		time.Sleep(2 * recall.Short)
		synctest.Wait()

		for i := 1; i <= parties; i++ {
			if machines[i].Done() {
				done = done.With(i)
			}
		}
		require.LessOrEqual(t, sizeOf(machines[victim]), most)
		stats := st.routers[victim].Stats()
		require.LessOrEqual(t, stats.Pending, pendingFrames)
		require.LessOrEqual(t, stats.PendingBytes, pendingBytes)
		require.Zero(t, stats.InboxBytes, "everything was looked at")
		st.requireService(ctx, t)
		stop()
		synctest.Wait()
	})
	return done
}

// requireService fails unless the victim runs a session with another, and answers it.
func (st *stage) requireService(ctx context.Context, t *testing.T) {
	other := st.routers[3]
	ended := make(chan error, 2)
	for _, r := range []*session.Router{st.routers[victim], other} {
		go func() { ended <- r.Run(ctx, session.ID{2}, &greeting{}, session.WithParties(victim, 3)) }()
	}
	answer, err := other.Call(ctx, victim, "echo", []byte("still here"))
	require.NoError(t, err)
	require.Equal(t, "still here", string(answer))
	require.NoError(t, <-ended)
	require.NoError(t, <-ended)
}

// bounds are what the victim's machine of each kind may take, in bytes.
func bounds(t testing.TB) []int {
	var out []int
	for _, k := range allKinds(t) {
		out = append(out, honestRun(t, k).size+slack)
	}
	return out
}

func FuzzAMaliciousParty(f *testing.F) {
	kinds, most := allKinds(f), bounds(f)
	for i := range kinds {
		f.Add(byte(i), []byte{})
		f.Add(byte(i), []byte{2, 0, 9, 1, 5, 3, 8, 9, 10, 1, 2, 12, 0, 60, 7})
		f.Add(byte(i), []byte{1, 1, 1, 3, 0, 99, 4, 1, 2, 3, 11, 2, 11, 3, 6, 0, 4})
		f.Add(byte(i), bytes.Repeat([]byte{2, 0, 40, 7}, 8))
	}
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		i := int(which) % len(kinds)
		play(t, kinds[i], data[:min(len(data), 512)], most[i])
	})
}

func TestTheSameStageWithoutALieEndsEverySession(t *testing.T) {
	kinds, most := allKinds(t), bounds(t)
	for i, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			require.Equal(t, sharing.AllParties(parties), play(t, k, nil, most[i]))
		})
	}
}
