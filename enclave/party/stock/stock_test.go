package stock

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// network joins routers in memory; a member that is cut off neither sends nor
// receives.
type network struct {
	mu      sync.Mutex
	cut     map[int]bool
	routers map[int]*session.Router
}

type memoryMesh struct {
	network *network
	self    int
}

func (m memoryMesh) Self() int { return m.self }

func (m memoryMesh) SendBulk(to int, parts ...[]byte) error { return m.Send(to, parts...) }

func (m memoryMesh) Send(to int, parts ...[]byte) error {
	m.network.mu.Lock()
	router, cut := m.network.routers[to], m.network.cut[to] || m.network.cut[m.self]
	m.network.mu.Unlock()
	if router == nil || cut {
		return nil
	}
	frame := slices.Concat(parts...)
	go router.Receive(m.self, frame)
	return nil
}

// sessions runs without recalling what was missed.
type sessions struct{ *session.Router }

func (s sessions) Run(ctx context.Context, id session.ID, among sharing.Parties, machine mpc.Machine, options ...session.Option) error {
	return s.Router.Run(ctx, id, machine, append(options, session.WithParties(among.List()...))...)
}

func (n *network) setCut(member int, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[member] = cut
}

// memoryStore is a Store without a disk.
type memoryStore struct {
	mu      sync.Mutex
	objects map[string][]byte
}

func (s *memoryStore) Put(name string, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[name] = slices.Clone(data)
	return nil
}

func (s *memoryStore) Get(name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.objects[name]), nil
}

func (s *memoryStore) List() ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.objects)), nil
}

func (s *memoryStore) Delete(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, name)
	return nil
}

type member struct {
	stock  *Stock
	store  *memoryStore
	config Config
}

var shape = preproc.Shape{K: 17, W: 5}

func committee(t *testing.T, n int, target uint64) (*network, []*member) {
	return committeeOf(t, n, target, nil)
}

// committeeOf has some batches made on demand.
func committeeOf(t *testing.T, n int, target uint64, onDemand func(number uint64) bool) (*network, []*member) {
	code, err := sharing.New(n, sharing.Threshold(n), sharing.DegreeFor(n))
	require.NoError(t, err)
	keys := mpctest.Keys(t, n, 1)
	identities := mpctest.Identities(t, n)
	net := &network{cut: map[int]bool{}, routers: map[int]*session.Router{}}
	members := make([]*member, n+1)
	for i := 1; i <= n; i++ {
		router, err := session.New(session.Config{Mesh: memoryMesh{net, i}, Parties: n})
		require.NoError(t, err)
		t.Cleanup(router.Close)
		net.routers[i] = router
		m := &member{store: &memoryStore{objects: map[string][]byte{}}}
		m.config = Config{
			ChainID: "test", Epoch: 1, Shape: shape, Code: code, Identity: identities[i], Sessions: sessions{router}, Store: m.store,
			Source: func(generation uint32) (*prss.Source, error) {
				return prss.NewSource(keys[i], code, preproc.Context(mpctest.Epoch, generation))
			},
			Target: target, OnDemand: onDemand, Patience: 200 * time.Millisecond,
		}
		m.stock, err = New(m.config)
		require.NoError(t, err)
		members[i] = m
	}
	return net, members
}

func start(t *testing.T, members []*member, generation uint32, active sharing.Parties) {
	for _, m := range members[1:] {
		m.stock.Assigned(0)
		m.stock.SetMembers(generation, active)
		run(t, m.stock)
	}
}

func run(t *testing.T, s *Stock) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

func take(t *testing.T, m *member, first uint64, count int) []*preproc.Batch {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	newest, _, err := m.stock.Await(ctx, Range{first, count})
	require.NoError(t, err)
	pieces, err := m.stock.Cut(newest, Range{first, count})
	require.NoError(t, err)
	return pieces
}

// requireBits opens bit 0 of every item of a range and demands zeros and ones.
func requireBits(t *testing.T, members []*member, from sharing.Parties, first uint64, count int) {
	code := members[1].config.Code
	d := code.Degree()
	vectors := make([][]uint64, code.N()+1)
	for _, i := range from.List() {
		for _, piece := range take(t, members[i], first, count) {
			vectors[i] = append(vectors[i], piece.Bits(0)...)
		}
	}
	values := make([]uint64, count*d)
	require.Equal(t, -1, code.OpenAll(values, code.T(), from, vectors, shape.K))
	ones := 0
	for i := range count {
		require.LessOrEqual(t, values[i*d], uint64(1))
		ones += int(values[i*d])
	}
	require.NotZero(t, ones)
	require.NotEqual(t, count, ones)
}

