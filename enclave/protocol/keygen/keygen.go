package keygen

import (
	"errors"
	"fmt"
	"sync"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// Errors of this package.
var (
	// ErrConfig reports randomness, keys or limits that do not fit each other.
	ErrConfig = errors.New("keygen: configuration does not fit the attempt")
	// ErrEncoding reports bytes that are not the encoding of what was asked for.
	ErrEncoding = errors.New("keygen: malformed encoding")
	// ErrStep reports a step that there is not, whose turn has not come, or whose
	// machine was not made for it or is not done.
	ErrStep = errors.New("keygen: no such step now")
	// ErrDigest reports offline steps whose digest is not the one on the chain.
	ErrDigest = errors.New("keygen: the chain records another digest of the offline steps")
	// ErrMaterial reports material that is missing or of the wrong length.
	ErrMaterial = errors.New("keygen: material does not fit the parameters")
	// ErrStore reports what a step made that was kept and is missing or damaged now.
	ErrStore = errors.New("keygen: what a step made is missing or damaged")
	// ErrInconsistent reports an opening that is no integers.
	ErrInconsistent = errors.New("keygen: an opening is no integers, shares do not belong together")
)

// SeedSize is the length of the seed of the masks.
const SeedSize = 16

// kind starts the names of all randomness that is drawn.
const kind = "keygen"

// Mode is how the noise of the components over 64 bits is made. That of components
// over 128 bits is always of mode PRSS.
type Mode uint8

const (
	// Exact makes each sample of shared random bits: TUniform of the component's bound.
	Exact Mode = iota
	// PRSS adds up a TUniform sample for each set of n−t parties.
	PRSS
)

// String returns "exact" or "prss".
func (m Mode) String() string {
	if m == PRSS {
		return "prss"
	}
	return "exact"
}

// Store keeps what steps made, which is key material, for the life of the attempt.
type Store interface {
	// Put returns when data is on disk under the name, instead of what was there.
	Put(name string, data []byte) error
	// Get returns what was put under the name, an error that is fs.ErrNotExist if
	// nothing was.
	Get(name string) ([]byte, error)
}

// Bodies takes the bodies of the components. It is safe for concurrent use.
type Bodies interface {
	// WriteBodies returns when the words, little-endian, are written at their place:
	// firstWord is the number of body words of the component before them. If they are
	// lost later, with the power, the party's digest of the file is not that of others.
	WriteBodies(c tfhe.Component, firstWord int64, words []byte) error
}

// Config is what an Attempt needs.
type Config struct {
	Parameters tfhe.Parameters
	Mode       Mode
	// KeyID distinguishes the key.
	KeyID mpc.Digest
	// Source draws the randomness. Its context is the id of the session of step 0, so
	// that another attempt draws another one.
	Source prss.Randomness
	// Session returns the id of a step's session, which Protocol is the protocol of.
	Session func(step int) mpc.Digest
	// From are the parties of the attempt, this one among them, n−t at least.
	From sharing.Parties
	// Identity signs what is sent.
	Identity *mpc.Identity
	// Journal keeps the ECHOs of the offline steps over a restart.
	Journal preproc.Journal
	Store   Store
	Bodies  Bodies
	// StepBytes bounds roughly what a party sends to each other one in a step, 0 stands
	// for 3 MiB. All parties have the same.
	StepBytes int
}

// Protocol returns the name of a step's protocol, part of its session's id: it binds
// the session to the mode.
func Protocol(mode Mode, step int) string { return fmt.Sprintf("%s-%v-%d", kind, mode, step) }

// Machine is the machine of a step: a *preproc.Machine if it is Offline, else an
// *Opening.
type Machine interface {
	mpc.Machine
	Layout() transcript.Layout
}

// Attempt is one party's side of an attempt to generate a key set. Its methods are
// safe for concurrent use; machines of different steps may run at the same time.
type Attempt struct {
	Config
	code  *sharing.Code
	parts []tfhe.Part
	steps []step
	id    mpc.Digest // of all that the parties must agree on beforehand

	mu     sync.Mutex
	done   []bool
	echoes []mpc.Digest // of the offline steps that are done
	agreed bool
	share  *KeyShare
	seed   [SeedSize]byte
	public map[int]*factors // by part
	keys   keyCache
}

// New returns the attempt, as far as the Store says that it had come.
func New(c Config) (*Attempt, error) {
	if c.StepBytes == 0 {
		c.StepBytes = defaultStepBytes
	}
	code, self := c.Source.Code(), c.Source.Self()
	if err := mpc.CheckParties(code.N(), code.T(), self); err != nil {
		return nil, err
	}
	switch {
	case c.Mode > PRSS || c.StepBytes < minStepBytes || c.StepBytes > maxStepBytes:
		return nil, fmt.Errorf("%w: mode %d, steps of %d bytes", ErrConfig, c.Mode, c.StepBytes)
	case c.Identity == nil || c.Identity.N() != code.N() || c.Identity.Self() != self:
		return nil, fmt.Errorf("%w: signing keys", ErrConfig)
	case !c.From.Within(code.N()) || !c.From.Has(self) || c.From.Count() < code.Quorum():
		return nil, fmt.Errorf("%w: %v of %d parties", ErrConfig, c.From, code.N())
	case c.Source.Context() != c.Session(0):
		return nil, fmt.Errorf("%w: the randomness is not the attempt's", ErrConfig)
	}
	a := &Attempt{Config: c, code: code, parts: c.Parameters.Parts(), public: map[int]*factors{}}
	if len(a.parts) == 0 {
		return nil, fmt.Errorf("%w: nothing to generate in %q", ErrConfig, c.Parameters.Name)
	}
	for _, q := range a.parts {
		if !exactNoise(q, c.Mode) { // better now than when all else is made
			if err := c.Source.DrawWideNoise(prss.Address{Kind: kind}, 0, nil); err != nil {
				return nil, fmt.Errorf("%w: the noise of %v: %w", ErrConfig, q.Component, err)
			}
			break
		}
	}
	context := c.Source.Context()
	a.id = mpc.Hash("tkms/v1/keygen/attempt", context[:], c.KeyID[:], []byte(c.Parameters.Name), []byte(c.Mode.String()),
		mpc.Uint64(uint64(c.From)), mpc.Uint64(uint64(code.N())), mpc.Uint64(uint64(code.Degree())), mpc.Uint64(uint64(c.StepBytes)))
	a.steps = newPlan(a.parts, c.Mode, code.Degree(), c.StepBytes)
	a.done, a.echoes = make([]bool, len(a.steps)), make([]mpc.Digest, len(a.steps))
	return a, a.resume()
}

// Steps returns the steps; their indices are what the other methods take.
func (a *Attempt) Steps() []Step {
	out := make([]Step, len(a.steps))
	for i, s := range a.steps {
		out[i] = s.Step
	}
	return out
}

// Done reports whether a step's result is kept.
func (a *Attempt) Done(step int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return step >= 0 && step < len(a.done) && a.done[step]
}

// Complete reports whether all steps are done: the key set is generated.
func (a *Attempt) Complete() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.doneBefore(len(a.steps))
}

