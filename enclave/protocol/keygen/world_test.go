package keygen_test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

var keyID = mpc.Hash("key")

// memory is a Store, a Journal, and Bodies.
type memory struct {
	mu      sync.Mutex
	kept    map[string][]byte
	echoes  map[mpc.Digest][]byte
	bodies  map[tfhe.Component][]byte
	failPut map[string]error
}

func newMemory() *memory {
	return &memory{kept: map[string][]byte{}, echoes: map[mpc.Digest][]byte{}, bodies: map[tfhe.Component][]byte{}, failPut: map[string]error{}}
}

func (m *memory) Put(name string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failPut[name]; err != nil {
		return err
	}
	m.kept[name] = bytes.Clone(data)
	return nil
}

func (m *memory) Get(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.kept[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return bytes.Clone(data), nil
}

func (m *memory) Load(session mpc.Digest, _ uint32) ([]byte, error) { return m.echoes[session], nil }

func (m *memory) Save(session mpc.Digest, _ uint32, echo []byte) error {
	m.echoes[session] = bytes.Clone(echo)
	return nil
}

func (m *memory) WriteBodies(c tfhe.Component, firstWord int64, words []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	size := int64(8)
	if c == tfhe.ComponentSquashing || c == tfhe.ComponentSquashingCompression {
		size = wide.Size
	}
	end := int(firstWord*size) + len(words)
	if b := m.bodies[c]; len(b) < end {
		m.bodies[c] = append(b, make([]byte, end-len(b))...)
	}
	copy(m.bodies[c][firstWord*size:], words)
	return nil
}

// world is an attempt of n parties at a key.
type world struct {
	t          testing.TB
	n          int
	code       *sharing.Code
	parameters tfhe.Parameters
	mode       keygen.Mode
	stepBytes  int
	from       sharing.Parties
	session    func(step int) mpc.Digest
	keys       []*prss.Keys
	sources    []*prss.Source
	identities []*mpc.Identity
	memories   []*memory
	attempts   []*keygen.Attempt
	// network makes the network of a step.
	network func(step int) *mpctest.Network
}

func newWorld(t testing.TB, n, d int, p tfhe.Parameters, mode keygen.Mode) *world {
	t.Helper()
	w := &world{
		t: t, n: n, parameters: p, mode: mode, from: sharing.AllParties(n), keys: mpctest.Keys(t, n, 5), identities: mpctest.Identities(t, n),
		sources: make([]*prss.Source, n+1), memories: make([]*memory, n+1), attempts: make([]*keygen.Attempt, n+1),
		network: func(step int) *mpctest.Network { return &mpctest.Network{Seed: uint64(step)} },
		session: func(step int) mpc.Digest { return mpc.Hash("attempt", []byte(keygen.Protocol(mode, step))) },
	}
	var err error
	if w.code, err = sharing.New(n, sharing.Threshold(n), d); err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= n; i++ {
		w.memories[i] = newMemory()
	}
	w.anotherContext(w.session)
	return w
}

// anotherContext gives the attempt other sessions, and so other randomness.
func (w *world) anotherContext(session func(step int) mpc.Digest) {
	w.t.Helper()
	w.session = session
	for i := 1; i <= w.n; i++ {
		var err error
		if w.sources[i], err = prss.NewSource(w.keys[i], w.code, session(0)); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) config(i int) keygen.Config {
	return keygen.Config{
		Parameters: w.parameters, Mode: w.mode, KeyID: keyID, Source: w.sources[i], Session: w.session, From: w.from,
		Identity: w.identities[i], Journal: w.memories[i], Store: w.memories[i], Bodies: w.memories[i], StepBytes: w.stepBytes,
	}
}

// open makes a party's attempt, as after a restart.
func (w *world) open(i int) {
	w.t.Helper()
	a, err := keygen.New(w.config(i))
	if err != nil {
		w.t.Fatal(err)
	}
	w.attempts[i] = a
}

func (w *world) start() {
	w.t.Helper()
	for _, i := range w.from.List() {
		w.open(i)
	}
}

func (w *world) first() *keygen.Attempt { return w.attempts[w.from.List()[0]] }

// machines makes the machines of a step.
func (w *world) machines(step int) map[int]mpc.Machine {
	w.t.Helper()
	out := map[int]mpc.Machine{}
	for _, i := range w.from.List() {
		m, err := w.attempts[i].Machine(step)
		if err != nil {
			w.t.Fatalf("party %d, step %d: %v", i, step, err)
		}
		out[i] = m
	}
	return out
}

// run runs a step among all parties and finishes it at those of finish.
func (w *world) run(step int, finish sharing.Parties) map[int]mpc.Machine {
	w.t.Helper()
	machines := w.machines(step)
	if err := mpctest.FirstError(w.network(step).Run(machines, w.n)); err != nil {
		w.t.Fatalf("step %d: %v", step, err)
	}
	for _, i := range finish.List() {
		if err := w.attempts[i].Finish(step, machines[i].(keygen.Machine)); err != nil {
			w.t.Fatalf("party %d, step %d: %v", i, step, err)
		}
	}
	return machines
}

// agree lets everybody agree on everybody's digest.
func (w *world) agree() {
	w.t.Helper()
	for _, i := range w.from.List() {
		if err := w.attempts[i].Agree(w.first().Digest()); err != nil {
			w.t.Fatalf("party %d: %v", i, err)
		}
	}
}

// finish runs all steps that are not done.
func (w *world) finish() {
	w.t.Helper()
	for step, s := range w.first().Steps() {
		if !s.Offline && !w.first().Agreed() {
			w.agree()
		}
		w.run(step, w.from)
	}
}

// generate makes a key.
func generate(t testing.TB, n, d int, p tfhe.Parameters, mode keygen.Mode) *world {
	t.Helper()
	w := newWorld(t, n, d, p, mode)
	w.start()
	w.finish()
	return w
}

// file is a key set in memory.
type file struct{ data []byte }

func (f *file) WriteAt(p []byte, at int64) (int, error) { return copy(f.data[at:], p), nil }

// keySet puts a party's bodies together as they are published.
func (w *world) keySet(i int, o tfhe.Object) *tfhe.KeySet {
	w.t.Helper()
	layout, err := w.parameters.Layout(o, w.attempts[i].Seed())
	if err != nil {
		w.t.Fatal(err)
	}
	f := &file{make([]byte, layout.Size())}
	if err := layout.WriteSkeleton(f); err != nil {
		w.t.Fatal(err)
	}
	for c, b := range w.memories[i].bodies {
		if at, ok := layout.Offset(c); ok {
			copy(f.data[at:], b)
		}
	}
	set, err := tfhe.OpenKeySet(io.NewSectionReader(bytes.NewReader(f.data), 0, layout.Size()), layout.Size(), w.parameters)
	if err != nil {
		w.t.Fatal(err)
	}
	return set
}

// secret opens one secret of the key. Only tests may.
func (w *world) secret(s tfhe.Secret) []uint64 {
	w.t.Helper()
	vectors, broad := make([][]uint64, w.n+1), make([][]wide.Word, w.n+1)
	for _, i := range w.from.List() {
		vectors[i], broad[i] = w.attempts[i].Share().Part(s), w.attempts[i].Share().PartWide(s)
	}
	out := make([]uint64, w.parameters.Dimension(s))
	if w.parameters.SecretWidth(s) == 128 {
		values := make([]wide.Word, len(out)*w.code.Degree())
		if i := w.code.OpenAllWide(values, w.code.T(), w.from, broad, 128); i >= 0 {
			w.t.Fatalf("%v: coefficient %d is on no polynomial", s, i)
		}
		for i := range out {
			e := w.code.WideRing().At(values, i)
			out[i] = e[0].Lo
			if e[0].Hi != 0 || slices.ContainsFunc(e[1:], func(x wide.Word) bool { return x != wide.Word{} }) {
				w.t.Fatalf("%v: coefficient %d is no bit", s, i)
			}
		}
	}
	values := make([]uint64, len(out)*w.code.Degree())
	if i := w.code.OpenAll(values, w.code.T(), w.from, vectors, 64); i >= 0 {
		w.t.Fatalf("%v: coefficient %d is on no polynomial", s, i)
	}
	narrow := make([]uint64, len(out))
	if i := w.code.Integers(narrow, values); i >= 0 {
		w.t.Fatalf("%v: coefficient %d is no integer", s, i)
	}
	if w.parameters.SecretWidth(s) == 128 && !slices.Equal(out, narrow) {
		w.t.Fatalf("%v is another secret over R_64", s)
	}
	return narrow
}