func TestMembersKeepTheSameStockAhead(t *testing.T) {
	_, members := committee(t, 4, 1000)
	start(t, members, 1, sharing.AllParties(4))
	requireBits(t, members, sharing.AllParties(4), BatchItems-10, 20)
	for _, m := range members[1:] {
		require.Eventually(t, func() bool { return m.stock.Available() >= 1000 }, time.Minute, time.Millisecond)
	}
}

func TestASingleMemberNeedsNobody(t *testing.T) {
	_, members := committee(t, 1, 100)
	start(t, members, 1, sharing.AllParties(1))
	take(t, members[1], 0, 1)
}

func TestASilentMemberIsReportedAndItsReturnNeedsNoHelp(t *testing.T) {
	net, members := committee(t, 4, 1)
	net.setCut(3, true)
	start(t, members, 1, sharing.AllParties(4))
	for _, i := range []int{1, 2, 4} {
		require.Eventually(t, func() bool { return members[i].stock.Missing(1) == sharing.PartiesOf(3) }, time.Minute, time.Millisecond)
		require.Zero(t, members[i].stock.Missing(2), "what was found under another set of members")
	}
	without := sharing.PartiesOf(1, 2, 4)
	for _, i := range []int{1, 2, 4} {
		members[i].stock.SetMembers(2, without)
	}
	requireBits(t, members, without, 0, BatchItems)
	for _, i := range []int{1, 2, 4} {
		require.Eventually(t, func() bool { return members[i].stock.Missing(2) == 0 }, time.Minute, time.Millisecond)
	}

	net.setCut(3, false)
	for _, m := range members[1:] {
		m.stock.SetMembers(3, sharing.AllParties(4))
		m.stock.Assigned(BatchItems)
	}
	members[3].stock.Hold("open request", 0, BatchItems)
	requireBits(t, members, sharing.AllParties(4), 0, 2*BatchItems)
}

// forget makes a member lose a batch.
func (m *member) forget(number uint64) {
	m.stock.mu.Lock()
	defer m.stock.mu.Unlock()
	delete(m.stock.batches, number)
}

func TestABatchThatOnlyOneMemberFinishedIsMadeAgainWithTheNewSet(t *testing.T) {
	net, members := committee(t, 4, 1)
	start(t, members, 1, sharing.AllParties(4))
	for _, m := range members[1:] {
		take(t, m, 0, 1)
	}
	// Alice alone has batch 1, as if the others had missed the last echo.
	net.setCut(1, true)
	for _, m := range members[2:] {
		m.stock.SetMembers(2, sharing.PartiesOf(2, 3, 4))
		m.stock.Assigned(BatchItems)
	}
	raw := take(t, members[2], BatchItems, BatchItems)[0].Opened()
	batch, err := members[1].stock.rebuild(1, opening{2, raw})
	require.NoError(t, err)
	require.NoError(t, members[1].stock.add(1, batch))
	members[2].forget(1)
	members[3].forget(1)
	net.setCut(1, false)
	net.setCut(4, true)
	for _, m := range members[1:] {
		m.stock.Assigned(BatchItems)
		m.stock.SetMembers(3, sharing.PartiesOf(1, 2, 3))
	}
	for _, m := range members[1:4] {
		require.Eventually(t, func() bool { g, held := m.newest(1); return held && g == 3 }, time.Minute, time.Millisecond)
	}
	requireBits(t, members, sharing.PartiesOf(1, 2, 3), BatchItems, BatchItems)
}

func TestWhoHasFinishedABatchIsNotSilent(t *testing.T) {
	all, rest := sharing.AllParties(4), sharing.PartiesOf(2, 3, 4)
	_, before := committee(t, 4, 1)
	start(t, before, 1, all)
	finished := take(t, before[4], 0, BatchItems)[0].Opened()
	// Dave alone has the batch: bob and carol were restarted before they had it, and
	// alice is gone.
	net, members := committee(t, 4, 1)
	batch, err := members[4].stock.rebuild(0, opening{1, finished})
	require.NoError(t, err)
	require.NoError(t, members[4].stock.add(0, batch))
	net.setCut(1, true)
	start(t, members, 1, all)
	for _, m := range members[2:4] {
		require.Eventually(t, func() bool { return m.stock.Missing(1) == sharing.PartiesOf(1) }, time.Minute, time.Millisecond)
	}
	for _, m := range members[2:] {
		m.stock.SetMembers(2, rest)
	}
	for _, m := range members[2:] {
		require.Eventually(t, func() bool { g, held := m.newest(0); return held && g == 2 }, time.Minute, time.Millisecond)
	}
	requireBits(t, members, rest, 0, BatchItems)
}

