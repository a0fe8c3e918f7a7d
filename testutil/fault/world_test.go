package fault_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/testutil/dealer"
)

var small = preproc.Shape{K: 6, W: 3}

// world is n parties with the keys of an epoch and shares of a dealt key.
type world struct {
	n          int
	code       *sharing.Code
	keys       []*prss.Keys
	identities []*mpc.Identity
	secret     []uint64
	shares     []*decrypt.Key
	next       uint64
	random     *rand.Rand
}

func newWorld(t testing.TB, n int) *world {
	t.Helper()
	w := &world{n: n, keys: mpctest.Keys(t, n, 1), identities: mpctest.Identities(t, n), shares: make([]*decrypt.Key, n+1), random: rand.New(rand.NewPCG(1, uint64(n)))}
	var err error
	w.code, err = sharing.New(n, sharing.Threshold(n), sharing.DegreeFor(n))
	require.NoError(t, err)
	w.secret = make([]uint64, 4)
	for i := range w.secret {
		w.secret[i] = w.random.Uint64() & 1
	}
	shares, err := dealer.Deal(rand.NewChaCha8([32]byte{}), n, w.code.T(), w.code.Degree(), w.secret)
	require.NoError(t, err)
	for i, s := range shares {
		w.shares[i+1], err = decrypt.NewKey(w.code, small, s)
		require.NoError(t, err)
	}
	return w
}

func (w *world) source(t testing.TB, i int, context mpc.Digest) *prss.Source {
	t.Helper()
	s, err := prss.NewSource(w.keys[i], w.code, context)
	require.NoError(t, err)
	return s
}

// encrypt returns blocks without noise whose values are returned, too.
func (w *world) encrypt(t testing.TB, count int) (*decrypt.LWEs, []uint64) {
	t.Helper()
	var data, values []uint64
	for range count {
		v := w.random.Uint64N(1 << small.W)
		values = append(values, v)
		body := v << (64 - small.W)
		for _, s := range w.secret {
			a := w.random.Uint64()
			data = append(data, a)
			body += a * s
		}
		data = append(data, body)
	}
	blocks, err := decrypt.NewLWEs(len(w.secret), data)
	require.NoError(t, err)
	return blocks, values
}

// offline makes the machines of a batch for the members of from, without running
// them.
func (w *world) offline(t testing.TB, session mpc.Digest, from sharing.Parties, count int) (map[int]mpc.Machine, []*preproc.Machine) {
	t.Helper()
	machines, made := map[int]mpc.Machine{}, make([]*preproc.Machine, w.n+1)
	for _, i := range from.List() {
		m, err := preproc.NewBatch(preproc.Config{
			Source: w.source(t, i, session), Session: session, From: from, Identity: w.identities[i],
		}, small, w.next, count)
		require.NoError(t, err)
		machines[i], made[i] = m, m
	}
	w.next += uint64(count)
	return machines, made
}

// stock makes items without any fault, as encodings: a batch is used once.
func (w *world) stock(t testing.TB, session mpc.Digest, count int) [][]byte {
	t.Helper()
	machines, made := w.offline(t, session, sharing.AllParties(w.n), count)
	var network mpctest.Network
	require.NoError(t, mpctest.FirstError(network.Run(machines, w.n)))
	raw := make([][]byte, w.n+1)
	for i := 1; i <= w.n; i++ {
		b, err := preproc.FromMachine(made[i], small)
		require.NoError(t, err)
		raw[i], err = b.MarshalBinary()
		require.NoError(t, err)
	}
	return raw
}

// online makes the machines of a decryption.
func (w *world) online(t testing.TB, session mpc.Digest, blocks decrypt.Blocks, stock [][]byte) (map[int]mpc.Machine, []*decrypt.Machine) {
	t.Helper()
	return w.decrypt(t, session, blocks, stock, func(int) *prss.Source { return nil })
}

// keeping is online for a decryption that ends with shares.
func (w *world) keeping(t testing.TB, session mpc.Digest, blocks decrypt.Blocks, stock [][]byte) (map[int]mpc.Machine, []*decrypt.Machine) {
	t.Helper()
	return w.decrypt(t, session, blocks, stock, func(i int) *prss.Source { return w.source(t, i, session) })
}

func (w *world) decrypt(t testing.TB, session mpc.Digest, blocks decrypt.Blocks, stock [][]byte, keep func(i int) *prss.Source) (map[int]mpc.Machine, []*decrypt.Machine) {
	t.Helper()
	machines, made := map[int]mpc.Machine{}, make([]*decrypt.Machine, w.n+1)
	for i := 1; i <= w.n; i++ {
		b, err := preproc.UnmarshalBatch(stock[i])
		require.NoError(t, err)
		phases, err := w.shares[i].Phases(blocks)
		require.NoError(t, err)
		made[i], err = decrypt.New(decrypt.Config{
			Code: w.code, Self: i, Session: session, Identity: w.identities[i], Phases: []*decrypt.Phases{phases}, Stock: []*preproc.Batch{b}, Keep: keep(i),
		})
		require.NoError(t, err)
		machines[i] = made[i]
	}
	return machines, made
}
