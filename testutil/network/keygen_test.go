package network_test

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/x/kms/material"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// generating brings a network up to the point where its parties have agreed to work on
// a key of the whole, insecure set, and returns what brings up the rest.
func generating(t *testing.T, patience time.Duration) (w *world, rest func()) {
	t.Helper()
	w = ready(t, devnet.Config{Params: tfhe.NameTest, Patience: patience})
	stages := w.Stages()
	key := slices.IndexFunc(stages, func(s devnet.Stage) bool { return s.Generates })
	w.run(stages[:key])
	requested := make(chan error, 1)
	go func() {
		_, err := stages[key].Run(w.ctx)
		requested <- err
	}()
	return w, func() {
		t.Helper()
		select {
		case err := <-requested:
			require.NoError(t, err)
		case <-w.ctx.Done():
			t.Fatal("no key")
		}
		w.run(stages[key+1:])
	}
}

// steps returns the steps of an attempt that are done at a party, by its sealed files.
func (w *world) steps(p *devnet.Party) (names []string) {
	w.Helper()
	for _, file := range w.kept(p) {
		raw, err := hex.DecodeString(strings.Split(filepath.Base(file), ".")[2])
		require.NoError(w, err)
		name := strings.SplitN(string(raw), "-", 3)[2] // behind key and attempt
		if name != "agreed" && name != "published" {
			names = append(names, name)
		}
	}
	return names
}

// kept returns the sealed files that a party has of attempts to generate keys.
func (w *world) kept(p *devnet.Party) []string {
	w.Helper()
	files, err := filepath.Glob(filepath.Join(p.Home, "sealed", "key-step.*"))
	require.NoError(w, err)
	return slices.DeleteFunc(files, func(name string) bool { return !strings.HasSuffix(name, ".sealed") })
}

// requireNothingLeft waits until a party has erased all that it needed to generate keys.
func (w *world) requireNothingLeft(p *devnet.Party) {
	w.Helper()
	w.until("nothing is left at "+p.Moniker, func() bool {
		scratch, err := os.ReadDir(filepath.Join(p.Home, "keys"))
		require.NoError(w, err)
		return len(scratch)+len(w.kept(p)) == 0
	})
}

