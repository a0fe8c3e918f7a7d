// Package dealer deals a plain key among parties, for tests and debugging. It
// breaks what the system is for, that nobody ever holds the key: the party's
// binary must not import it.
package dealer

import (
	"fmt"
	"io"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/reencrypt"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Deal shares a key of bits (words 0 or 1) among n parties of which t may be
// corrupt, over R_64 of extension degree d, with uniform randomness read from
// random. Element i−1 of the result is party i's share: d words a bit.
func Deal(random io.Reader, n, t, d int, bits []uint64) ([][]uint64, error) {
	for j, b := range bits {
		if b > 1 {
			return nil, fmt.Errorf("dealer: coefficient %d of the key is not a bit", j)
		}
	}
	code, err := sharing.New(n, t, d)
	if err != nil {
		return nil, err
	}
	return code.Deal(random, t, bits)
}

// PRSS runs a whole PRSS set-up of n parties in one place. Element i−1 of the
// result are party i's keys.
func PRSS(random io.Reader, epoch mpc.Digest, n, t int) ([]*prss.Keys, error) {
	contributions, roots := make([]*prss.Contribution, n), map[int]mpc.Digest{}
	for i := range contributions {
		c, err := prss.NewContribution(random, epoch, i+1, n, t)
		if err != nil {
			return nil, err
		}
		contributions[i], roots[i+1] = c, c.Root()
	}
	type envelope struct {
		from int
		mpc.Message
	}
	var queue []envelope
	send := func(from int, out []mpc.Message) {
		for _, m := range out {
			queue = append(queue, envelope{from, m})
		}
	}
	setups := make([]*prss.Setup, n)
	for i, c := range contributions {
		s, err := prss.NewSetup(c, roots)
		if err != nil {
			return nil, err
		}
		out, err := s.Start()
		if err != nil {
			return nil, err
		}
		setups[i] = s
		send(i+1, out)
	}
	for ; len(queue) > 0; queue = queue[1:] {
		e := queue[0]
		out, err := setups[e.To-1].Receive(e.from, e.Round, e.Payload)
		if err != nil {
			return nil, err
		}
		send(e.To, out)
	}
	keys := make([]*prss.Keys, n)
	for i, s := range setups {
		if keys[i] = s.Keys(); keys[i] == nil {
			return nil, fmt.Errorf("dealer: the set-up of party %d did not end", i+1)
		}
	}
	return keys, nil
}

// BlockShares deals the messages of a ciphertext's blocks as parties hand them to a
// user: packed four an element over GR(2^5, 4), each with a sharing of its own. Element
// i−1 of the result is party i's share as reencrypt.Recipient.Signcrypt takes it.
func BlockShares(random io.Reader, n, t int, blocks []uint64) ([][]uint64, error) {
	const d = reencrypt.BlocksPerElement
	code, err := sharing.New(n, t, d)
	if err != nil {
		return nil, err
	}
	elements := reencrypt.Elements(len(blocks))
	padded := make([]uint64, elements*d)
	copy(padded, blocks)
	dealt, err := code.Deal(random, t, padded)
	if err != nil {
		return nil, err
	}
	r := code.Ring()
	out := make([][]uint64, n)
	for i, shares := range dealt {
		out[i] = make([]uint64, len(padded))
		for e := range elements {
			var packed ring.Elem
			for j := range d { // point 2^j is Y^j
				packed = r.Add(packed, r.Mul(r.Point(1<<j), r.At(shares, e*d+j)))
			}
			r.Set(out[i], e, packed)
		}
		ring.Reduce(out[i], reencrypt.Width)
	}
	return out, nil
}
