package prss

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Comparison is the last step of a set-up: members of a set compare hashes of
// their key. One session compares the keys of one transcript.
//
// It needs nobody in particular: it is done when for each set t+1 members, this
// one among them, say the same. That suffices because nothing depends on what is
// said. All openings were checked against commitments that the chain fixed before
// any was sent, so parties with one transcript hold the same keys unless their
// machine failed; a set has n−t members, of whom t+1 are honest, so liars can
// neither stop the comparison nor make a right key look wrong. It finds the party
// whose machine failed before that party counts as one with keys: if t+1 others
// agree on another key, an honest one is among them, and it is this party that is
// wrong (ErrCheck).
type Comparison struct {
	keys *Keys
	// claims[a] are the checks for own set a by who makes them; the own one first.
	claims   [][]claim
	heard    sharing.Parties
	culprits sharing.Parties
}

// claim is one check and how many members make it.
type claim struct {
	check   mpc.Digest
	members int
}

// NewComparison compares keys.
func NewComparison(keys *Keys) *Comparison {
	c := &Comparison{keys: keys, claims: make([][]claim, len(keys.sets))}
	for a := range keys.sets {
		c.claims[a] = []claim{{check: keys.check(a), members: 1}}
	}
	return c
}

// check is H("check", r_A).
func (k *Keys) check(a int) mpc.Digest {
	return mpc.Hash("tkms/v1/prss/check", k.epoch[:], k.transcript[:], setBytes(k.sets[a]), k.keys[a][:])
}

// Start sends each member the checks of the sets that both are in.
func (c *Comparison) Start() ([]mpc.Message, error) {
	var out []mpc.Message
	for j := 1; j <= c.keys.n; j++ {
		if j == c.keys.self {
			continue
		}
		var payload []byte
		for _, a := range shared(c.keys.sets, j) {
			payload = append(payload, c.claims[a][0].check[:]...)
		}
		out = append(out, mpc.Message{To: j, Payload: payload})
	}
	return out, nil
}

// Receive takes a member's checks; those that differ make it a culprit. ErrCheck
// says that the own keys are wrong.
func (c *Comparison) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	if from < 1 || from > c.keys.n || from == c.keys.self || round != 0 || c.heard.Has(from) {
		return nil, nil
	}
	c.heard = c.heard.With(from)
	common := shared(c.keys.sets, from)
	if len(payload) != mpc.DigestSize*len(common) {
		c.culprits = c.culprits.With(from)
		return nil, nil
	}
	for x, a := range common {
		if !c.count(a, mpc.Digest(payload[x*mpc.DigestSize:])) {
			c.culprits = c.culprits.With(from)
		}
	}
	for a, claims := range c.claims {
		for _, other := range claims[1:] {
			if other.members > c.keys.t {
				return nil, fmt.Errorf("%w: %d members of set %v hold another key than this party", ErrCheck, other.members, c.keys.sets[a])
			}
		}
	}
	return nil, nil
}

// count adds a member's check for set a and reports whether it is the own one.
func (c *Comparison) count(a int, check mpc.Digest) bool {
	for i := range c.claims[a] {
		if c.claims[a][i].check == check {
			c.claims[a][i].members++
			return i == 0
		}
	}
	c.claims[a] = append(c.claims[a], claim{check, 1})
	return false
}

// Done reports whether t+1 members of each set hold the own key.
func (c *Comparison) Done() bool {
	for _, claims := range c.claims {
		if claims[0].members <= c.keys.t {
			return false
		}
	}
	return true
}

// Culprits returns the members whose checks differ. It convinces nobody else.
func (c *Comparison) Culprits() sharing.Parties { return c.culprits }

// String hides the keys.
func (c *Comparison) String() string {
	return fmt.Sprintf("prss.Comparison(party %d, redacted)", c.keys.self)
}

// GoString hides the keys.
func (c *Comparison) GoString() string { return c.String() }
