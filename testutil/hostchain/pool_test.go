package hostchain

import (
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

// transferGas signs a transfer of one wei by mallory with a gas limit of its own.
func transferGas(t *testing.T, nonce, gas uint64) *types.Transaction {
	t.Helper()
	to := common.Address{7}
	id := big.NewInt(DefaultChainID)
	tx, err := types.SignNewTx(mallory, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
		ChainID: id, Nonce: nonce, GasTipCap: big.NewInt(1e9), GasFeeCap: big.NewInt(5e9), Gas: gas, To: &to, Value: big.NewInt(1),
	})
	require.NoError(t, err)
	return tx
}

func TestTransactionsThatDoNotFitWaitForTheNextBlock(t *testing.T) {
	chain := newTestChain(t, func(c *Config) { c.BlockPeriod = time.Hour })
	for nonce := range uint64(3) {
		// A limit of most of a block each, although little of it is used: the third one no longer
		// finds its limit in what the first two left.
		gas := uint64(blockGasLimit - 3*21_000/2)
		require.NoError(t, chain.Submit(transferGas(t, nonce, gas)))
	}
	block, err := chain.Seal()
	require.NoError(t, err)
	require.Len(t, block.Transactions(), 2)
	block, err = chain.Seal()
	require.NoError(t, err)
	require.Len(t, block.Transactions(), 1)
	block, err = chain.Seal()
	require.NoError(t, err)
	require.Empty(t, block.Transactions())
}

func TestPlainRPCMethodsAnswer(t *testing.T) {
	chain := newTestChain(t, nil)
	handler, stop, err := chain.Handler(nil)
	require.NoError(t, err)
	defer stop()
	server := newLoopbackServer(t, handler)
	raw, err := rpc.DialContext(t.Context(), server)
	require.NoError(t, err)
	defer raw.Close()

	call := func(into any, method string, arguments ...any) {
		require.NoError(t, raw.CallContext(t.Context(), into, method, arguments...), method)
	}
	var text string
	call(&text, "web3_clientVersion")
	require.Contains(t, text, "simulated")
	call(&text, "web3_sha3", hexutil.Bytes("x"))
	require.Equal(t, fhevm.CiphertextDigest([]byte("x")).Hex(), text)
	call(&text, "net_version")
	require.Equal(t, "31337", text)
	var listening, syncing bool
	call(&listening, "net_listening")
	require.True(t, listening)
	call(&syncing, "eth_syncing")
	require.False(t, syncing)
	var peers, number hexutil.Uint64
	call(&peers, "net_peerCount")
	require.Zero(t, peers)
	call(&number, "eth_blockNumber")
	require.Equal(t, chain.Head().Number.Uint64(), uint64(number))
	var accounts []common.Address
	call(&accounts, "eth_accounts")
	require.Empty(t, accounts)
	var header types.Header
	call(&header, "eth_getHeaderByNumber", "latest")
	require.Equal(t, chain.Head().Hash(), header.Hash())
	call(&header, "eth_getHeaderByHash", chain.Header(0).Hash())
	require.Equal(t, chain.Header(0).Hash(), header.Hash())
	var encoded hexutil.Bytes
	call(&encoded, "tkmstest_headerRLP", hexutil.Uint64(1))
	require.NoError(t, rlp.DecodeBytes(encoded, &header))
	require.Equal(t, chain.Header(1).Hash(), header.Hash())
	require.Error(t, raw.CallContext(t.Context(), &encoded, "tkmstest_headerRLP", hexutil.Uint64(99)))
	eth := ethclient.NewClient(raw)
	_, err = eth.BalanceAt(t.Context(), common.Address{}, big.NewInt(99))
	require.ErrorContains(t, err, errUnknownBlock.Error())
}

func TestArtifactsAreFoundByVariable(t *testing.T) {
	t.Setenv(ArtifactsVariable, "/somewhere")
	dir, err := LocateArtifacts()
	require.NoError(t, err)
	require.Equal(t, "/somewhere", dir)
	_, err = New(Config{Artifacts: dir})
	require.ErrorIs(t, err, ErrNoArtifacts)
}

func TestArtifactsOutsideTheRepositoryAreNotGuessed(t *testing.T) {
	t.Setenv(ArtifactsVariable, "")
	t.Chdir(t.TempDir())
	_, err := LocateArtifacts()
	require.ErrorIs(t, err, ErrNoArtifacts)
}
