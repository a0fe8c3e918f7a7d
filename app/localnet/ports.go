package localnet

import (
	"fmt"
	"net"
	"strconv"
)

// loopback returns n addresses: consecutive ports from base, or free ports if base is zero. Free ports are
// held open together until all are known, so that none is given twice.
func loopback(base, n int) ([]string, error) {
	addresses := make([]string, 0, n)
	if base != 0 {
		if base < 1024 || base+n > 65536 {
			return nil, fmt.Errorf("localnet: ports %d..%d are not within 1024..65535", base, base+n-1)
		}
		for i := range n {
			addresses = append(addresses, net.JoinHostPort("127.0.0.1", strconv.Itoa(base+i)))
		}
		return addresses, nil
	}
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("localnet: free port: %w", err)
		}
		defer listener.Close()
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses, nil
}
