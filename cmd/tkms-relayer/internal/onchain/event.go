package onchain

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// allowedForDecryption is the first topic of the ACL's event
// AllowedForDecryption(address indexed caller, bytes32[] handlesList).
var allowedForDecryption = crypto.Keccak256Hash([]byte("AllowedForDecryption(address,bytes32[])"))

// maxHandles bounds the handles of one event; TKMS takes fewer in one request.
const maxHandles = 256

// ErrEvent reports data that are not those of the event.
var ErrEvent = errors.New("the data of the event are malformed")

// decodeHandles reads the ABI encoding of one bytes32[]: its place, its length, its
// words, and nothing after. Errors: ErrEvent.
func decodeHandles(data []byte) ([]common.Hash, error) {
	const word = 32
	if len(data) < 2*word || len(data)%word != 0 {
		return nil, fmt.Errorf("%w: %d bytes", ErrEvent, len(data))
	}
	count := uint64(len(data)/word - 2)
	if count == 0 || count > maxHandles {
		return nil, fmt.Errorf("%w: %d handles, want 1 to %d", ErrEvent, count, maxHandles)
	}
	place, length := new(uint256.Int).SetBytes(data[:word]), new(uint256.Int).SetBytes(data[word:2*word])
	if !place.Eq(uint256.NewInt(word)) || !length.Eq(uint256.NewInt(count)) {
		return nil, fmt.Errorf("%w: %s words at %s, but there are %d", ErrEvent, length, place, count)
	}
	list := make([]common.Hash, count)
	for i := range list {
		list[i] = common.BytesToHash(data[(2+i)*word : (3+i)*word])
	}
	return list, nil
}
