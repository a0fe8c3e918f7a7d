package localnet

import (
	"net"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFreeAddressesAreLoopbackAndGivenOnce(t *testing.T) {
	seen := map[string]bool{}
	for range 2 {
		addresses, err := FreeAddresses(20)
		require.NoError(t, err)
		require.Len(t, addresses, 20)
		for _, address := range addresses {
			require.False(t, seen[address], address)
			seen[address] = true
			host, port, err := net.SplitHostPort(address)
			require.NoError(t, err)
			require.True(t, net.ParseIP(host).IsLoopback(), address)
			number, err := strconv.Atoi(port)
			require.NoError(t, err)
			require.Less(t, number, 32768, "systems give away ports from there on")
		}
	}
}

func TestAFreeAddressIsNoneThatSomebodyListensOn(t *testing.T) {
	first, err := FreeAddresses(1)
	require.NoError(t, err)
	host, port, err := net.SplitHostPort(first[0])
	require.NoError(t, err)
	number, err := strconv.Atoi(port)
	require.NoError(t, err)
	taken := net.JoinHostPort(host, strconv.Itoa(number+1))
	listener, err := net.Listen("tcp", taken)
	require.NoError(t, err)
	defer listener.Close()
	next, err := FreeAddresses(2)
	require.NoError(t, err)
	require.NotContains(t, next, taken)
}
