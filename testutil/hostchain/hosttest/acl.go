package hosttest

import (
	"crypto/ecdsa"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/hostchain/client"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	"github.com/tkms-network/tkms/x/kms/handles"
)

// acl is what accounts call of the ACL themselves.
var acl = func() abi.ABI {
	parsed, err := abi.JSON(strings.NewReader(`[
		{"type": "function", "name": "delegateForUserDecryption", "inputs": [
			{"name": "delegate", "type": "address"}, {"name": "contractAddress", "type": "address"}, {"name": "expirationDate", "type": "uint64"}]},
		{"type": "function", "name": "revokeDelegationForUserDecryption", "inputs": [
			{"name": "delegate", "type": "address"}, {"name": "contractAddress", "type": "address"}]}]`))
	if err != nil {
		panic("hosttest: ACL: " + err.Error())
	}
	return parsed
}()

// Allow lets an account have a value of Alice's.
func (h *Host) Allow(handle handles.Handle, account common.Address) {
	h.Helper()
	_, err := h.Client.Allow(h.Context, h.Alice, fhevm.Handle(handle), account)
	require.NoError(h, err)
}

// Delegate lets a delegate read what an account may read for a contract until a block
// time, which is an hour or more from now.
func (h *Host) Delegate(from *client.Account, delegate, contract common.Address, expires uint64) {
	h.Helper()
	h.callACL(from, "delegateForUserDecryption", delegate, contract, expires)
}

// Revoke takes back what Delegate gave.
func (h *Host) Revoke(from *client.Account, delegate, contract common.Address) {
	h.Helper()
	h.callACL(from, "revokeDelegationForUserDecryption", delegate, contract)
}

func (h *Host) callACL(from *client.Account, method string, arguments ...any) {
	h.Helper()
	data, err := acl.Pack(method, arguments...)
	require.NoError(h, err)
	_, err = h.Client.Transact(h.Context, from, h.Client.Info().Contracts.ACL, data)
	require.NoError(h, err)
}

// Install puts a contract that does nothing at the first contract address of a new
// key, with words in its storage that the caller chooses once it knows the address.
func (h *Host) Install(words func(contract common.Address) map[common.Hash]common.Hash) common.Address {
	h.Helper()
	key, err := crypto.GenerateKey()
	require.NoError(h, err)
	require.NoError(h, h.Client.Fund(h.Context, crypto.PubkeyToAddress(key.PublicKey), nil))
	contract := crypto.CreateAddress(crypto.PubkeyToAddress(key.PublicKey), 0)
	hash := h.create(key, storing(words(contract)))
	receipt, err := h.Client.WaitReceipt(h.Context, hash)
	require.NoError(h, err)
	require.Equal(h, contract, receipt.ContractAddress)
	return contract
}

// create sends a key's first transaction, which runs code to make a contract.
func (h *Host) create(key *ecdsa.PrivateKey, code []byte) common.Hash {
	h.Helper()
	id := new(big.Int).SetUint64(h.Record.Id)
	price, err := h.Client.Eth().SuggestGasPrice(h.Context)
	require.NoError(h, err)
	tx, err := types.SignNewTx(key, types.LatestSignerForChainID(id), &types.LegacyTx{GasPrice: price.Lsh(price, 1), Gas: 1_000_000, Data: code})
	require.NoError(h, err)
	require.NoError(h, h.Client.Eth().SendTransaction(h.Context, tx))
	return tx.Hash()
}

// storing is code that stores words and makes a contract of one STOP.
func storing(words map[common.Hash]common.Hash) []byte {
	const push1, push32, sstore, ret = 0x60, 0x7f, 0x55, 0xf3
	var code []byte
	for slot, word := range words {
		code = append(append(code, push32), word[:]...)
		code = append(append(code, push32), slot[:]...)
		code = append(code, sstore)
	}
	// Memory is zero, and so is STOP.
	return append(code, push1, 1, push1, 0, ret)
}
