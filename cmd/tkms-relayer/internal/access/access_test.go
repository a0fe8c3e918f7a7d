package access

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bench is a gate whose clock stands still.
type bench struct {
	*testing.T
	gate *Gate
	now  time.Time
}

func setUp(t *testing.T, keys []Key, anonymous Limit, proxied bool) *bench {
	t.Helper()
	gate, err := New(keys, anonymous, proxied)
	require.NoError(t, err)
	b := &bench{t, gate, time.Unix(1_000_000, 0)}
	gate.now = func() time.Time { return b.now }
	return b
}

func (b *bench) call(address string, headers ...string) error {
	r := httptest.NewRequest(http.MethodPost, "/v2/user-decrypt", nil)
	r.RemoteAddr = address
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return b.gate.Admit(r)
}

func entryOf(name, key string, limit Limit) Key {
	sum := sha256.Sum256([]byte(key))
	return Key{name, hex.EncodeToString(sum[:]), limit}
}

func TestAnAddressMayCallAsOftenAsItsLimit(t *testing.T) {
	b := setUp(t, nil, Limit{Rate: 2, Burst: 3}, false)
	for range 3 {
		require.NoError(t, b.call("10.0.0.1:1000"))
	}
	var limited *Limited
	require.ErrorAs(t, b.call("10.0.0.1:2000"), &limited, "its ports are one caller")
	require.Equal(t, 500*time.Millisecond, limited.After)
	require.NoError(t, b.call("10.0.0.2:1000"), "others are not held up")
	b.now = b.now.Add(500 * time.Millisecond)
	require.NoError(t, b.call("10.0.0.1:1000"))
	require.ErrorAs(t, b.call("10.0.0.1:1000"), &limited)
}

func TestAnIPv6HostIsOneCaller(t *testing.T) {
	b := setUp(t, nil, Limit{Rate: 1, Burst: 1}, false)
	require.NoError(t, b.call("[2001:db8::1]:1"))
	require.Error(t, b.call("[2001:db8::2]:1"))
	require.NoError(t, b.call("[2001:db8:0:1::1]:1"))
	require.NoError(t, b.call("10.0.0.1:1"))
	require.Error(t, b.call("[::ffff:10.0.0.1]:1"), "the same address in another notation")
}

func TestAKeyHasLimitsOfItsOwn(t *testing.T) {
	b := setUp(t, []Key{entryOf("dapp", "k1", Limit{1, 2}), entryOf("shop", "k2", Limit{1, 1})}, Limit{1, 1}, false)
	for _, headers := range [][]string{{"x-api-key", "k1"}, {"Authorization", "Bearer k1"}} {
		require.NoError(t, b.call("10.0.0.1:1", headers...))
	}
	var limited *Limited
	require.ErrorAs(t, b.call("10.0.0.2:1", "Cookie", "x-api-key=k1;"), &limited, "it counts wherever it comes from and however it is shown")
	require.NoError(t, b.call("10.0.0.1:1", "x-api-key", "k2"))
	require.NoError(t, b.call("10.0.0.1:1"), "its calls are not those of the address")
}

func TestAKeyThatIsNotOnTheListIsRefused(t *testing.T) {
	b := setUp(t, []Key{entryOf("dapp", "k1", Limit{1, 1})}, Limit{1, 1}, false)
	require.ErrorIs(t, b.call("10.0.0.1:1", "x-api-key", "k3"), ErrUnknownKey)
	require.NoError(t, b.call("10.0.0.1:1"))
}

func TestWithoutAnonymousCallsAKeyIsNeeded(t *testing.T) {
	b := setUp(t, []Key{entryOf("dapp", "k1", Limit{1, 1})}, Limit{}, false)
	require.ErrorIs(t, b.call("10.0.0.1:1"), ErrNoKey)
	require.ErrorIs(t, b.call("10.0.0.1:1", "Authorization", "Basic k1"), ErrNoKey)
	require.NoError(t, b.call("10.0.0.1:1", "x-api-key", "k1"))
}

func TestBehindAProxyTheAddressIsTheOneItSaw(t *testing.T) {
	b := setUp(t, nil, Limit{1, 1}, true)
	require.NoError(t, b.call("10.0.0.1:1", "X-Forwarded-For", "1.1.1.1, 2.2.2.2"))
	require.Error(t, b.call("10.0.0.1:1", "X-Forwarded-For", "3.3.3.3", "X-Forwarded-For", "9.9.9.9,2.2.2.2"), "what comes before is the caller's own word")
	require.NoError(t, b.call("10.0.0.1:1", "X-Forwarded-For", "2.2.2.2, 3.3.3.3"))

	b = setUp(t, nil, Limit{1, 1}, false)
	require.NoError(t, b.call("10.0.0.1:1", "X-Forwarded-For", "1.1.1.1"))
	require.Error(t, b.call("10.0.0.1:1", "X-Forwarded-For", "2.2.2.2"), "nobody but a proxy is believed")
}

func TestWhatIsRememberedOfAddressesIsBounded(t *testing.T) {
	b := setUp(t, nil, Limit{Rate: 1, Burst: 1}, false)
	address := func(i int) string { return fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255) }
	for i := range maxAddresses {
		require.NoError(t, b.call(address(i)))
	}
	require.NoError(t, b.call(address(maxAddresses)))
	require.Error(t, b.call(address(maxAddresses+1)), "the crowd has one limit")
	require.Len(t, b.gate.addresses, maxAddresses)
	b.now = b.now.Add(2 * time.Second)
	require.NoError(t, b.call(address(maxAddresses+1)))
	require.Len(t, b.gate.addresses, 1, "who is at rest is forgotten")
}

func TestACallerWithoutAddressIsLimitedToo(t *testing.T) {
	b := setUp(t, nil, Limit{1, 1}, true)
	require.NoError(t, b.call("@"))
	require.Error(t, b.call("10.0.0.1:1", "X-Forwarded-For", "unknown"))
}

func TestAFileOfKeysIsReadStrictly(t *testing.T) {
	write := func(text string) string {
		path := filepath.Join(t.TempDir(), "keys.json")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	digest := "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	entry := `{"name":"dapp","sha256":"` + digest + `","rate":20,"burst":100}`
	keys, err := ReadKeys(write("[" + entry + "]"))
	require.NoError(t, err)
	require.Equal(t, []Key{{"dapp", digest, Limit{20, 100}}}, keys)
	for name, text := range map[string]string{
		"no JSON":         "dapp",
		"short digest":    `[{"name":"a","sha256":"00","rate":1,"burst":1}]`,
		"no rate":         `[{"name":"a","sha256":"` + digest + `","burst":1}]`,
		"no burst":        `[{"name":"a","sha256":"` + digest + `","rate":1}]`,
		"the key itself":  `[{"name":"a","key":"secret","rate":1,"burst":1}]`,
		"negative limits": `[{"name":"a","sha256":"` + digest + `","rate":-1,"burst":1}]`,
	} {
		_, err := ReadKeys(write(text))
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "secret")
	}
	_, err = ReadKeys(filepath.Join(t.TempDir(), "none"))
	require.Error(t, err)
	_, err = New(append(keys, keys...), Limit{}, false)
	require.ErrorContains(t, err, "twice")
}
