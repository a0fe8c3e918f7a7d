package hostile

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
)

// slack is what a machine may keep for a liar, in bytes, beyond what it keeps when all
// are honest.
const slack = 64 << 10

// honest is a run without faults: the victim's machine, and what the liar sent to it.
type honest struct {
	machine mpc.Machine
	size    int
	sent    int
	heard   []mpctest.Envelope
}

func honestRun(t testing.TB, k kind) honest {
	t.Helper()
	machines := map[int]mpc.Machine{}
	for i := 1; i <= parties; i++ {
		m, err := k.machine(i)
		require.NoError(t, err)
		machines[i] = m
	}
	out := honest{machine: machines[victim]}
	network := mpctest.Network{Tap: func(e mpctest.Envelope) []mpctest.Envelope {
		if e.From == liar && e.To == victim {
			kept := e
			kept.Payload = bytes.Clone(e.Payload)
			out.heard = append(out.heard, kept)
		}
		return []mpctest.Envelope{e}
	}}
	require.NoError(t, mpctest.FirstError(network.Run(machines, parties)))
	out.size, out.sent = sizeOf(out.machine), network.Bytes[victim]
	return out
}

// flood sends a machine everything that a liar may think of: each round with nothing,
// with bytes of many lengths, and with its honest messages altered, cut and extended.
// It returns the bytes that the machine sent because of it.
func flood(t *testing.T, m mpc.Machine, heard []mpctest.Envelope) (sent int) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	deliver := func(round uint16, payload []byte) {
		out, _ := m.Receive(liar, round, payload) // an error ends the session, which floods on all the same
		for _, message := range out {
			sent += len(message.Payload)
		}
	}
	// First what is well formed: some machines hear no more of who was not.
	for i := range 64 {
		for _, e := range heard {
			payload := bytes.Clone(e.Payload)
			if len(payload) > 0 {
				payload[random.IntN(len(payload))] ^= byte(1 + i)
			}
			deliver(e.Round, payload)
		}
	}
	for _, round := range []uint16{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 100, 65535} {
		for _, size := range []int{0, 1, 31, 32, 64, 96, 1000, 1 << 20} {
			for range 8 {
				payload := make([]byte, size)
				for j := range min(size, 256) {
					payload[j] = byte(random.Uint32())
				}
				deliver(round, payload)
			}
		}
		for _, e := range heard {
			for i := range 16 {
				payload := bytes.Clone(e.Payload)
				if len(payload) > 0 {
					payload[random.IntN(len(payload))] ^= byte(1 + i)
				}
				deliver(round, payload)
				deliver(round, payload[:random.IntN(len(payload)+1)])
				deliver(round, append(payload, binary.BigEndian.AppendUint64(nil, random.Uint64())...))
				deliver(e.Round, bytes.Clone(e.Payload))
			}
		}
	}
	return sent
}

// hoarder keeps and answers everything.
type hoarder struct{ kept map[int][][]byte }

func (h *hoarder) Start() ([]mpc.Message, error) { return nil, nil }
func (h *hoarder) Done() bool                    { return false }
func (h *hoarder) Receive(from int, _ uint16, payload []byte) ([]mpc.Message, error) {
	h.kept[from] = append(h.kept[from], payload)
	return []mpc.Message{{Payload: payload}}, nil
}

func TestAMachineThatGrowsAndAnswersIsFound(t *testing.T) {
	h := &hoarder{kept: map[int][][]byte{}}
	require.Greater(t, flood(t, h, nil), 2*slack)
	require.Greater(t, sizeOf(h), 2*slack)
}

func TestNoMachineGrowsOrAnswersWithoutBoundUnderAFlood(t *testing.T) {
	for _, k := range allKinds(t) {
		t.Run(k.name, func(t *testing.T) {
			quiet := honestRun(t, k)
			for name, start := range map[string]func() mpc.Machine{
				"before it begins": func() mpc.Machine {
					m, err := k.machine(victim)
					require.NoError(t, err)
					return m
				},
				"when it waits": func() mpc.Machine {
					m, err := k.machine(victim)
					require.NoError(t, err)
					_, err = m.Start()
					require.NoError(t, err)
					return m
				},
				"when it is done": func() mpc.Machine { return quiet.machine },
			} {
				m := start()
				sent := flood(t, m, quiet.heard)
				require.LessOrEqual(t, sizeOf(m), quiet.size+slack, name)
				require.LessOrEqual(t, sent, 2*quiet.sent+slack, name)
			}
		})
	}
}
