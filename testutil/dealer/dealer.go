// Package dealer deals a plain key among parties, for tests and debugging. It
// breaks what the system is for, that nobody ever holds the key: the party's
// binary must not import it.
package dealer

import (
	"fmt"
	"io"

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
