package handles

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheRequestIDDependsOnTheHandlesInTheirOrder(t *testing.T) {
	key := [32]byte{1}
	ab := parse(t, handle(1, Bool), handle(2, Uint8))
	ba := parse(t, handle(2, Uint8), handle(1, Bool))
	id := RequestID(hostChain, KindPublicDecryption, key, ab)
	require.NotEqual(t, id, RequestID(hostChain, KindPublicDecryption, key, ba))
	require.NotEqual(t, id, RequestID(hostChain+1, KindPublicDecryption, key, ab))
	require.NotEqual(t, id, RequestID(hostChain, KindPublicDecryption+1, key, ab))
	require.NotEqual(t, id, RequestID(hostChain, KindPublicDecryption, [32]byte{2}, ab))
	require.NotEqual(t, id, RequestID(hostChain, KindPublicDecryption, key, ab[:1]))

	// Frozen: clients compute it too. Made with Python's hashlib from the layout
	// in the documentation of RequestID.
	require.Equal(t, "e29b81e68eb8ae4e058bc4e2efb89411ef7aeb70d4d88a04ad97611abf11324e", hex.EncodeToString(id[:]))
}

func TestTheIDOfAUserDecryptionDependsOnAllThatIsAnswered(t *testing.T) {
	var (
		key       = [32]byte{1}
		batch     = parse(t, handle(2, Uint8), handle(1, Bool))
		contracts = [][20]byte{address(0x11), address(0x22)}
		user      = address(0x44)
		signed    = [32]byte(bytes.Repeat([]byte{0x55}, 32))
	)
	id := UserRequestID(hostChain, key, batch, contracts, user, signed)
	// Frozen: clients compute it too. Made with Python's hashlib from the layout
	// in the documentation of UserRequestID.
	require.Equal(t, "eae9eda3cc65445c13c2feb7a1be262cb1c2c20c955bcb52ba31aac4d595410a", hex.EncodeToString(id[:]))

	reversed := []Handle{batch[1], batch[0]}
	for name, other := range map[string][32]byte{
		"host chain":     UserRequestID(hostChain+1, key, batch, contracts, user, signed),
		"key":            UserRequestID(hostChain, [32]byte{2}, batch, contracts, user, signed),
		"fewer handles":  UserRequestID(hostChain, key, batch[:1], contracts[:1], user, signed),
		"order":          UserRequestID(hostChain, key, reversed, [][20]byte{contracts[1], contracts[0]}, user, signed),
		"other contract": UserRequestID(hostChain, key, batch, [][20]byte{contracts[1], contracts[0]}, user, signed),
		"user":           UserRequestID(hostChain, key, batch, contracts, address(0x45), signed),
		"authorization":  UserRequestID(hostChain, key, batch, contracts, user, [32]byte{}),
	} {
		require.NotEqual(t, id, other, name)
	}
}

func TestBitsAreThoseOfTheTypes(t *testing.T) {
	require.Zero(t, Bits(nil))
	require.EqualValues(t, 1+4+64+2048, Bits(parse(t, handle(1, Bool), handle(2, Uint4), handle(3, Uint64), handle(4, Uint2048))))
}

func address(seed byte) [20]byte { return [20]byte(bytes.Repeat([]byte{seed}, 20)) }
