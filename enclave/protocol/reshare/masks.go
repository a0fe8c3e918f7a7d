package reshare

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// packing is the number of integers that one element shows.
const packing = 4

// sameRing reports whether a ring element masks a share's element.
func (c *Config) sameRing() bool { return c.Old.Degree() == c.New.Degree() }

// integers is the number of words of one member's shares of a segment: d₁ a coefficient.
func (c *Config) integers(s segment) int { return s.count * c.Old.Degree() }

// elements is the number of new elements that show an old element for each coefficient of
// the segment: as many where the rings are the same, else one for four coordinates.
func (c *Config) elements(s segment) int {
	if c.sameRing() {
		return s.count
	}
	return (c.integers(s) + packing - 1) / packing
}

// Draw is what one run of Config.Draws takes: Count sharings, all of elements or all of
// integers, from item Address.First on.
type Draw struct {
	Address  prss.Address
	Elements bool
	Count    int
}

// draw says where the masks of a segment of old member j are.
func (c *Config) draw(s segment, j int) Draw {
	d := Draw{
		Address: prss.Address{
			Kind: fmt.Sprintf("reshare/%x/%x/%v", c.Session, c.Items[s.item].KeyID, s.secret),
			K:    s.k, Sub: uint16(j), // #nosec G115 -- at most sharing.MaxParties
		},
		Elements: c.sameRing(), Count: s.count,
	}
	if !d.Elements {
		d.Count = c.integers(s)
	}
	return d
}

// Draws returns all that is drawn from Masks, for who makes them to a measure. It needs
// Session, Items, Old and New.
func (c *Config) Draws() []Draw {
	var out []Draw
	for _, s := range segments(c.Items) {
		for j := 1; j <= c.Old.N(); j++ {
			out = append(out, c.draw(s, j))
		}
	}
	return out
}

// masks draws the own shares of old member j's masks of a segment: d₂ words an element, or
// an integer, of the share.
func (c *Config) masks(s segment, j int) ([]wide.Word, error) {
	d := c.draw(s, j)
	words := d.Count * c.New.Degree()
	if s.k > 64 {
		out := make([]wide.Word, words)
		v := prss.WideVectors{Integers: [][]wide.Word{out}}
		if d.Elements {
			v = prss.WideVectors{Elements: [][]wide.Word{out}}
		}
		return out, c.drawn(c.Masks.DrawWide(d.Address, v), s)
	}
	narrow := make([]uint64, words)
	defer clear(narrow)
	v := prss.Vectors{Integers: [][]uint64{narrow}}
	if d.Elements {
		v = prss.Vectors{Elements: [][]uint64{narrow}}
	}
	err := c.Masks.Draw(d.Address, v)
	return widen(narrow), c.drawn(err, s)
}

func (c *Config) drawn(err error, s segment) error {
	if err != nil {
		return fmt.Errorf("reshare: draw the masks of %v: %w", s.secret, err)
	}
	return nil
}

// widen returns the words of a vector over R_64 as those of one over R_128: what is
// computed with them is right in their lower halves.
func widen(v []uint64) []wide.Word {
	out := make([]wide.Word, len(v))
	for i, x := range v {
		out[i].Lo = x
	}
	return out
}

// narrow returns the lower halves.
func narrow(v []wide.Word) []uint64 {
	out := make([]uint64, len(v))
	for i, x := range v {
		out[i] = x.Lo
	}
	return out
}

// show returns what is sent of shares that stand for old elements, one each where the
// rings are the same, else packed: the shares themselves, or new memory.
func (c *Config) show(s segment, shares []wide.Word) []wide.Word {
	if c.sameRing() {
		return shares
	}
	d := c.New.Degree()
	whole := make([]wide.Word, packing*d*c.elements(s))
	copy(whole, shares)
	out := make([]wide.Word, d*c.elements(s))
	c.New.WideRing().PackAdd(out, whole)
	clear(whole)
	return out
}

// shown returns the old elements that opened values show, d₁ words each; ErrInconsistent
// if there is something where nothing was shared.
func (c *Config) shown(s segment, values []wide.Word) ([]wide.Word, error) {
	if c.sameRing() {
		return values, nil
	}
	d, out := c.New.Degree(), make([]wide.Word, 0, packing*c.elements(s))
	var rest uint64 // all that must be 0
	for ; len(values) > 0; values = values[d:] {
		out = append(out, values[:packing]...)
		for _, x := range values[packing:d] {
			rest |= x.Lo | x.Hi
		}
	}
	for _, x := range out[c.integers(s):] {
		rest |= x.Lo | x.Hi
	}
	if rest != 0 {
		return nil, fmt.Errorf("%w: %v", ErrInconsistent, s.secret)
	}
	return out[:c.integers(s)], nil
}
