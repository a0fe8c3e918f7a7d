package recall

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// speaker sends one message to everybody and answers bob, party 2, alone.
type speaker struct{}

func (speaker) Start() ([]mpc.Message, error) {
	return []mpc.Message{{Round: 0, Payload: []byte("to all")}}, nil
}

func (speaker) Receive(int, uint16, []byte) ([]mpc.Message, error) {
	return []mpc.Message{{To: 2, Round: 1, Payload: []byte("to bob")}}, nil
}

func (speaker) Done() bool { return false }

var id = session.ID{1, 2, 3}

func spoken(t *testing.T) *Log {
	t.Helper()
	log := New()
	machine := log.Record(id, "request", sharing.PartiesOf(1, 2, 3), speaker{})
	_, err := machine.Start()
	require.NoError(t, err)
	_, err = machine.Receive(2, 0, nil)
	require.NoError(t, err)
	return log
}

func TestAMemberGetsAgainWhatItWasSentAndNothingElse(t *testing.T) {
	log := spoken(t)
	for peer, want := range map[int][]mpc.Message{
		2: {{Round: 0, Payload: []byte("to all")}, {To: 2, Round: 1, Payload: []byte("to bob")}},
		3: {{Round: 0, Payload: []byte("to all")}},
	} {
		raw, err := log.Serve(peer, id[:])
		require.NoError(t, err)
		got, err := Decode(raw)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := log.Serve(4, id[:])
	require.ErrorIs(t, err, ErrUnknown, "a stranger to the session")
	_, err = log.Serve(2, id[:31])
	require.ErrorIs(t, err, ErrRequest)
	_, err = log.Serve(2, make([]byte, 32))
	require.ErrorIs(t, err, ErrUnknown)
}

func TestWhatWasSentIsForgottenWithItsOwner(t *testing.T) {
	log := spoken(t)
	log.Drop("another request")
	_, err := log.Serve(2, id[:])
	require.NoError(t, err)
	log.Drop("request")
	_, err = log.Serve(2, id[:])
	require.ErrorIs(t, err, ErrUnknown)
}

func TestWhatIsForgottenTheOwnerMakesAgain(t *testing.T) {
	log := spoken(t)
	asked := 0
	log.Provide("request", func(wanted session.ID, peer int) []mpc.Message {
		asked++
		if wanted != id || peer != 3 {
			return nil
		}
		return []mpc.Message{{Payload: []byte("again")}, {To: 2, Payload: []byte("not to carol")}}
	})
	_, err := log.Serve(3, id[:])
	require.NoError(t, err)
	require.Zero(t, asked, "what is remembered is not made again")
	log.Forget(id)
	raw, err := log.Serve(3, id[:])
	require.NoError(t, err)
	got, err := Decode(raw)
	require.NoError(t, err)
	require.Equal(t, []mpc.Message{{Payload: []byte("again")}}, got)
	_, err = log.Serve(2, id[:])
	require.ErrorIs(t, err, ErrUnknown)
	log.Drop("request")
	_, err = log.Serve(3, id[:])
	require.ErrorIs(t, err, ErrUnknown)
}

func TestWhatAnEarlierProcessSentIsHandedOutUnlessThisOneSentIt(t *testing.T) {
	messages := []mpc.Message{{Payload: []byte("before")}, {To: 2, Payload: []byte("to bob")}}
	log := New()
	log.Restore(id, "set-up", sharing.PartiesOf(1, 2, 3), messages)
	raw, err := log.Serve(3, id[:])
	require.NoError(t, err)
	require.Equal(t, Encode(messages[:1]), raw)
	log = spoken(t)
	log.Restore(id, "set-up", sharing.PartiesOf(1, 2, 3), messages)
	raw, err = log.Serve(3, id[:])
	require.NoError(t, err)
	require.NotEqual(t, Encode(messages[:1]), raw)
}

// peers answer calls from Logs and collect what is delivered.
type peers struct {
	logs      map[int]*Log
	self      int
	delivered chan [2]int // sender and round
}

func (p peers) Call(_ context.Context, peer int, method string, body []byte) ([]byte, error) {
	if method != Method || p.logs[peer] == nil {
		return nil, session.ErrUnknownMethod
	}
	return p.logs[peer].Serve(p.self, body)
}

func (p peers) Deliver(from int, _ session.ID, round uint16, _ []byte) {
	p.delivered <- [2]int{from, int(round)}
}

func TestASlowSessionAsksTheOthersUntilItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		p := peers{logs: map[int]*Log{1: spoken(t)}, self: 2, delivered: make(chan [2]int, 64)}
		done := make(chan struct{})
		go func() { defer close(done); Ask(ctx, p, 2, sharing.PartiesOf(1, 2, 3), id, Short) }()
		for range 2 {
			require.Equal(t, [2]int{1, 0}, <-p.delivered)
			require.Equal(t, [2]int{1, 1}, <-p.delivered)
		}
		stop()
		<-done
	})
}

func TestAListOfTooManyEmptyMessagesIsRefused(t *testing.T) {
	messages := make([]mpc.Message, maxMessages)
	_, err := Decode(Encode(messages))
	require.NoError(t, err)
	_, err = Decode(Encode(append(messages, mpc.Message{})))
	require.ErrorIs(t, err, ErrEncoding)
}

func FuzzDecode(f *testing.F) {
	f.Add(Encode([]mpc.Message{{Round: 1, Payload: []byte("x")}, {To: 3, Round: 2}}))
	f.Add([]byte{0, 0, 0, 0xff, 0xff, 0xff, 0xff})
	f.Add(slices.Repeat([]byte{0}, 6))
	f.Fuzz(func(t *testing.T, raw []byte) {
		messages, err := Decode(raw)
		if err != nil {
			require.ErrorIs(t, err, ErrEncoding)
			return
		}
		require.True(t, bytes.Equal(raw, Encode(messages)))
	})
}
