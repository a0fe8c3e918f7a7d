package party

import (
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/recall"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// steps returns what a party has kept of the steps of attempts, by their names.
func (w *world) steps(i int) map[string]seal.Object {
	w.t.Helper()
	objects, err := w.nodes[i].store.List()
	require.NoError(w.t, err)
	out := map[string]seal.Object{}
	for _, o := range objects {
		if name := strings.SplitN(o.Key, "-", 3); o.Kind == kindKeyStep && name[2] != "agreed" && name[2] != publishedName {
			out[name[2]] = o
		}
	}
	return out
}

// begun waits until a party has done a step of a stage.
func (w *world) begun(i int, stage keygen.Stage) {
	w.t.Helper()
	w.eventually("a step of "+stage.String(), func() bool {
		for name := range w.steps(i) {
			if strings.HasPrefix(name, stage.String()+"/") {
				return true
			}
		}
		return false
	})
}

// files returns what is in a folder of a party.
func (w *world) files(i int, folder string) (names []string) {
	w.t.Helper()
	err := filepath.WalkDir(filepath.Join(w.nodes[i].folder, folder), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, d.Name())
		}
		return err
	})
	require.NoError(w.t, err)
	return names
}

// requireOnlyTheKey waits until nothing of any attempt is left at the parties but the
// files of a key.
func (w *world) requireOnlyTheKey(id []byte) {
	w.t.Helper()
	material := w.key(id).Material
	want := []string{hex.EncodeToString(material.PublicKeyDigest)}
	for _, o := range material.Objects {
		want = append(want, hex.EncodeToString(o.Digest))
	}
	for _, n := range w.nodes[1:] {
		w.eventually("nothing is left", func() bool {
			objects, err := n.store.List()
			require.NoError(w.t, err)
			return len(w.files(n.index, "keys")) == 0 && !slices.ContainsFunc(objects, func(o seal.Object) bool { return o.Kind == kindKeyStep })
		})
		require.ElementsMatch(w.t, want, w.files(n.index, "vault"))
	}
}

// lives notes the sessions that parties ran in each of their lives.
type lives struct {
	mu  sync.Mutex
	ran [][]map[mpc.Digest]bool // by party and life
}

// note has the next lives of all parties noted; those of before are not.
func (l *lives) note(w *world) {
	l.ran = make([][]map[mpc.Digest]bool, len(w.nodes))
	for i, n := range w.nodes[1:] {
		i++
		n.wrap = func(session mpc.Digest, _ sharing.Parties, _ *mpc.Identity, machine mpc.Machine) mpc.Machine {
			l.mu.Lock()
			defer l.mu.Unlock()
			if last := len(l.ran[i]) - 1; last >= 0 {
				l.ran[i][last][session] = true
			}
			return machine
		}
	}
}

// begin begins a life of a party.
func (l *lives) begin(i int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ran[i] = append(l.ran[i], map[mpc.Digest]bool{})
}

// repeated counts the sessions of a party's life that it had run in the one before.
func (l *lives) repeated(i, life int) (count int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.ran[i][life] {
		if l.ran[i][life-1][id] {
			count++
		}
	}
	return count
}

func (l *lives) sessions(i, life int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.ran[i][life])
}

func TestPartiesGoOnWithAKeyWhereTheyWereStopped(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.set = smallSet
	var l lives
	l.note(w)
	w.activeEpoch()
	for i := range w.nodes[1:] {
		l.begin(i + 1)
	}
	before := w.height()
	w.wait(5) // a party takes a seat at the first height, and work at the next
	id := w.requestKey()

	// All of them in the middle of the noise; to party 3 something is lost, too.
	done := make([]int, 5)
	for i := 1; i <= 4; i++ {
		w.begun(i, keygen.StageNoise)
	}
	for i := 1; i <= 4; i++ {
		w.stop(i)
		done[i] = len(w.steps(i))
		l.begin(i)
	}
	w.damage(3, w.steps(3)["noise/0"])
	done[3]--
	w.chain.setFirst(before) // where nothing is known of the key
	w.startAll()

	// One of them in the middle of the rows.
	w.begun(2, keygen.StageRows)
	w.stop(2)
	rows := len(w.steps(2))
	l.begin(2)
	w.chain.setFirst(w.height())
	w.start(2)

	w.eventually("the key is active", func() bool { return w.key(id).Status == kmstypes.KEY_STATUS_ACTIVE })
	require.EqualValues(t, 1, w.key(id).Attempt)
	for i := 1; i <= 4; i++ {
		w.eventually("the share", func() bool { return w.holds(i, id) })
		require.Equal(t, l.sessions(i, 0)-done[i], l.repeated(i, 1), "steps that party %d did again", i)
	}
	require.Less(t, l.repeated(2, 2), rows)
	w.requireOnlyTheKey(id)
	w.requireValues(w.decrypt(id, w.encrypt(w.publicKey(id), tfhe.EUint16, number(4711))), number(4711))
}

