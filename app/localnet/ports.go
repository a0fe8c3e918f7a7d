package localnet

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
)

// Ports that are given away, below those that systems take for connections.
const (
	firstPort = 20000
	lastPort  = 32000
)

// given counts the ports that this process was given.
var given atomic.Uint32

// FreeAddresses returns n loopback addresses for servers that start later, or stop and
// start again: nobody listens there now, and no two calls of a process return the same.
// Where all of 127.0.0.0/8 is loopback, they are of a host that other processes do not
// use, so that nobody else takes them in the meantime.
func FreeAddresses(n int) ([]string, error) {
	host := "127.0.0.1"
	if pid := os.Getpid(); runtime.GOOS == "linux" {
		host = net.IPv4(127, byte(64+pid>>16), byte(pid>>8), byte(pid)).String()
	}
	addresses := make([]string, 0, n)
	for len(addresses) < n {
		port := firstPort + int(given.Add(1)) - 1
		if port > lastPort {
			return nil, fmt.Errorf("localnet: ports %d..%d of %s are used up", firstPort, lastPort, host)
		}
		address := net.JoinHostPort(host, strconv.Itoa(port))
		listener, err := net.Listen("tcp", address)
		switch {
		case err == nil:
			_ = listener.Close()
			addresses = append(addresses, address)
		case !errors.Is(err, syscall.EADDRINUSE):
			return nil, fmt.Errorf("localnet: free port: %w", err)
		}
	}
	return addresses, nil
}

// loopback returns n addresses: consecutive ports from base, or free ones if base is zero.
func loopback(base, n int) ([]string, error) {
	if base == 0 {
		return FreeAddresses(n)
	}
	if base < 1024 || base+n > 65536 {
		return nil, fmt.Errorf("localnet: ports %d..%d are not within 1024..65535", base, base+n-1)
	}
	addresses := make([]string, n)
	for i := range addresses {
		addresses[i] = net.JoinHostPort("127.0.0.1", strconv.Itoa(base+i))
	}
	return addresses, nil
}
