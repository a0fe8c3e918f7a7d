package soak

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func secret(size int) []byte {
	random := rand.NewChaCha8([32]byte{1})
	out := make([]byte, size)
	_, _ = random.Read(out)
	return out
}

func TestASecretIsFoundInWhateverFormItWasLogged(t *testing.T) {
	key := secret(32)
	c := newCanary()
	c.add("key", key)
	for _, logged := range []string{
		string(key), hex.EncodeToString(key), strings.ToUpper(hex.EncodeToString(key)), base64.StdEncoding.EncodeToString(key),
		base64.RawURLEncoding.EncodeToString(key), fmt.Sprintf("%x", key[:16]), fmt.Sprint(key),
		base64.StdEncoding.EncodeToString(append([]byte("{"), key...)), base64.StdEncoding.EncodeToString(append([]byte("{1"), key...)),
	} {
		found, err := c.find(strings.NewReader("level=INFO key=" + logged + "\n"))
		require.NoError(t, err)
		require.Equal(t, "key", found, "%q", logged)
	}
}

func TestPartsOfALongSecretAreFound(t *testing.T) {
	share := secret(100_000)
	c := newCanary()
	c.add("share", share)
	at := (len(share) - 32) / samples * 5
	found, err := c.find(strings.NewReader(hex.EncodeToString(share[at : at+40])))
	require.NoError(t, err)
	require.Equal(t, "share", found)
}

func TestWhatIsNoSecretIsNotFound(t *testing.T) {
	c := newCanary()
	c.add("key", secret(32))
	c.add("a file of zeros", make([]byte, 4096))
	found, err := c.find(strings.NewReader(strings.Repeat("level=INFO msg=\"a block\" hash=00000000000000000000\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 100)))
	require.NoError(t, err)
	require.Empty(t, found)
}
