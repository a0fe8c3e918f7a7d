package network_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/lightclient"
	"github.com/tkms-network/tkms/testutil/carrier"
)

// carry puts a carrier before a node until the test ends.
func carry(t *testing.T, rpc string, lie carrier.Lie) *carrier.Carrier {
	t.Helper()
	c := carrier.New(rpc, lie)
	t.Cleanup(c.Close)
	return c
}

// by is how a light client reaches a carrier.
func by(t *testing.T, c *carrier.Carrier) lightclient.Node {
	t.Helper()
	node, err := lightclient.HTTP(c.URL())
	require.NoError(t, err)
	return node
}