// damage changes a sealed object on the disk.
func (w *world) damage(i int, o seal.Object) {
	w.t.Helper()
	name := o.Kind + "." + "*" + "." + hex.EncodeToString([]byte(o.Key)) + ".*"
	found, err := filepath.Glob(filepath.Join(w.nodes[i].folder, "sealed", name))
	require.NoError(w.t, err)
	require.Len(w.t, found, 1)
	raw, err := os.ReadFile(found[0])
	require.NoError(w.t, err)
	raw[len(raw)/2] ^= 1
	require.NoError(w.t, os.WriteFile(found[0], raw, 0o600))
}

func TestOnlyMembersOfAnAttemptAreSentAFinishedStepAgain(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.activeEpoch()
	w.chain.setAlter(func(msg sdk.Msg) sdk.Msg {
		if _, ok := msg.(*kmstypes.MsgCommitKeyEcho); ok {
			return nil // the other steps are not to begin
		}
		return msg
	})
	id := w.requestKey()
	w.eventually("the secrets are done", func() bool { return len(w.steps(1)) > 0 })
	key := w.key(id)
	s := w.nodes[1].party.seatOf(key.EpochId)
	step := func(attempt uint32, number int) []byte {
		of := key
		of.Attempt = attempt
		id := s.keySession(&of, w.set, sharing.AllParties(4), keygen.Protocol(keygen.Exact, number)).ID()
		return id[:]
	}
	for peer := 2; peer <= 4; peer++ {
		w.eventually("the vector and the ECHO, made again", func() bool {
			s.sent.Forget(session.ID(step(1, 0)))
			raw, err := s.sent.Serve(peer, step(1, 0))
			if err != nil {
				return false
			}
			messages, err := recall.Decode(raw)
			require.NoError(t, err)
			return len(messages) == 2
		})
	}
	for name, c := range map[string]struct {
		peer int
		id   []byte
	}{
		"no member":       {5, step(1, 0)},
		"not done":        {2, step(1, 2)},
		"no step":         {2, step(1, 9)},
		"another attempt": {2, step(2, 0)},
		"no session":      {2, make([]byte, len(session.ID{}))},
	} {
		_, err := s.sent.Serve(c.peer, c.id)
		require.ErrorIs(t, err, recall.ErrUnknown, name)
	}
}

func TestAKeyThatDoesNotDecryptIsGivenUpAndItsFilesAreWithdrawn(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.activeEpoch()
	var mu sync.Mutex
	published := map[string][]byte{}
	w.chain.setAlter(func(msg sdk.Msg) sdk.Msg {
		if m, ok := msg.(*kmstypes.MsgPostKey); ok {
			mu.Lock()
			defer mu.Unlock()
			published[m.Account] = m.Material.PublicKeyDigest
			return nil
		}
		return msg
	})
	id := w.requestKey()
	w.eventually("the word of every party", func() bool { mu.Lock(); defer mu.Unlock(); return len(published) == 4 })
	key := w.key(id)
	for _, n := range w.nodes[1:] {
		w.stop(n.index)
		require.Equal(t, []string{hex.EncodeToString(published[w.account(n.index)])}, w.files(n.index, "vault"))
		body := filepath.Join(n.folder, "keys", attemptName(&key), "public-key-body")
		raw, err := os.ReadFile(body)
		require.NoError(t, err)
		for i := range raw {
			raw[i] ^= 0x55
		}
		require.NoError(t, os.WriteFile(body, raw, 0o600))
	}
	w.chain.setAlter(nil)
	w.startAll()
	w.eventually("the key is active", func() bool { return w.key(id).Status == kmstypes.KEY_STATUS_ACTIVE })
	require.EqualValues(t, 2, w.key(id).Attempt)
	w.chain.mu.Lock()
	words := map[uint32][]bool{}
	for _, msg := range w.chain.sent {
		if m, ok := msg.(*kmstypes.MsgPostKey); ok {
			words[m.Attempt] = append(words[m.Attempt], m.Material.TestDecryptionOk)
		}
	}
	w.chain.mu.Unlock()
	require.NotEmpty(t, words[1])
	require.NotContains(t, words[1], true)
	require.NotContains(t, words[2], false)
	w.requireOnlyTheKey(id)
	w.requireValues(w.decrypt(id, w.encrypt(w.publicKey(id), tfhe.EUint8, number(42))), number(42))
}
