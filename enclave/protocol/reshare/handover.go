package reshare

import (
	"bytes"
	"fmt"
	"slices"
	"sync"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Handover is one party's side of the first half, a mpc.Machine among the union of both
// committees. A new member sends each old one its shares of the masks, segment by segment
// in rounds 0, 1, …; an old one decodes them, whoever t₂ of the new are, and sends its
// vector to all new ones, in as many rounds again.
//
// It is done when an old member's vector is out and a new member has those of all old
// ones. Silent old members keep it from that: the caller ends the session when the chain
// does, and takes what Received has. Vector, Received, Culprits and Done may be called
// while a session runs; after Done late masks are still checked.
type Handover struct {
	config   Config
	segments []segment

	mu        sync.Mutex
	openers   []*sharing.WideOpener // by segment, of an old member
	points    [][]wide.Word         // what the openers have
	malformed sharing.Parties
	vector    []byte
	received  [][][]byte // by old member and segment, of a new member
	over      bool
}

// NewHandover returns the machine, ErrConfig unless everything fits. It does not keep the
// shares once the vector is out.
func NewHandover(c Config) (*Handover, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := c.checkUnion(); err != nil {
		return nil, err
	}
	h := &Handover{config: c, segments: segments(c.Items)}
	if c.OldSelf > 0 && c.Shares != nil {
		if err := c.checkShares(); err != nil {
			return nil, err
		}
		for _, s := range h.segments {
			h.openers = append(h.openers, c.New.NewWideOpener(s.k, c.elements(s)))
		}
	}
	if c.NewSelf > 0 {
		h.received = make([][][]byte, c.Old.N()+1)
		for j := range h.received {
			h.received[j] = make([][]byte, len(h.segments))
		}
	}
	return h, nil
}

// hands reports whether the party hands shares over.
func (h *Handover) hands() bool { return h.openers != nil }

// takesPart reports whether the party is a new member that is not excluded.
func (c *Config) takesPart() bool { return c.NewSelf > 0 && c.Members.Has(c.NewSelf) }

// Start sends a new member's shares of the masks.
func (h *Handover) Start() ([]mpc.Message, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := &h.config
	if !c.takesPart() {
		return nil, nil
	}
	var out []mpc.Message
	for i, s := range h.segments {
		for j := 1; j <= c.Old.N(); j++ {
			drawn, err := c.masks(s, j)
			if err != nil {
				return nil, err
			}
			shares := c.show(s, drawn)
			if !c.sameRing() {
				clear(drawn)
			}
			if j == c.OldSelf {
				if h.hands() {
					h.addMasks(c.NewSelf, i, shares)
				}
				continue
			}
			payload := wide.AppendPacked(make([]byte, 0, h.maskBytes(s)), shares, s.k)
			clear(shares)
			out = append(out, mpc.Message{To: c.Union[j-1], Round: uint16(i), Payload: payload}) // #nosec G115 -- bounded by MaxItems
		}
	}
	more, err := h.advance()
	return append(out, more...), err
}

// maskBytes is the length of a segment of masks on the wire.
func (h *Handover) maskBytes(s segment) int {
	return ring.PackedLen(h.config.elements(s)*h.config.New.Degree(), s.k)
}

// Receive takes a new member's shares of the own masks, or a segment of an old member's
// vector.
func (h *Handover) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch i := int(round); {
	case h.over || i >= 2*len(h.segments):
		return nil, nil
	case i < len(h.segments):
		return h.receiveMasks(from, i, payload)
	default:
		h.receivePart(from, i-len(h.segments), payload)
		return nil, nil
	}
}

func (h *Handover) receiveMasks(from, i int, payload []byte) ([]mpc.Message, error) {
	c := &h.config
	if !h.hands() || from == c.NewSelf || !c.Members.Has(from) || h.malformed.Has(from) || h.openers[i].Have().Has(from) {
		return nil, nil
	}
	s := h.segments[i]
	v := make([]wide.Word, c.elements(s)*c.New.Degree())
	if err := wide.Unpack(v, payload, s.k); err != nil {
		h.malformed = h.malformed.With(from)
		return nil, nil
	}
	clear(payload)
	h.addMasks(from, i, v)
	return h.advance()
}

func (h *Handover) addMasks(from, i int, v []wide.Word) {
	h.points = append(h.points, v)
	h.openers[i].Add(from, v)
}

// receivePart takes a segment of an old member's vector, the first that it sends.
func (h *Handover) receivePart(from, i int, payload []byte) {
	c := &h.config
	old := slices.Index(c.Union, from) + 1
	if c.NewSelf == 0 || old == 0 || old == c.OldSelf || h.received[old][i] != nil || len(payload) != c.partBytes(h.segments[i]) {
		return
	}
	h.received[old][i] = payload
}

// advance sends the own vector when all masks are known.
func (h *Handover) advance() ([]mpc.Message, error) {
	c := &h.config
	if !h.hands() || h.vector != nil || slices.ContainsFunc(h.openers, func(o *sharing.WideOpener) bool { return !o.Done() }) {
		return nil, nil
	}
	var parts [][]byte
	for i, s := range h.segments {
		mask, err := c.shown(s, h.openers[i].Values())
		if err != nil {
			return nil, err
		}
		parts = append(parts, c.mask(s, mask))
		clear(mask)
		clear(h.openers[i].Values())
	}
	h.vector, c.Shares = bytes.Join(parts, nil), nil
	if c.NewSelf > 0 {
		h.received[c.OldSelf] = parts
	}
	var out []mpc.Message
	for i, part := range parts {
		for to := 1; to <= c.New.N(); to++ {
			if to != c.NewSelf {
				out = append(out, mpc.Message{To: to, Round: uint16(len(parts) + i), Payload: part}) // #nosec G115 -- bounded by MaxItems
			}
		}
	}
	return out, nil
}

// Done reports whether an old member's vector is out and a new member has all vectors.
func (h *Handover) Done() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.hands() && h.vector == nil {
		return false
	}
	for old := 1; h.config.NewSelf > 0 && old <= h.config.Old.N(); old++ {
		if !h.complete(old) {
			return false
		}
	}
	return true
}

func (h *Handover) complete(old int) bool {
	return !slices.ContainsFunc(h.received[old], func(part []byte) bool { return part == nil })
}

// Vector returns an old member's own vector, false until the masks are decoded.
func (h *Handover) Vector() (vector []byte, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.vector, h.vector != nil
}

// Received returns the vector of an old member as a new one got it, false until it is
// whole. It is of the right length; whether it is the one that was posted the caller sees.
func (h *Handover) Received(old int) ([]byte, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if old < 1 || old >= len(h.received) || !h.complete(old) {
		return nil, false
	}
	return bytes.Join(h.received[old], nil), true
}

// Culprits returns the new members whose masks were malformed or wrong so far: an old
// member knows it, and cannot prove it.
func (h *Handover) Culprits() sharing.Parties {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := h.malformed
	for _, o := range h.openers {
		out |= o.Wrong()
	}
	return out
}

// Zero erases the masks, from which the vector would give the share away. Further messages
// are ignored.
func (h *Handover) Zero() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over, h.config.Shares = true, nil
	for _, v := range h.points {
		clear(v)
	}
	for _, o := range h.openers {
		clear(o.Values())
	}
}

// String hides the masks.
func (h *Handover) String() string {
	return fmt.Sprintf("reshare.Handover(old member %d, new member %d, redacted)", h.config.OldSelf, h.config.NewSelf)
}

// GoString hides the masks.
func (h *Handover) GoString() string { return h.String() }
