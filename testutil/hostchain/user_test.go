package hostchain

import (
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/hostchain/client"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

func TestKeptValuesAreAllowedForTheirOwnerAndTheContract(t *testing.T) {
	chain := newTestChain(t, nil)
	ctx, c, alice := dialTest(t, chain)
	input, err := c.SubmitCiphertext(ctx, common.Address{}, alice.Address(), fhevm.Uint64, []byte("alice's own"))
	require.NoError(t, err)
	_, err = c.Keep(ctx, alice, nil, input.InputProof)
	require.True(t, fhevm.IsRevert(err, "NoHandles"), "%v", err)
	_, err = c.Keep(ctx, alice, []fhevm.Handle{input.Handle}, input.InputProof)
	require.NoError(t, err)
	kept, err := c.Kept(ctx, alice.Address())
	require.NoError(t, err)
	require.Equal(t, []fhevm.Handle{input.Handle}, kept)
	bob := common.Address{0xb0}
	for account, allowed := range map[common.Address]bool{alice.Address(): true, chain.Disclosure(): true, bob: false} {
		value, err := c.Eth().StorageAt(ctx, fhevm.ACLAddress, fhevm.PersistedAllowedSlot(input.Handle, account), nil)
		require.NoError(t, err)
		require.Equal(t, allowed, new(big.Int).SetBytes(value).Sign() > 0)
	}
}

func TestDelegationsAreGivenAndTakenBack(t *testing.T) {
	chain := newTestChain(t, nil)
	ctx, c, alice := dialTest(t, chain)
	bob, err := client.NewAccount()
	require.NoError(t, err)
	_, err = c.RevokeDelegation(ctx, alice, bob.Address(), chain.Disclosure())
	require.True(t, fhevm.IsRevert(err, "NotDelegatedYet"), "%v", err)
	_, err = c.Delegate(ctx, alice, bob.Address(), chain.Disclosure(), time.Now().Add(time.Minute))
	require.True(t, fhevm.IsRevert(err, "ExpirationDateBeforeOneHour"), "%v", err)
	_, err = c.Delegate(ctx, alice, bob.Address(), chain.Disclosure(), time.Now().Add(2*time.Hour))
	require.NoError(t, err)
	_, err = c.Mine(ctx, 1)
	require.NoError(t, err)
	_, err = c.RevokeDelegation(ctx, alice, bob.Address(), chain.Disclosure())
	require.NoError(t, err)
}