func (m *member) newest(number uint64) (uint32, bool) {
	m.stock.mu.Lock()
	defer m.stock.mu.Unlock()
	return m.stock.newest(number)
}

func TestGenerationsShareNoMasksAndRequestsChooseAmongThem(t *testing.T) {
	_, members := committee(t, 4, BatchItems+1)
	all := sharing.AllParties(4)
	start(t, members, 1, all)
	for _, m := range members[1:] {
		take(t, m, BatchItems, 1)
		take(t, m, 0, 1)
	}
	alice := members[1].stock
	ranges := []Range{{BatchItems - 2, 4}, {7, 1}}
	versions, _, err := alice.Versions(ranges...)
	require.NoError(t, err)
	require.Len(t, versions, 1)
	first := versions[0]
	before, err := alice.Cut(first, ranges...)
	require.NoError(t, err)
	for _, m := range members[1:] {
		m.stock.SetMembers(2, all)
	}
	for _, m := range members[1:] {
		for number := range uint64(2) {
			require.Eventually(t, func() bool { g, _ := m.newest(number); return g == 2 }, time.Minute, time.Millisecond)
		}
	}
	versions, _, err = alice.Versions(ranges...)
	require.NoError(t, err)
	require.Len(t, versions, 2)
	require.Equal(t, first, versions[1])
	after, err := alice.Cut(versions[0], ranges...)
	require.NoError(t, err)
	again, err := alice.Cut(first, ranges...)
	require.NoError(t, err)
	require.Len(t, after, 3)
	for i := range after {
		require.NotEqual(t, before[i].Context(), after[i].Context())
		require.NotEqual(t, before[i].Bits(0), after[i].Bits(0))
		require.Equal(t, before[i].Bits(0), again[i].Bits(0))
	}
	requireBits(t, members, all, 0, BatchItems)

	// Bob lost what the first generation made: items are had as of the second only.
	bob := members[2].stock
	bob.mu.Lock()
	bob.batches[0] = bob.batches[0][1:]
	bob.mu.Unlock()
	versions, _, err = bob.Versions(ranges...)
	require.NoError(t, err)
	require.Len(t, versions, 1)
	_, err = bob.Cut(first, ranges...)
	require.ErrorIs(t, err, ErrMissing)

	// A third generation leaves no room for the first.
	for _, m := range members[1:] {
		m.stock.SetMembers(3, all)
	}
	require.Eventually(t, func() bool { g, _ := members[1].newest(0); return g == 3 }, time.Minute, time.Millisecond)
	names, err := members[1].store.List()
	require.NoError(t, err)
	require.NotContains(t, names, fmt.Sprintf(batchName, 0, 1))
	require.Contains(t, names, fmt.Sprintf(batchName, 0, 2))
}

func TestAStockSurvivesARestartAndNoOneElseReadsIt(t *testing.T) {
	_, members := committee(t, 4, 1)
	start(t, members, 1, sharing.AllParties(4))
	before := take(t, members[2], 0, 5)[0]
	again, err := New(members[2].config)
	require.NoError(t, err)
	newest, atOnce, err := again.Await(t.Context(), Range{0, 5})
	require.NoError(t, err)
	require.True(t, atOnce)
	after, err := again.Cut(newest, Range{0, 5})
	require.NoError(t, err)
	require.Equal(t, before.Bits(3), after[0].Bits(3))

	foreign := members[3].config
	foreign.Store = &memoryStore{objects: maps.Clone(members[2].store.objects)}
	stranger, err := New(foreign)
	require.NoError(t, err)
	require.Empty(t, stranger.batches)
	names, err := foreign.Store.List()
	require.NoError(t, err)
	require.NotContains(t, names, fmt.Sprintf(batchName, 0, 1), "what cannot be used is not kept")
}

func TestADamagedBatchIsMadeAgainAndTheOthersStay(t *testing.T) {
	_, members := committee(t, 1, BatchItems+1)
	m := members[1]
	start(t, members, 1, sharing.AllParties(1))
	take(t, m, BatchItems, 1)
	take(t, m, 0, 1)
	_, restarted := committee(t, 1, BatchItems+1)
	config := restarted[1].config
	config.Store = &memoryStore{objects: maps.Clone(m.store.objects)}
	require.NoError(t, config.Store.Put(fmt.Sprintf(batchName, 0, 1), []byte("damaged")))
	again, err := New(config)
	require.NoError(t, err)
	require.Empty(t, again.batches[0])
	require.NotEmpty(t, again.batches[1])
	again.Assigned(0)
	again.SetMembers(1, sharing.AllParties(1))
	run(t, again)
	_, _, err = again.Await(t.Context(), Range{0, 1})
	require.NoError(t, err)
}

