package keygen_test

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// reference generates the key that every run of a world with the same parties, mode
// and steps has.
func reference(t *testing.T, mode keygen.Mode, stepBytes int) *world {
	t.Helper()
	w := newWorld(t, 4, 4, tfhe.Test(), mode)
	w.stepBytes = stepBytes
	w.start()
	w.finish()
	return w
}

func (w *world) requireSame(other *world) {
	w.t.Helper()
	for _, i := range w.from.List() {
		if !w.attempts[i].Complete() || w.attempts[i].Digest() != other.first().Digest() {
			w.t.Fatalf("party %d is not done, or has another digest", i)
		}
		if !maps.EqualFunc(w.memories[i].bodies, other.memories[1].bodies, bytes.Equal) {
			w.t.Fatalf("party %d has other bodies", i)
		}
		mine, _ := w.attempts[i].Share().MarshalBinary()
		theirs, _ := other.attempts[i].Share().MarshalBinary()
		if !bytes.Equal(mine, theirs) {
			w.t.Fatalf("party %d has another share", i)
		}
	}
}

func TestAPartyOrAllOfThemGoOnAfterEachStep(t *testing.T) {
	const stepBytes = 1 << 20
	want := reference(t, keygen.PRSS, stepBytes)
	for name, killed := range map[string]sharing.Parties{"one": sharing.PartiesOf(2), "all": sharing.AllParties(4)} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 4, 4, tfhe.Test(), keygen.PRSS)
			w.stepBytes = stepBytes
			w.start()
			for step, s := range w.first().Steps() {
				if s.Stage == keygen.StageSeed {
					w.agree()
				}
				// Once in the middle of the step: what was sent is sent again, the same.
				first := w.sent(step, killed)
				w.reopen(killed)
				if again := w.sent(step, killed); !slices.EqualFunc(first, again, bytes.Equal) {
					t.Fatalf("step %s: another message", s.Name)
				}
				w.run(step, w.from)
				w.reopen(killed)
				for _, i := range killed.List() {
					if a := w.attempts[i]; !a.Done(step) || a.Agreed() != !s.Offline || step+1 < len(a.Steps()) && a.Done(step+1) {
						t.Fatalf("party %d after %s", i, s.Name)
					}
				}
			}
			w.requireSame(want)
		})
	}
}

func (w *world) reopen(parties sharing.Parties) {
	w.t.Helper()
	for _, i := range parties.List() {
		w.open(i)
	}
}

// sent returns what parties send at the start of a step.
func (w *world) sent(step int, parties sharing.Parties) (out [][]byte) {
	w.t.Helper()
	machines := w.machines(step)
	for _, i := range parties.List() {
		messages, err := machines[i].Start()
		if err != nil {
			w.t.Fatal(err)
		}
		for _, m := range messages {
			out = append(out, m.Payload)
		}
	}
	return out
}

func TestAPartyThatLostAStepMakesItAgainWithOthersThatHaveIt(t *testing.T) {
	w := reference(t, keygen.Exact, 4<<20)
	want := reference(t, keygen.Exact, 4<<20)
	for step, s := range w.first().Steps() {
		if s.Stage == keygen.StageNoise && s.Name != "noise/0" || s.Stage == keygen.StageRows && s.Name != "rows/0" {
			continue // those are like these
		}
		for what, damage := range map[string]func([]byte) []byte{
			"torn":    func(b []byte) []byte { return b[:len(b)-1] },
			"flipped": func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
			"empty":   func([]byte) []byte { return nil },
			"short":   func(b []byte) []byte { return b[:50] },
			"another": func([]byte) []byte { return w.memories[2].kept["agreed"] },
			"longer":  func(b []byte) []byte { return append(b, 0) },
		} {
			kept := w.memories[2].kept
			good := kept[s.Name]
			kept[s.Name] = damage(bytes.Clone(good))
			w.open(2)
			if w.attempts[2].Done(step) || w.attempts[2].Agreed() == s.Offline {
				t.Fatalf("%s %s: done=%v agreed=%v", what, s.Name, w.attempts[2].Done(step), w.attempts[2].Agreed())
			}
			if last := len(w.attempts[2].Steps()) - 1; w.attempts[2].Done(last) != (s.Stage == keygen.StageRows) {
				t.Fatalf("%s %s: the last rows are done=%v", what, s.Name, w.attempts[2].Done(last))
			}
			kept[s.Name] = good
		}
		delete(w.memories[2].kept, s.Name)
		w.open(2)
		w.run(step, sharing.PartiesOf(2))
		w.open(2)
		w.requireSame(want)
	}
}

func TestWhatWasKeptForAnotherAttemptIsNotUsed(t *testing.T) {
	w := reference(t, keygen.PRSS, 1<<20)
	for name, change := range map[string]func(*keygen.Config){
		"key":   func(c *keygen.Config) { c.KeyID[0] ^= 1 },
		"mode":  func(c *keygen.Config) { c.Mode = keygen.Exact },
		"from":  func(c *keygen.Config) { c.From = sharing.PartiesOf(1, 2, 3) },
		"steps": func(c *keygen.Config) { c.StepBytes = 2 << 20 },
	} {
		c := w.config(1)
		change(&c)
		a, err := keygen.New(c)
		if err != nil {
			t.Fatal(err)
		}
		for step := range a.Steps() {
			if a.Done(step) {
				t.Errorf("%s: step %d is done", name, step)
			}
		}
		if a.Share() != nil || a.Agreed() {
			t.Errorf("%s: goes on", name)
		}
	}
}

