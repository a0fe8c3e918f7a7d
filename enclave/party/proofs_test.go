package party

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/cosmos/gogoproto/proto"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/party/committee"
	"github.com/tkms-network/tkms/enclave/party/identity"
	"github.com/tkms-network/tkms/enclave/party/metrics"
	"github.com/tkms-network/tkms/enclave/party/status"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// recordsOf is a chain of a few records that counts proofs.
type recordsOf struct {
	Chain
	records map[string][]byte

	mu     sync.Mutex
	proofs map[string]int
}

func (c *recordsOf) Prove(_ context.Context, store string, key []byte, _ int64) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := store + "/" + string(key)
	c.proofs[name]++
	return c.records[name], nil
}

func (c *recordsOf) set(t *testing.T, store string, key []byte, record proto.Message) {
	raw, err := proto.Marshal(record)
	require.NoError(t, err)
	c.records[store+"/"+string(key)] = raw
}

func newRecords(t *testing.T) (*recordsOf, *Party) {
	chain := &recordsOf{records: map[string][]byte{}, proofs: map[string]int{}}
	return chain, New(Config{Chain: chain, Identity: new(identity.Identity)}, status.NewBoard(time.Now), metrics.New(prometheus.NewRegistry()))
}

func TestRequestsOfABlockShareOneProofOfTheirHostChain(t *testing.T) {
	chain, p := newRecords(t)
	key := acltypes.StoreKeyOfHostChain(7)
	chain.set(t, acltypes.StoreKey, key, &acltypes.HostChain{Id: 7, BlobEndpoints: []string{"http://old"}})
	name := acltypes.StoreKey + "/" + string(key)
	p.height = 10
	for range 3 {
		host, err := p.hostOf(t.Context(), &kmstypes.Request{HostChainId: 7, AcceptedHeight: 10})
		require.NoError(t, err)
		require.Equal(t, []string{"http://old"}, host.BlobEndpoints)
	}
	require.Equal(t, 1, chain.proofs[name])

	// A later request may be of a record that has changed.
	chain.set(t, acltypes.StoreKey, key, &acltypes.HostChain{Id: 7, BlobEndpoints: []string{"http://new"}})
	p.height = 11
	host, err := p.hostOf(t.Context(), &kmstypes.Request{HostChainId: 7, AcceptedHeight: 11})
	require.NoError(t, err)
	require.Equal(t, []string{"http://new"}, host.BlobEndpoints)
	require.Equal(t, 2, chain.proofs[name])
}

func TestARequestIsLookedAtWhenItsAnswerMayBeThere(t *testing.T) {
	chain, p := newRecords(t)
	request := &kmstypes.Request{Id: []byte{1}, Attempt: 1, Status: kmstypes.REQUEST_STATUS_ACCEPTED}
	key := kmstypes.StoreKeyOfRequest(request.Id)
	chain.set(t, kmstypes.StoreKey, key, request)
	p.height = 10
	s := &seat{ctx: t.Context(), committee: &committee.Committee{Self: 1}}
	_, fresh := p.add(s, &task{id: requestTask(request), request: request, look: 10 + firstLook})
	require.True(t, fresh)
	looked := map[int64]int{}
	for height := int64(10); height < 20; height++ {
		before := chain.proofs[kmstypes.StoreKey+"/"+string(key)]
		require.NoError(t, p.followTasks(t.Context(), height))
		looked[height] = chain.proofs[kmstypes.StoreKey+"/"+string(key)] - before
	}
	require.Equal(t, map[int64]int{10: 0, 11: 0, 12: 0, 13: 1, 14: 0, 15: 1, 16: 0, 17: 1, 18: 0, 19: 1}, looked)
}