func TestABatchIsErasedWhenItsLastRequestIsClosed(t *testing.T) {
	_, members := committee(t, 1, 1)
	start(t, members, 1, sharing.AllParties(1))
	m := members[1]
	take(t, m, 0, 1)
	m.stock.Hold("first", 0, 100)
	m.stock.Hold("second", 100, BatchItems+1)
	take(t, m, BatchItems, 1)
	m.stock.Release("first")
	require.Contains(t, m.store.objects, fmt.Sprintf(batchName, 0, 1), "the second request still needs it")
	m.stock.Release("second")
	names, err := m.store.List()
	require.NoError(t, err)
	require.NotContains(t, names, fmt.Sprintf(batchName, 0, 1))
	require.Contains(t, names, fmt.Sprintf(batchName, 1, 1), "items that are not assigned stay")
}

func TestNothingIsMadeBeforeItIsKnownWhatIsOver(t *testing.T) {
	_, members := committee(t, 1, 1)
	m := members[1]
	m.stock.Hold("request", BatchItems, BatchItems+1)
	m.stock.SetMembers(1, sharing.AllParties(1))
	m.stock.mu.Lock()
	_, wanted := m.stock.claimNew()
	m.stock.mu.Unlock()
	require.False(t, wanted, "a batch that is over is not made again")
	m.stock.Assigned(5 * BatchItems)
	m.stock.mu.Lock()
	number, wanted := m.stock.claimNew()
	m.stock.mu.Unlock()
	require.True(t, wanted)
	require.EqualValues(t, 1, number)
}

func TestALiarVouchesOnce(t *testing.T) {
	_, working := committee(t, 4, 1)
	start(t, working, 1, sharing.AllParties(4))
	batch := take(t, working[1], 0, BatchItems)[0]
	_, members := committee(t, 4, 1) // they make nothing
	liar := members[2].stock
	liar.mu.Lock()
	liar.batches[0] = []made{{7, batch}, {7, batch}}
	liar.mu.Unlock()
	_, err := members[1].stock.catchUp(t.Context(), 0)
	require.ErrorIs(t, err, ErrDisagree)
	another := members[3].stock
	another.mu.Lock()
	another.batches[0] = []made{{7, batch}}
	another.mu.Unlock()
	got, err := members[1].stock.catchUp(t.Context(), 0)
	require.NoError(t, err)
	require.EqualValues(t, 7, got.generation)
}

func TestStrangeRequestsForBatchesAreRefused(t *testing.T) {
	_, members := committee(t, 1, 1)
	for _, body := range [][]byte{nil, make([]byte, 11), make([]byte, 13)} {
		_, err := members[1].stock.serveOpened(2, body)
		require.ErrorIs(t, err, ErrRequest)
	}
	_, err := members[1].stock.serveOpened(2, make([]byte, 12))
	require.ErrorIs(t, err, ErrMissing)
	for _, r := range []Range{{^uint64(0), 2}, {5, 0}, {5, -1}} {
		_, _, err = members[1].stock.Await(t.Context(), r)
		require.ErrorIs(t, err, ErrRange)
	}
	name := fmt.Sprintf(batchName, 258, 3)
	require.Equal(t, "batch-0000000000000102-00000003", name)
	number, generation, ok := parseName(name)
	require.True(t, ok)
	require.EqualValues(t, 258, number)
	require.EqualValues(t, 3, generation)
	for _, strange := range []string{name + ".part", name[:len(name)-1], "echo" + name[5:]} {
		_, _, ok := parseName(strange)
		require.False(t, ok, strange)
	}
}

func FuzzParseOpenings(f *testing.F) {
	f.Add(appendOpening(appendOpening(nil, opening{1, []byte("values")}), opening{2, nil}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		list, err := parseOpenings(raw)
		if err != nil {
			require.ErrorIs(t, err, ErrRequest)
			return
		}
		var again []byte
		for _, o := range list {
			again = appendOpening(again, o)
		}
		require.Equal(t, len(raw), len(again))
		require.True(t, bytes.Equal(raw, again))
	})
}