func TestNothingLeavesBeforeTheOfflineStepsAreAgreedOn(t *testing.T) {
	w := newWorld(t, 4, 4, tfhe.Test(), keygen.PRSS)
	w.start()
	steps := w.first().Steps()
	a := w.first()
	refused := func(when string) {
		t.Helper()
		for step, s := range steps {
			if s.Offline {
				continue
			}
			if _, err := a.Machine(step); !errors.Is(err, keygen.ErrStep) || a.Ready(step) {
				t.Errorf("%s: %s: %v", when, s.Name, err)
			}
		}
	}
	refused("at the start")
	if err := a.Agree(mpc.Digest{}); !errors.Is(err, keygen.ErrStep) {
		t.Error(err)
	}
	offline := slices.IndexFunc(steps, func(s keygen.Step) bool { return !s.Offline })
	for step := range offline {
		if a.Digest() != (mpc.Digest{}) {
			t.Error("a digest before all is done")
		}
		w.run(step, w.from)
	}
	refused("offline steps done")
	if err := a.Agree(mpc.Hash("another")); !errors.Is(err, keygen.ErrDigest) {
		t.Error(err)
	}
	refused("after another digest")
	w.agree()
	for step, s := range steps {
		_, err := a.Machine(step)
		if s.Stage == keygen.StageRows != errors.Is(err, keygen.ErrStep) {
			t.Errorf("%s after the agreement: %v", s.Name, err)
		}
	}
}

func TestAStepThatIsNotKeptIsNotDone(t *testing.T) {
	w := newWorld(t, 4, 4, tfhe.ProductionPKE(), keygen.Exact)
	w.start()
	full := errors.New("the disk is full")
	w.memories[1].failPut["secrets"] = full
	machines := w.machines(0)
	if err := mpctest.FirstError(w.network(0).Run(machines, w.n)); err != nil {
		t.Fatal(err)
	}
	if err := w.attempts[1].Finish(0, machines[1].(keygen.Machine)); !errors.Is(err, full) || w.attempts[1].Done(0) {
		t.Errorf("done=%v, %v", w.attempts[1].Done(0), err)
	}
}

func TestFinishTakesTheMachineOfTheStepOnly(t *testing.T) {
	w := newWorld(t, 4, 4, tfhe.ProductionPKE(), keygen.Exact)
	w.start()
	secrets := w.run(0, 0)[1].(keygen.Machine)
	noise := w.run(1, w.from)[1].(keygen.Machine)
	unfinished, err := w.first().Machine(0)
	if err != nil {
		t.Fatal(err)
	}
	for what, m := range map[string]keygen.Machine{"another step's": noise, "one that is not done": unfinished} {
		if err := w.first().Finish(0, m); !errors.Is(err, keygen.ErrStep) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, step := range []int{-1, len(w.first().Steps())} {
		if err := w.first().Finish(step, secrets); !errors.Is(err, keygen.ErrStep) {
			t.Errorf("step %d: %v", step, err)
		}
		if _, err := w.first().Machine(step); !errors.Is(err, keygen.ErrStep) {
			t.Errorf("step %d: %v", step, err)
		}
	}
}

func TestAConfigurationThatDoesNotFitIsRefused(t *testing.T) {
	w := newWorld(t, 4, 4, tfhe.Test(), keygen.Exact)
	other := newWorld(t, 7, 4, tfhe.Test(), keygen.Exact)
	for name, change := range map[string]func(*keygen.Config){
		"mode":             func(c *keygen.Config) { c.Mode = 2 },
		"small steps":      func(c *keygen.Config) { c.StepBytes = 1 },
		"large steps":      func(c *keygen.Config) { c.StepBytes = 1 << 30 },
		"no identity":      func(c *keygen.Config) { c.Identity = nil },
		"another identity": func(c *keygen.Config) { c.Identity = w.identities[2] },
		"other parties":    func(c *keygen.Config) { c.Identity = other.identities[1] },
		"too few":          func(c *keygen.Config) { c.From = sharing.PartiesOf(1, 2) },
		"without itself":   func(c *keygen.Config) { c.From = sharing.PartiesOf(2, 3, 4) },
		"strangers":        func(c *keygen.Config) { c.From = sharing.AllParties(5) },
		"another context":  func(c *keygen.Config) { c.Session = func(int) mpc.Digest { return mpc.Hash("elsewhere") } },
		"no components":    func(c *keygen.Config) { c.Parameters.Components = 0 },
	} {
		c := w.config(1)
		change(&c)
		if _, err := keygen.New(c); !errors.Is(err, keygen.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRowsOfWhatIsLostAreNotMade(t *testing.T) {
	const stepBytes = 4 << 20
	w := reference(t, keygen.Exact, stepBytes)
	steps := w.first().Steps()
	for _, lost := range []string{"products/0", "noise/0"} {
		kept := w.memories[1].kept[lost]
		for what, damaged := range map[string][]byte{"missing": nil, "torn": kept[:len(kept)/2]} {
			if w.memories[1].kept[lost] = damaged; damaged == nil {
				delete(w.memories[1].kept, lost)
			}
			failed := 0
			for step, s := range steps {
				if s.Stage != keygen.StageRows {
					continue
				}
				m, err := w.first().Machine(step)
				if err != nil {
					t.Fatal(err)
				}
				switch _, err := m.Start(); {
				case errors.Is(err, keygen.ErrStore):
					failed++
				case err != nil:
					t.Error(err)
				}
			}
			if failed == 0 {
				t.Errorf("%s %s: all rows are made", what, lost)
			}
		}
		w.memories[1].kept[lost] = kept
	}
}
