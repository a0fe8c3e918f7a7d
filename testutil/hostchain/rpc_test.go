package hostchain

import (
	"context"
	"encoding/json"
	"math/big"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/hostchain/api"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

func TestStandardClientsFindTheMethodsTheyNeed(t *testing.T) {
	chain := newTestChain(t, nil)
	ctx, c, alice := dialTest(t, chain)
	eth := c.Eth()

	id, err := eth.ChainID(ctx)
	require.NoError(t, err)
	require.Equal(t, int64(DefaultChainID), id.Int64())
	network, err := eth.NetworkID(ctx)
	require.NoError(t, err)
	require.Equal(t, id, network)
	progress, err := eth.SyncProgress(ctx)
	require.NoError(t, err)
	require.Nil(t, progress)
	balance, err := eth.BalanceAt(ctx, alice.Address(), nil)
	require.NoError(t, err)
	require.Equal(t, api.DefaultFunding(), balance)
	code, err := eth.CodeAt(ctx, fhevm.ACLAddress, nil)
	require.NoError(t, err)
	require.NotEmpty(t, code)
	price, err := eth.SuggestGasPrice(ctx)
	require.NoError(t, err)
	require.Positive(t, price.Sign())
	history, err := eth.FeeHistory(ctx, 2, nil, []float64{10, 90})
	require.NoError(t, err)
	require.Len(t, history.BaseFee, 3)
	require.Len(t, history.Reward, 2)

	nonce, err := eth.NonceAt(ctx, alice.Address(), nil)
	require.NoError(t, err)
	require.Zero(t, nonce)
	input, err := c.SubmitCiphertext(ctx, common.Address{}, alice.Address(), fhevm.Uint16, []byte("rpc"))
	require.NoError(t, err)
	receipt, err := c.Submit(ctx, alice, input.Handle, input.InputProof)
	require.NoError(t, err)
	nonce, err = eth.PendingNonceAt(ctx, alice.Address())
	require.NoError(t, err)
	require.Equal(t, uint64(1), nonce)

	block, err := eth.BlockByHash(ctx, receipt.BlockHash)
	require.NoError(t, err, "ethclient checks the transactions root against the body")
	require.Equal(t, receipt.TxHash, block.Transactions()[0].Hash())
	byNumber, err := eth.BlockByNumber(ctx, receipt.BlockNumber)
	require.NoError(t, err)
	require.Equal(t, block.Hash(), byNumber.Hash())
	tx, waiting, err := eth.TransactionByHash(ctx, receipt.TxHash)
	require.NoError(t, err)
	require.False(t, waiting)
	require.Equal(t, receipt.TxHash, tx.Hash())
	receipts, err := eth.BlockReceipts(ctx, rpc.BlockNumberOrHashWithHash(receipt.BlockHash, true))
	require.NoError(t, err)
	require.Equal(t, receipt.TxHash, receipts[0].TxHash)
	for _, tag := range []rpc.BlockNumber{rpc.FinalizedBlockNumber, rpc.SafeBlockNumber} {
		header, err := eth.HeaderByNumber(ctx, big.NewInt(tag.Int64()))
		require.NoError(t, err)
		require.Equal(t, chain.Head().Hash(), header.Hash())
	}
	_, err = eth.HeaderByNumber(ctx, big.NewInt(1_000_000))
	require.ErrorIs(t, err, ethereum.NotFound)
	_, _, err = eth.TransactionByHash(ctx, common.Hash{1})
	require.ErrorIs(t, err, ethereum.NotFound)

	logs, err := eth.FilterLogs(ctx, ethereum.FilterQuery{
		FromBlock: big.NewInt(0),
		Addresses: []common.Address{chain.Registry()},
		Topics:    [][]common.Hash{{fhevm.RegistryABI.Events["CiphertextBound"].ID}, {input.Handle.Hash()}},
	})
	require.NoError(t, err)
	require.Len(t, logs, 1)
	require.Equal(t, input.Digest, logs[0].Topics[2])
}

func TestHeaderRebuiltFromJSONIsTheOneOfTheChain(t *testing.T) {
	chain := newTestChain(t, nil)
	ctx, c, _ := dialNoFunds(t, chain)
	for n := range chain.Head().Number.Uint64() + 1 {
		raw, err := c.HeaderRLP(ctx, new(big.Int).SetUint64(n))
		require.NoError(t, err)
		want, err := rlp.EncodeToBytes(chain.Header(n))
		require.NoError(t, err)
		require.Equal(t, want, raw)
	}
}

func TestEstimateOfAFailingCallTellsTheContractsReason(t *testing.T) {
	chain := newTestChain(t, nil)
	ctx, c, alice := dialTest(t, chain)
	_, err := c.MakePubliclyDecryptable(ctx, alice, fhevm.Handle{1})
	require.True(t, fhevm.IsRevert(err, "NotOwner"), "%v", err)
	require.ErrorContains(t, err, alice.Address().Hex())
}

func TestNewHeadsAreSentOverWebsocket(t *testing.T) {
	chain := newTestChain(t, nil)
	handler, stop, err := chain.Handler(nil)
	require.NoError(t, err)
	server := httptest.NewServer(handler)
	t.Cleanup(func() { stop(); server.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	eth, err := ethclient.DialContext(ctx, "ws"+strings.TrimPrefix(server.URL, "http"))
	require.NoError(t, err)
	defer eth.Close()
	heads := make(chan *types.Header)
	subscription, err := eth.SubscribeNewHead(ctx, heads)
	require.NoError(t, err)
	defer subscription.Unsubscribe()
	block, err := chain.Seal()
	require.NoError(t, err)
	select {
	case head := <-heads:
		require.Equal(t, block.Hash(), head.Hash())
	case <-ctx.Done():
		t.Fatal("no head arrived")
	}
}

func TestHarnessMinesForgesAndChangesSigners(t *testing.T) {
	chain := newTestChain(t, nil)
	ctx, c, alice := dialTest(t, chain)
	info, err := c.FetchInfo(ctx)
	require.NoError(t, err)
	require.Equal(t, chain.Validators(), info.Validators)
	require.Equal(t, api.SignerSet{Signers: addressesOf(kmsKeys), Threshold: 3}, info.KMS)
	require.Contains(t, info.Name, "simulated")
	require.Equal(t, chain.Registry(), info.Contracts.Registry)

	start := chain.Head().Number.Uint64()
	head, err := c.Mine(ctx, 3)
	require.NoError(t, err)
	require.Equal(t, start+3, head)
	_, err = c.Mine(ctx, maxMine+1)
	require.Error(t, err)
	for _, kind := range api.Forgeries() {
		raw, err := c.ForgeHeader(ctx, kind, head)
		require.NoError(t, err)
		require.NoError(t, rlp.DecodeBytes(raw, new(types.Header)))
	}
	set, err := c.SetValidators(ctx, []int{0, 1, 2, 3, 4})
	require.NoError(t, err)
	require.Len(t, set, 5)

	require.NoError(t, c.SetKMSContext(ctx, addressesOf(kmsKeys[:2]), 1))
	input, err := c.SubmitCiphertext(ctx, common.Address{}, alice.Address(), fhevm.Uint4, []byte("one signature"))
	require.NoError(t, err)
	_, err = c.Submit(ctx, alice, input.Handle, input.InputProof)
	require.NoError(t, err)
	_, err = c.MakePubliclyDecryptable(ctx, alice, input.Handle)
	require.NoError(t, err)
	handles := []fhevm.Handle{input.Handle}
	word := common.BigToHash(big.NewInt(7)).Bytes()
	_, err = c.Fulfil(ctx, alice, handles, word, decryptionProof(t, chain, kmsKeys[3:], handles, word))
	require.True(t, fhevm.IsRevert(err, "KMSInvalidSigner"), "%v", err)
	_, err = c.Fulfil(ctx, alice, handles, word, decryptionProof(t, chain, kmsKeys[:1], handles, word))
	require.NoError(t, err)
	_, err = c.Fulfil(ctx, alice, handles, word, decryptionProof(t, chain, kmsKeys[:1], handles, word))
	require.True(t, fhevm.IsRevert(err, "AlreadyFulfilled"), "%v", err)
	require.Error(t, c.SetKMSContext(ctx, addressesOf(kmsKeys[:2]), 3), "a threshold above the number of signers")
}

func TestKMSContextIsSetOverHTTP(t *testing.T) {
	chain := newTestChain(t, func(c *Config) { c.KMSSigners, c.KMSThreshold = nil, 0 })
	handler, stop, err := chain.Handler(nil)
	require.NoError(t, err)
	defer stop()
	body, err := json.Marshal(api.SignerSet{Signers: addressesOf(kmsKeys), Threshold: 3})
	require.NoError(t, err)
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest("POST", api.PathKMSContext, strings.NewReader(string(body))))
	require.Equal(t, 200, recorder.Code, recorder.Body)
	set, err := chain.KMSContext()
	require.NoError(t, err)
	require.Equal(t, api.SignerSet{Signers: addressesOf(kmsKeys), Threshold: 3}, set)
	recorder = httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest("POST", api.PathKMSContext, strings.NewReader(`{"signers":[],"threshold":1}`)))
	require.Equal(t, 422, recorder.Code, recorder.Body)
}

func TestPoolOrdersNoncesAndRefusesForeignChains(t *testing.T) {
	chain := newTestChain(t, func(c *Config) { c.BlockPeriod = time.Hour })
	// Two transactions in the wrong order share one block.
	to := common.Address{7}
	sign := func(nonce uint64, id int64) *types.Transaction {
		tx, err := types.SignNewTx(mallory, types.LatestSignerForChainID(big.NewInt(id)), &types.DynamicFeeTx{
			ChainID: big.NewInt(id), Nonce: nonce, GasTipCap: big.NewInt(1e9), GasFeeCap: big.NewInt(5e9), Gas: 21000, To: &to, Value: big.NewInt(1),
		})
		require.NoError(t, err)
		return tx
	}
	require.NoError(t, chain.Submit(sign(1, DefaultChainID)))
	require.NoError(t, chain.Submit(sign(0, DefaultChainID)))
	require.Error(t, chain.Submit(sign(2, 1)), "signed for another chain")
	block, err := chain.Seal()
	require.NoError(t, err)
	require.Len(t, block.Transactions(), 2)
	require.Equal(t, uint64(0), block.Transactions()[0].Nonce())
	require.Error(t, chain.Submit(sign(0, DefaultChainID)), "nonce too low")
}

func TestStorageKeysAreParsedStrictly(t *testing.T) {
	for _, test := range []struct {
		key    string
		slot   common.Hash
		length int
	}{
		{"0x0", common.Hash{}, 1},
		{"0x1", common.BigToHash(big.NewInt(1)), 1},
		{"0x0100", common.BigToHash(big.NewInt(256)), 2},
		{common.Hash{31: 5}.Hex(), common.Hash{31: 5}, 32},
	} {
		slot, length, err := parseSlot(test.key)
		require.NoError(t, err, test.key)
		require.Equal(t, test.slot, slot)
		require.Equal(t, test.length, length)
	}
	for _, key := range []string{"0xzz", "hello", "0x" + strings.Repeat("00", 33)} {
		_, _, err := parseSlot(key)
		require.Error(t, err, key)
	}
}

func FuzzStorageKeyParserNeverReadsMoreThan32Bytes(f *testing.F) {
	f.Add("0x01")
	f.Add("")
	f.Fuzz(func(t *testing.T, key string) {
		slot, length, err := parseSlot(key)
		if err != nil {
			return
		}
		require.LessOrEqual(t, length, 32)
		digits := strings.TrimPrefix(strings.TrimPrefix(key, "0x"), "0X")
		if len(digits)%2 == 1 {
			digits = "0" + digits
		}
		require.Equal(t, strings.ToLower(digits), strings.TrimPrefix(hexutil.Encode(slot[32-length:]), "0x"))
	})
}