// Ready reports whether the machine of a step can be made: always for the offline
// ones, after Agree for seed and factors, after these for the rows.
func (a *Attempt) Ready(step int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ready(step) == nil
}

// ready returns ErrStep unless Ready.
func (a *Attempt) ready(step int) error {
	if step < 0 || step >= len(a.steps) {
		return fmt.Errorf("%w: number %d of %d", ErrStep, step, len(a.steps))
	}
	s := a.steps[step]
	switch {
	case !s.Offline && !a.agreed:
		return fmt.Errorf("%w: %s needs the agreement on the offline steps", ErrStep, s.Name)
	case s.Stage == StageRows && !a.doneBefore(a.first(StageRows)):
		return fmt.Errorf("%w: %s needs the seed and the factors", ErrStep, s.Name)
	}
	return nil
}

// first returns the first step of a stage or of a later one.
func (a *Attempt) first(stage Stage) int {
	for i, s := range a.steps {
		if s.Stage >= stage {
			return i
		}
	}
	return len(a.steps)
}

// doneBefore reports whether all steps before one are done.
func (a *Attempt) doneBefore(step int) bool {
	for _, done := range a.done[:step] {
		if !done {
			return false
		}
	}
	return true
}

// Machine returns a new machine for a step, also if it is done: for parties that have
// not finished it. ErrStep unless it is Ready.
func (a *Attempt) Machine(step int) (Machine, error) {
	a.mu.Lock()
	err := a.ready(step)
	a.mu.Unlock()
	if err != nil {
		return nil, err
	}
	s := a.steps[step]
	if s.Offline {
		return preproc.New(preproc.Config{
			Source: a.Source, Session: a.Session(step), From: a.From, Identity: a.Identity,
			Sections: a.sections(s), Journal: a.Journal,
		})
	}
	return a.opening(step)
}

