package demo

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

// fhevmCalls are the calls of the host contracts by which anybody gets a handle
// that no ciphertext was brought for: the executor is to encrypt a public value.
var fhevmCalls = func() abi.ABI {
	parsed, err := abi.JSON(strings.NewReader(`[
		{"type":"function","name":"trivialEncrypt","inputs":[{"name":"pt","type":"uint256"},{"name":"toType","type":"uint8"}],"outputs":[{"type":"bytes32"}]},
		{"type":"function","name":"allowForDecryption","inputs":[{"name":"handlesList","type":"bytes32[]"}],"outputs":[]}]`))
	if err != nil {
		panic(err)
	}
	return parsed
}()

// unboundHandle makes a handle that its maker disclosed in the ACL and for which
// the registry has no digest. The permission to disclose lasts for one transaction
// only, so both calls are in the constructor of a contract; the contract's code is
// where the handle is read from.
func (r *run) unboundHandle(ctx context.Context) (fhevm.Handle, error) {
	var handle fhevm.Handle
	info := r.net.HostClient.Info()
	creation, err := disclosingConstructor(info.Contracts.FHEVMExecutor, info.Contracts.ACL)
	if err != nil {
		return handle, err
	}
	key, err := crypto.GenerateKey()
	if err != nil {
		return handle, err
	}
	maker := crypto.PubkeyToAddress(key.PublicKey)
	if err := r.net.HostClient.Fund(ctx, maker, nil); err != nil {
		return handle, err
	}
	eth := r.net.HostClient.Eth()
	head, err := eth.HeaderByNumber(ctx, nil)
	if err != nil {
		return handle, err
	}
	id, tip := new(big.Int).SetUint64(info.ChainID), big.NewInt(1_000_000_000)
	tx, err := types.SignNewTx(key, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
		ChainID: id, GasTipCap: tip, GasFeeCap: new(big.Int).Add(tip, new(big.Int).Lsh(head.BaseFee, 1)), Gas: 2_000_000, Data: creation,
	})
	if err != nil {
		return handle, err
	}
	if err := eth.SendTransaction(ctx, tx); err != nil {
		return handle, err
	}
	receipt, err := r.net.HostClient.WaitReceipt(ctx, tx.Hash())
	if err != nil {
		return handle, err
	}
	code, err := eth.CodeAt(ctx, receipt.ContractAddress, nil)
	if err != nil {
		return handle, err
	}
	if len(code) != 1+len(handle) {
		return handle, fmt.Errorf("the constructor left %d bytes", len(code))
	}
	copy(handle[:], code[1:])
	return handle, nil
}

// disclosingConstructor returns creation code that calls trivialEncrypt of the
// executor and allowForDecryption of the ACL with the handle that came back. It
// leaves a byte 1 and the handle as the contract's code.
func disclosingConstructor(executor, acl common.Address) ([]byte, error) {
	encrypt, err := fhevmCalls.Pack("trivialEncrypt", big.NewInt(1), uint8(fhevm.Uint8))
	if err != nil {
		return nil, err
	}
	allow, err := fhevmCalls.Pack("allowForDecryption", [][32]byte{{}})
	if err != nil {
		return nil, err
	}
	// Memory: the first call, then the second, whose last word the first call's answer
	// overwrites.
	data := slices.Concat(encrypt, allow)
	word := byte(len(data) - 32)
	push := func(values ...byte) (out []byte) {
		for _, v := range values {
			out = append(out, byte(vm.PUSH1), v)
		}
		return out
	}
	call := func(to common.Address, out, outSize, in, inSize byte) []byte {
		code := append(push(outSize, out, inSize, in, 0), byte(vm.PUSH20))
		return append(append(code, to[:]...), byte(vm.GAS), byte(vm.CALL))
	}
	body := call(executor, word, 32, 0, byte(len(encrypt)))
	body = append(body, call(acl, 0, 0, byte(len(encrypt)), byte(len(allow)))...)
	const prologue = 7 // three pushes and CODECOPY
	body = append(body, byte(vm.AND))
	landing := byte(prologue + len(body) + 8)
	body = append(body, push(landing)...)
	body = append(body, byte(vm.JUMPI))
	body = append(body, push(0, 0)...)
	body = append(body, byte(vm.REVERT), byte(vm.JUMPDEST))
	body = append(body, push(33, word-1)...)
	body = append(body, byte(vm.RETURN))
	code := append(push(byte(len(data)), byte(prologue+len(body)), 0), byte(vm.CODECOPY))
	return append(append(code, body...), data...), nil
}
