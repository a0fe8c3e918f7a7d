package client_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	"github.com/tkms-network/tkms/testutil/hostchain/hosttest"
	"github.com/tkms-network/tkms/x/acl/client"
	"github.com/tkms-network/tkms/x/acl/qbft"
	"github.com/tkms-network/tkms/x/acl/slots"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/handles"
)

// How long a test waits for what happens by itself, and between looks.
const (
	waitAtMost = time.Minute
	pause      = 10 * time.Millisecond
)

// fixture is a host chain and its node.
type fixture struct {
	*hosttest.Host
	node *client.Node
}

func setUp(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{Host: hosttest.New(t)}
	f.node = f.dial(f.URL)
	return f
}

func (f *fixture) dial(url string) *client.Node {
	f.Helper()
	node, err := client.Dial(f.Context, url, f.Record.Id)
	require.NoError(f, err)
	f.Cleanup(node.Close)
	return node
}

func TestEvidenceIsGatheredUnderTheHeadForABatch(t *testing.T) {
	f := setUp(t)
	batch := []handles.Handle{f.Submit("one", true), f.Submit("two", true)}
	evidence, err := f.node.Gather(f.Context, f.Record, batch)
	require.NoError(t, err)
	require.Equal(t, f.Chain.Head().Number.Uint64(), evidence.Height)
	require.Equal(t, f.Chain.Head().Time, evidence.Time)
	require.Equal(t, [][32]byte{crypto.Keccak256Hash([]byte("one")), crypto.Keccak256Hash([]byte("two"))}, evidence.Digests)
	require.False(t, evidence.NewValidators)
	require.Len(t, evidence.Proof.Acl.Storage, 2)
	require.Len(t, evidence.Proof.Registry.Storage, 2)
	header, err := qbft.DecodeHeader(evidence.Proof.Header)
	require.NoError(t, err)
	require.Equal(t, f.Chain.Head().Root, header.StateRoot)
}

func TestAHandleThatTheACLKeepsPrivateIsNamed(t *testing.T) {
	f := setUp(t)
	open, secret := f.Submit("open", true), f.Submit("secret", false)
	_, err := f.node.Gather(f.Context, f.Record, []handles.Handle{open, secret})
	require.ErrorIs(t, err, client.ErrNotPermitted)
	require.ErrorContains(t, err, named(secret))
}

func TestAHandleWithoutCiphertextIsNamed(t *testing.T) {
	f := setUp(t)
	open := f.Submit("open", true)
	stranger, err := f.Client.DeployRegistry(f.Context, f.Alice.Address())
	require.NoError(t, err)
	f.Record.Registry.Address = stranger[:]
	f.Record.Registry.CodeHash = nil
	_, err = f.node.Gather(f.Context, f.Record, []handles.Handle{open})
	require.ErrorIs(t, err, client.ErrNoDigest, "in a registry that is empty")
	_, err = f.Client.Register(f.Context, f.Alice, stranger, fhevm.Handle(f.Submit("other", true)), common.Hash{1})
	require.NoError(t, err)
	_, err = f.node.Gather(f.Context, f.Record, []handles.Handle{open})
	require.ErrorIs(t, err, client.ErrNoDigest)
}

func TestEvidenceThatTKMSWouldRefuseIsNotReturned(t *testing.T) {
	f := setUp(t)
	batch := []handles.Handle{f.Submit("one", true)}
	for name, c := range map[string]struct {
		change func(*acltypes.HostChain)
		want   error
	}{
		"sealed by others than the registered validators": {func(r *acltypes.HostChain) {
			strangers, err := f.Chain.SetValidators([]int{10, 11, 12, 13})
			require.NoError(t, err)
			r.Validators = nil
			for _, v := range strangers {
				r.Validators = append(r.Validators, v[:])
			}
			_, err = f.Chain.SetValidators([]int{0, 1, 2, 3})
			require.NoError(t, err)
		}, qbft.ErrNoSuccession},
		"other code than the registered": {func(r *acltypes.HostChain) { r.Registry.CodeHash = make([]byte, 32) }, client.ErrBadAnswer},
		"no such contract":               {func(r *acltypes.HostChain) { r.Acl.Address = make([]byte, 20) }, client.ErrBadAnswer},
		"a layout that is not known":     {func(r *acltypes.HostChain) { r.AclLayout = "fhevm-9" }, slots.ErrUnknownLayout},
	} {
		t.Run(name, func(t *testing.T) {
			record := *f.Record
			c.change(&record)
			_, err := f.node.Gather(f.Context, &record, batch)
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestANewValidatorSetIsSeenAsASuccession(t *testing.T) {
	f := setUp(t)
	_, err := f.Chain.SetValidators([]int{1, 2, 3, 4})
	require.NoError(t, err)
	batch := []handles.Handle{f.Submit("one", true)}
	evidence, err := f.node.Gather(f.Context, f.Record, batch)
	require.NoError(t, err)
	require.True(t, evidence.NewValidators)
}

func TestANodeThatLiesIsFoundOut(t *testing.T) {
	f := setUp(t)
	batch := []handles.Handle{f.Submit("one", true)}
	root := f.Chain.Head().Root.Hex()
	for name, c := range map[string]struct {
		from, to string
		want     error
	}{
		"another state root":     {root, common.Hash{1}.Hex(), qbft.ErrStranger},
		"another extraData":      {`"extraData":"0x`, `"extraData":"0x00`, client.ErrBadAnswer},
		"an account proof short": {`"accountProof":["`, `"accountProof":["0x80","`, client.ErrBadAnswer},
		"no storage proof":       {`"storageProof":[`, `"storageProof":[],"other":[`, client.ErrBadAnswer},
		"a storage proof short":  {`"proof":["`, `"proof":["0x80","`, client.ErrBadAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			liar := f.dial(f.Proxy(func(_, body []byte) []byte { return bytes.ReplaceAll(body, []byte(c.from), []byte(c.to)) }))
			_, err := liar.Gather(f.Context, f.Record, batch)
			require.ErrorIs(t, err, c.want)
		})
	}
	honest := f.dial(f.Proxy(func(_, body []byte) []byte { return body }))
	_, err := honest.Gather(f.Context, f.Record, batch)
	require.NoError(t, err, "the proxy itself changes nothing")
}

// shortened puts a node in front of each storage proof.
func shortened(_, answer []byte) []byte {
	return bytes.ReplaceAll(answer, []byte(`"proof":["`), []byte(`"proof":["0x80","`))
}

func TestANodeOfAnotherChainIsFoundOut(t *testing.T) {
	f := setUp(t)
	require.NoError(t, f.node.CheckChain(f.Context))
	other, err := client.Dial(f.Context, f.URL, 1)
	require.NoError(t, err)
	defer other.Close()
	require.ErrorIs(t, other.CheckChain(f.Context), client.ErrOtherChain)
	height, err := f.node.Height(f.Context)
	require.NoError(t, err)
	require.Equal(t, f.Chain.Head().Number.Uint64(), height)
}

func TestANodeThatDoesNotAnswerIsNamed(t *testing.T) {
	f := setUp(t)
	silent := f.dial("http://127.0.0.1:1")
	_, err := silent.Gather(f.Context, f.Record, []handles.Handle{{}})
	require.ErrorIs(t, err, client.ErrNode)
	_, err = silent.Height(f.Context)
	require.ErrorIs(t, err, client.ErrNode)
	require.ErrorIs(t, silent.CheckChain(f.Context), client.ErrNode)
}