// Finish keeps what a step made; then the step is done. m is a machine of the step
// that is done, ErrStep else. Nothing happens if the step is done already.
func (a *Attempt) Finish(step int, m Machine) error {
	if a.Done(step) {
		return nil
	}
	if step < 0 || step >= len(a.steps) || !m.Done() {
		return fmt.Errorf("%w: number %d is not finished", ErrStep, step)
	}
	s := a.steps[step]
	switch made := m.(type) {
	case *preproc.Machine:
		if !s.Offline || made.Session != a.Session(step) {
			return fmt.Errorf("%w: the machine is not that of %s", ErrStep, s.Name)
		}
		data, err := a.takeOffline(s, made)
		if err != nil {
			return err
		}
		defer clear(data)
		return a.keep(step, made.Echo(), data)
	case *Opening:
		if s.Offline || made.step != step || made.attempt != a.id {
			return fmt.Errorf("%w: the machine is not that of %s", ErrStep, s.Name)
		}
		data, err := a.takeOpened(s, made)
		if err != nil {
			return err
		}
		return a.keep(step, mpc.Digest{}, data)
	}
	return fmt.Errorf("%w: an unknown machine", ErrStep)
}

// offlineDone reports whether all offline steps are done.
func (a *Attempt) offlineDone() bool { return a.doneBefore(a.first(StageSeed)) }

// Digest returns the digest of the attempt and of the ECHOs of all offline steps, to be
// posted on the chain; the zero digest unless all are done.
func (a *Attempt) Digest() mpc.Digest {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.digest()
}

func (a *Attempt) digest() mpc.Digest {
	if !a.offlineDone() {
		return mpc.Digest{}
	}
	var echoes []byte
	for _, e := range a.echoes[:a.first(StageSeed)] {
		echoes = append(echoes, e[:]...)
	}
	return mpc.Hash("tkms/v1/keygen/offline", a.id[:], echoes)
}

// Agree allows the steps that are not offline. Posted is the digest that n−t parties
// posted on the chain: ErrDigest if it is not the own one, ErrStep if that is not
// known yet.
func (a *Attempt) Agree(posted mpc.Digest) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case !a.offlineDone():
		return fmt.Errorf("%w: offline steps are not done", ErrStep)
	case a.digest() != posted:
		return ErrDigest
	case a.agreed:
		return nil
	}
	if err := a.put(agreement, mpc.Digest{}, posted[:]); err != nil {
		return err
	}
	a.agreed = true
	return nil
}

// Agreed reports whether Agree succeeded, in this life or an earlier one.
func (a *Attempt) Agreed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.agreed
}

// Share returns the party's share of the secrets, nil before the step that makes
// them. Nobody may use it before the attempt is Complete.
func (a *Attempt) Share() *KeyShare {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.share
}

// Seed returns the seed of the masks; zero before the step that opens it.
func (a *Attempt) Seed() [SeedSize]byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.seed
}

// Zero erases the key material in memory. What is in the Store is its owner's to
// erase.
func (a *Attempt) Zero() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.share != nil {
		a.share.Zero()
	}
	a.keys.zero()
}

// String hides the key.
func (a *Attempt) String() string {
	return fmt.Sprintf("keygen.Attempt(%d steps, redacted)", len(a.steps))
}

// GoString hides the key.
func (a *Attempt) GoString() string { return a.String() }
