package carrier_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	rpchttp "github.com/cometbft/cometbft/rpc/client/http"

	"github.com/tkms-network/tkms/testutil/carrier"
)

// record is a node's answer about a record with the value "true".
const record = `{"jsonrpc":"2.0","id":0,"result":{"response":{"code":0,"key":"a2V5","value":"dHJ1ZQ==","height":"5"}}}`

// before puts a carrier before a node that gives every question the same answer.
func before(t *testing.T, lie carrier.Lie) *carrier.Carrier {
	t.Helper()
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(record)) }))
	t.Cleanup(node.Close)
	c := carrier.New(strings.TrimPrefix(node.URL, "http://"), lie)
	t.Cleanup(c.Close)
	return c
}

// ask has a new client ask, whose question is the one that the node answers.
func ask(t *testing.T, c *carrier.Carrier, patience time.Duration) (string, error) {
	t.Helper()
	client, err := rpchttp.New(c.URL(), "/websocket")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	result, err := client.ABCIQuery(ctx, "/store/kms/key", []byte("key"))
	if err != nil {
		return "", err
	}
	return string(result.Response.Value), nil
}

func TestACarrierIsHonestUntilItIsToldALie(t *testing.T) {
	c := before(t, carrier.Lie{})
	value, err := ask(t, c, 5*time.Second)
	require.NoError(t, err)
	require.Equal(t, "true", value)
	require.Zero(t, c.Told())

	c.Tell(carrier.Forge())
	value, err = ask(t, c, 5*time.Second)
	require.NoError(t, err)
	require.NotEqual(t, "true", value)
	require.EqualValues(t, 1, c.Told())

	c.Tell(carrier.Lie{})
	value, err = ask(t, c, 5*time.Second)
	require.NoError(t, err)
	require.Equal(t, "true", value)
}

func TestWhoStallsAnswersNothing(t *testing.T) {
	c := before(t, carrier.Stall())
	_, err := ask(t, c, 100*time.Millisecond)
	require.Error(t, err)
	require.EqualValues(t, 1, c.Told())
}
