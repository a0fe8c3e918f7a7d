package fault_test

import (
	"container/heap"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/testutil/fault"
)

// What a virtual network is like.
const (
	virtualLatency = 300 * time.Millisecond // at most, each way
	virtualLoss    = 0.05                   // sent again after a round trip and more
	virtualResend  = 200 * time.Millisecond
	virtualLate    = 5 * time.Second
	virtualLives   = 2 * time.Second // of a party that dies: at most
)

// delivery is a message that arrives at a virtual time.
type delivery struct {
	at       time.Duration
	sequence int
	from, to int
	round    uint16
	payload  []byte
}

type deliveries []delivery

func (d deliveries) Len() int      { return len(d) }
func (d deliveries) Swap(i, j int) { d[i], d[j] = d[j], d[i] }
func (d deliveries) Less(i, j int) bool {
	return d[i].at < d[j].at || d[i].at == d[j].at && d[i].sequence < d[j].sequence
}
func (d *deliveries) Push(x any) { *d = append(*d, x.(delivery)) }
func (d *deliveries) Pop() any {
	last := (*d)[len(*d)-1]
	*d = (*d)[:len(*d)-1]
	return last
}

// virtual is n parties on a clock that jumps from message to message, with the weather
// and the faults of a seed. It keeps a hash of all that arrives, when and in which order.
type virtual struct {
	*world
	random     *rand.Rand
	evil       map[int]*fault.Party
	dies       map[int]time.Duration
	queue      deliveries
	last       map[[2]int]time.Duration // links keep their order
	sent       int
	transcript hash.Hash
}

// newVirtual draws at most t faulty parties: each is of a kind, or dies.
func newVirtual(t *testing.T, n int, seed uint64) *virtual {
	v := &virtual{
		world: newWorld(t, n), random: rand.New(rand.NewPCG(seed, 2)), evil: map[int]*fault.Party{}, dies: map[int]time.Duration{},
		transcript: sha256.New(),
	}
	kinds := fault.Kinds()
	for _, at := range v.random.Perm(n)[:v.random.IntN(v.code.T()+1)] {
		if kind := v.random.IntN(len(kinds) + 1); kind == len(kinds) {
			v.dies[at+1] = time.Duration(v.random.Int64N(int64(virtualLives)))
		} else {
			v.evil[at+1] = &fault.Party{Kind: kinds[kind], Delay: 1, Random: rand.New(rand.NewPCG(seed, uint64(at)))}
		}
	}
	return v
}

func (v *virtual) faulty(i int) bool {
	_, dies := v.dies[i]
	return dies || v.evil[i] != nil
}

// play runs machines, those of faulty parties among them, until nothing is on its way.
func (v *virtual) play(session mpc.Digest, machines map[int]mpc.Machine) {
	members := sharing.Parties(0)
	for i := range machines {
		members = members.With(i)
	}
	v.queue, v.last = nil, map[[2]int]time.Duration{}
	failed := map[int]bool{}
	took := func(now time.Duration, i int, out []mpc.Message, err error) {
		failed[i] = failed[i] || err != nil
		v.send(now, i, out)
	}
	for i := 1; i <= v.n; i++ {
		machines[i] = v.evil[i].Wrap(session, members, v.identities[i], machines[i])
		out, err := machines[i].Start()
		took(0, i, out, err)
	}
	for len(v.queue) > 0 {
		d := heap.Pop(&v.queue).(delivery)
		if dead, dies := v.dies[d.to]; failed[d.to] || dies && d.at >= dead {
			continue
		}
		fmt.Fprint(v.transcript, d.at, d.from, d.to, d.round, len(d.payload), " ")
		v.transcript.Write(d.payload)
		out, err := machines[d.to].Receive(d.from, d.round, d.payload)
		took(d.at, d.to, out, err)
	}
}

func (v *virtual) send(now time.Duration, from int, out []mpc.Message) {
	for _, m := range out {
		for to := 1; to <= v.n; to++ {
			if to == from || m.To != mpc.Everyone && m.To != to {
				continue
			}
			latency := time.Duration(1 + v.random.Int64N(int64(virtualLatency)))
			at := now + latency
			for v.random.Float64() < virtualLoss {
				at += 2*latency + virtualResend
			}
			if p := v.evil[from]; p != nil && p.Kind == fault.Late {
				at += virtualLate
			}
			link := [2]int{from, to}
			at = max(at, v.last[link])
			v.last[link] = at
			v.sent++
			heap.Push(&v.queue, delivery{at, v.sent, from, to, m.Round, append([]byte(nil), m.Payload...)})
		}
	}
}

// digest is the hash of all that arrived.
func (v *virtual) digest() string { return fmt.Sprintf("%x", v.transcript.Sum(nil)) }

// runVirtual makes offline items under fire, and decrypts with good ones under fire. All
// honest parties must come to the right values.
func runVirtual(t *testing.T, n int, seed uint64) string {
	t.Helper()
	v := newVirtual(t, n, seed)
	id := mpc.Hash("virtual", binary.BigEndian.AppendUint64(nil, seed))
	offline := mpc.Hash("offline", id[:])
	machines, _ := v.offline(t, offline, sharing.AllParties(n), 2)
	v.play(offline, machines)
	for _, part := range []string{"earlier", "this"} { // something to replay
		online := mpc.Hash(part, id[:])
		blocks, want := v.encrypt(t, 3)
		machines, made := v.online(t, online, blocks, v.stock(t, online, 3))
		v.play(online, machines)
		for i := 1; i <= n; i++ {
			if !v.faulty(i) {
				require.Equal(t, want, made[i].Values(), "seed %d, party %d", seed, i)
			}
		}
	}
	return v.digest()
}

func TestARunOnAVirtualClockIsTheSameBitForBit(t *testing.T) {
	for _, n := range []int{4, 7} {
		seen := map[string]uint64{}
		for seed := range uint64(40) {
			first := runVirtual(t, n, seed)
			require.Equal(t, first, runVirtual(t, n, seed), "n = %d, seed %d", n, seed)
			require.NotContains(t, seen, first, "seed %d is as another", seed)
			seen[first] = seed
		}
	}
}
