package reshare

import (
	"fmt"
	"slices"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// UndecodableError reports that old shares of a secret do not lie on one polynomial, as
// far as n₁−t₁ of them would have to: more members are wrong or absent than can be
// corrected. It is ErrUndecodable, and all honest new members have the same.
type UndecodableError struct {
	// KeyID and Secret are the first of which there are no right shares.
	KeyID  mpc.Digest
	Secret tfhe.Secret
	// Used are the old members whose vectors there were, Wrong those of them that are
	// wrong at other secrets beyond doubt.
	Used, Wrong sharing.Parties
}

// Error names the secret and the old members.
func (e *UndecodableError) Error() string {
	return fmt.Sprintf("%v: secret %v of key %x from old members %v, wrong elsewhere: %v", ErrUndecodable, e.Secret, e.KeyID, e.Used, e.Wrong)
}

// Unwrap returns ErrUndecodable.
func (e *UndecodableError) Unwrap() error { return ErrUndecodable }

// Conclusion is one new member's side of the second half, a mpc.Machine among the members
// of the new committee that take part. Everybody sends, for segment i in round i, its
// shares of what the old shares are off the polynomial through the lowest t₁+1 of them;
// when n₂−t₂ agree on all of it the wrong old members are known, and the own new shares
// are computed from the right ones. After Done it goes on checking late shares. It is not
// safe for concurrent use.
type Conclusion struct {
	config   Config
	vectors  *vectors
	segments []segment

	openers   []*sharing.WideOpener // by segment
	malformed sharing.Parties
	done      bool

	shares     []*keygen.KeyShare
	wrong      sharing.Parties
	transcript mpc.Digest
}

// NewConclusion returns the machine of a new member that takes part. vectors are, by old
// index, exactly those that the chain says are used, n₁−t₁ at least, each of the digest
// that was posted: ErrVectors if they cannot be, ErrConfig if the rest does not fit. It
// needs neither Union nor Shares.
func NewConclusion(c Config, vectors map[int][]byte) (*Conclusion, error) {
	v, err := newVectors(&c, vectors)
	if err != nil {
		return nil, err
	}
	if !c.takesPart() {
		return nil, fmt.Errorf("%w: new member %d is not of %v", ErrConfig, c.NewSelf, c.Members)
	}
	o := &Conclusion{config: c, vectors: v, segments: segments(c.Items)}
	for _, s := range o.segments {
		o.openers = append(o.openers, c.New.NewWideOpener(s.k, v.rest().Count()*c.elements(s)))
	}
	return o, nil
}

// Start sends the own shares of what the old shares are off.
func (o *Conclusion) Start() ([]mpc.Message, error) {
	var out []mpc.Message
	if v := o.vectors; v.rest() != 0 { // else there is nothing to compare
		for i, s := range o.segments {
			shares, err := v.syndrome(s, i)
			if err != nil {
				return nil, err
			}
			payload := wide.AppendPacked(make([]byte, 0, o.bytes(i)), shares, s.k)
			o.openers[i].Add(o.config.NewSelf, shares)
			out = append(out, mpc.Message{Round: uint16(i), Payload: payload}) // #nosec G115 -- bounded by MaxItems
		}
	}
	return out, o.advance()
}

func (o *Conclusion) elements(i int) int {
	return o.vectors.rest().Count() * o.config.elements(o.segments[i])
}

// bytes is the length of segment i on the wire.
func (o *Conclusion) bytes(i int) int {
	return ring.PackedLen(o.elements(i)*o.config.New.Degree(), o.segments[i].k)
}

// Receive takes another member's shares of a segment. An *UndecodableError says that no
// shares can come of these vectors.
func (o *Conclusion) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	i := int(round)
	if from == o.config.NewSelf || !o.config.Members.Has(from) || i >= len(o.segments) || o.malformed.Has(from) || o.openers[i].Have().Has(from) {
		return nil, nil
	}
	v := make([]wide.Word, o.elements(i)*o.config.New.Degree())
	if err := wide.Unpack(v, payload, o.segments[i].k); err != nil {
		o.malformed = o.malformed.With(from)
		return nil, nil
	}
	o.openers[i].Add(from, v)
	return nil, o.advance()
}

// advance concludes when all is opened.
func (o *Conclusion) advance() error {
	if o.done {
		return nil
	}
	if o.vectors.rest() != 0 && slices.ContainsFunc(o.openers, func(p *sharing.WideOpener) bool { return !p.Done() }) {
		return nil
	}
	if err := o.decode(); err != nil {
		return err
	}
	shares, err := o.vectors.combine(o.wrong)
	if err != nil {
		return err
	}
	o.shares, o.done = shares, true
	return nil
}

// decode finds the wrong old members, the same at all honest new ones.
func (o *Conclusion) decode() error {
	var opened []byte
	failed := -1
	for i, s := range o.segments {
		var values []wide.Word
		if o.vectors.rest() != 0 {
			values = o.openers[i].Values()
		}
		off, err := o.vectors.off(s, values)
		if err != nil {
			return err
		}
		p := o.config.Old.NewWideOpener(s.k, s.count)
		for _, j := range o.vectors.used.List() {
			p.Add(j, off[j])
		}
		if p.Done() {
			o.wrong |= p.Wrong()
		} else if failed < 0 {
			failed = i
		}
		opened = wide.AppendPacked(opened, values, s.k)
	}
	used := o.vectors.used
	if failed < 0 && used.Without(o.wrong).Count() <= o.config.Old.T() {
		failed = 0
	}
	if failed >= 0 {
		s := o.segments[failed]
		return &UndecodableError{KeyID: o.config.Items[s.item].KeyID, Secret: s.secret, Used: used, Wrong: o.wrong}
	}
	o.transcript = mpc.Hash("tkms/v1/reshare/conclusion", o.vectors.digest[:], mpc.Uint64(uint64(o.wrong)), opened)
	return nil
}

// Done reports whether the shares are known.
func (o *Conclusion) Done() bool { return o.done }

// Shares returns the own new shares, in the order of the items; nil before Done.
func (o *Conclusion) Shares() []*keygen.KeyShare { return o.shares }

// Wrong returns the old members that are wrong at some coefficient, whose shares were not
// used. Honest new members have the same, also when they have an UndecodableError.
func (o *Conclusion) Wrong() sharing.Parties { return o.wrong }

// Transcript returns the digest of session, vectors and all that was opened, the same at
// all honest new members; zero before Done.
func (o *Conclusion) Transcript() mpc.Digest { return o.transcript }

// Culprits returns the new members whose shares were malformed or wrong so far, also after
// Done.
func (o *Conclusion) Culprits() sharing.Parties {
	out := o.malformed
	for _, p := range o.openers {
		out |= p.Wrong()
	}
	return out
}

// Missing returns the members whose shares of some segment have not come.
func (o *Conclusion) Missing() sharing.Parties {
	missing := sharing.Parties(0)
	if o.vectors.rest() != 0 {
		for _, p := range o.openers {
			missing |= o.config.Members.Without(p.Have())
		}
	}
	return missing.Without(sharing.PartiesOf(o.config.NewSelf))
}

// Zero erases the shares.
func (o *Conclusion) Zero() {
	for _, s := range o.shares {
		s.Zero()
	}
}

// String hides the shares.
func (o *Conclusion) String() string {
	return fmt.Sprintf("reshare.Conclusion(member %d, redacted)", o.config.NewSelf)
}

// GoString hides the shares.
func (o *Conclusion) GoString() string { return o.String() }
