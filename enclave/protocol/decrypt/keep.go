package decrypt

import (
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
)

// maskKind names the streams of what hides values that are kept.
const maskKind = "decrypt/kept"

// keeper is how a session ends whose values nobody is to learn: with shares of them,
// d blocks to an element and a ciphertext's blocks by themselves. What it opens is the
// elements less uniform ones that the parties draw; a share is then the opened
// element plus the share of the drawn one.
//
// That sharing depends on what was drawn and on the values alone. With the shares of
// the values as the session comes to them, two sessions with other offline items, of
// which some parties finish one and some the other, would give points of two
// polynomials, which together are useless.
type keeper struct {
	m      *Machine
	source *prss.Source
	w      uint     // of the ring that is kept
	mask   []uint64 // the own shares of what is drawn
}

// elements returns the number of elements that the values take.
func (k *keeper) elements() int {
	n := 0
	for _, p := range k.m.phases {
		n += k.m.packed(p)
	}
	return n
}

// packed returns the number of elements that a ciphertext takes.
func (m *Machine) packed(p *Phases) int { return (p.count + m.d - 1) / m.d }

// draw takes the masks.
func (k *keeper) draw() error {
	k.mask = k.m.memory.take(k.elements() * k.m.d)
	return k.source.Draw(prss.Address{Kind: maskKind, K: k.w}, prss.Vectors{Elements: [][]uint64{k.mask}})
}

// shares writes what is opened to out, given the shares of the values.
func (k *keeper) shares(out, values []uint64) {
	k.m.pack(out, values)
	subtract(out, k.mask)
}

// finish makes what was opened the shares of the elements.
func (k *keeper) finish(opened []uint64) []uint64 {
	add(opened, k.mask)
	ring.Reduce(opened, k.w)
	return opened
}

// pack adds Σ_(j<d) Y^j·v_(di+j) over each ciphertext's values to the elements of out.
func (m *Machine) pack(out, values []uint64) {
	r, d := m.code.Ring(), m.d
	for _, p := range m.phases {
		for b := range p.count {
			var power ring.Elem
			power[b%d] = 1
			r.Set(out, b/d, r.Add(r.At(out, b/d), r.Mul(r.At(values, b), power)))
		}
		out, values = out[m.packed(p)*d:], values[p.count*d:]
	}
}

// Shares returns the party's shares of the values that are kept, elements of R_W, or of that of Lift,
// of d words: of Σ_(j<d) Y^j·m_(di+j) for the values m of each ciphertext, the missing ones
// being 0, ciphertext by ciphertext. Those of all parties lie on polynomials of degree
// t that are uniform but for what they share. The caller erases them. Nil before Done.
func (m *Machine) Shares() []uint64 {
	if m.keeper == nil {
		return nil
	}
	return m.values
}