// until waits until something holds.
func (w *world) until(what string, holds func() bool) {
	w.Helper()
	for !holds() {
		select {
		case <-w.ctx.Done():
			w.Fatalf("not yet: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// begun waits until parties have done steps of a stage.
func (w *world) begun(stage string, parties ...*devnet.Party) {
	w.Helper()
	for _, p := range parties {
		w.until("a step of "+stage+" at "+p.Moniker, func() bool {
			return slices.ContainsFunc(w.steps(p), func(name string) bool { return strings.HasPrefix(name, stage+"/") })
		})
	}
}

// restart kills parties, as a power failure would, starts them again, and checks that
// each goes on with all that it had done.
func (w *world) restart(parties ...*devnet.Party) {
	w.Helper()
	for _, p := range parties {
		require.NoError(w, p.Kill())
	}
	for _, p := range parties {
		done, lives := len(w.steps(p)), len(w.beginnings(p))
		require.NotZero(w, done, p.Moniker)
		require.NoError(w, p.Start())
		w.until(p.Moniker+" generates the key again", func() bool { return len(w.beginnings(p)) > lives })
		require.Equal(w, done, w.beginnings(p)[lives], "steps that %s does not do again", p.Moniker)
		w.Logf("%s went on with %d steps done", p.Moniker, done)
	}
}

var generatingLine = regexp.MustCompile(`msg="generating a key".* attempt=1 .* done=(\d+)`)

// beginnings returns the steps that were done each time when a party began with the
// first attempt, or went on with it.
func (w *world) beginnings(p *devnet.Party) (done []int) {
	w.Helper()
	log, err := os.ReadFile(p.Log)
	require.NoError(w, err)
	for _, match := range generatingLine.FindAllSubmatch(log, -1) {
		count, err := strconv.Atoi(string(match[1]))
		require.NoError(w, err)
		done = append(done, count)
	}
	return done
}

// generated returns the network's key.
func (w *world) generated() kmstypes.Key {
	w.Helper()
	key, err := w.Key(w.ctx, w.KeyID)
	require.NoError(w, err)
	return key
}

// requireServed demands that the vault of every party that signed a key's files has
// all of them.
func (w *world) requireServed(key *kmstypes.Key, parties int) {
	w.Helper()
	files, err := material.Files(key)
	require.NoError(w, err)
	require.Len(w, files, 3)
	for _, f := range files {
		vaults := f.Vaults
		require.Len(w, vaults, parties)
		for i := range vaults {
			f.Vaults = vaults[i : i+1]
			require.NoError(w, f.Save(w.ctx, http.DefaultClient, filepath.Join(w.TempDir(), fmt.Sprint(f.Kind, i)), nil), "%s from %s", f.Kind, vaults[i])
		}
	}
}

func TestAKeyIsGeneratedInOneAttemptWhereverPartiesAreKilled(t *testing.T) {
	w, rest := generating(t, time.Minute) // who is restarted is not absent, however slow the machine is
	w.begun("noise", w.Parties...)
	w.restart(w.Parties[1])
	w.begun("rows", w.Parties[0])
	w.restart(w.Parties...)
	rest()

	w.until("the word of every party", func() bool { return len(w.generated().Contributions) == len(w.Parties) })
	key := w.generated()
	require.EqualValues(t, 1, key.Attempt)
	w.requireServed(&key, len(w.Parties))
	for _, p := range w.Parties {
		w.requireNothingLeft(p)
		require.Zero(t, w.beginnings(p)[0], p.Moniker)
	}
	user := w.user()
	w.travel(user, w.public(user, 4711), 4711)
}

func TestAPartyThatDiesDuringAKeysGenerationIsDoneWithoutAndComesBackLater(t *testing.T) {
	w, rest := generating(t, 0)
	dead := w.Parties[3]
	w.begun("noise", w.Parties...)
	require.NoError(t, dead.Kill())
	first := w.kept(dead)
	require.NotEmpty(t, first)
	rest()

	key := w.generated()
	require.EqualValues(t, 2, key.Attempt)
	require.Equal(t, kmstypes.KEY_FAILURE_MEMBER_EXCLUDED, key.Failure)
	require.Len(t, key.Without, 1)
	epoch, err := w.Epoch(w.ctx, devnet.FirstEpoch)
	require.NoError(t, err)
	require.Equal(t, dead.ID, epoch.Members[key.Without[0]-1].PartyId)
	w.until("the word of those who are left", func() bool { return len(w.generated().Contributions) == len(w.Parties)-1 })
	key = w.generated()
	w.requireServed(&key, len(w.Parties)-1)
	for _, p := range w.Parties[:3] {
		w.requireNothingLeft(p)
	}

	// What it has of the first attempt is of no use to it any more.
	require.Equal(t, first, w.kept(dead))
	require.NoError(t, dead.Start())
	w.until("the share is rebuilt", func() bool {
		status, err := w.StatusOf(w.ctx, dead)
		return err == nil && slices.Contains(status.Main().Keys, hex.EncodeToString(w.KeyID))
	})
	w.requireNothingLeft(dead)
	_, err = w.WaitEpoch(w.ctx, devnet.FirstEpoch, func(e partiestypes.Epoch) bool { return len(e.Excluded()) == 0 })
	require.NoError(t, err)

	// With another one stopped its share is needed.
	require.NoError(t, w.Parties[0].Stop())
	user := w.user()
	outcome, err := w.Decrypt(w.ctx, w.public(user, 815))
	require.NoError(t, err)
	require.Equal(t, big.NewInt(815).FillBytes(make([]byte, 32)), outcome.Request.Plaintext)
	require.True(t, slices.ContainsFunc(outcome.Request.Contributions, func(c kmstypes.Contribution) bool {
		return c.Index == key.Without[0] && c.Agrees
	}))
}
