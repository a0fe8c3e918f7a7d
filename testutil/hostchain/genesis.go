package hostchain

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"

	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

const (
	blockGasLimit = 60_000_000
	genesisFee    = params.GWei
)

// Storage slots that put a proxy in the state which host contracts expect before their first
// initialisation ("empty proxy"): an implementation, OpenZeppelin's initialised version 1, and,
// for the ACL, an owner.
var (
	implementationSlot = common.HexToHash("0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc")
	initializedSlot    = common.HexToHash("0xf0c57e16840df040f15088dc2f81fe391c3923bec73e23a9662efc9c229c6a00")
	ownableSlot        = common.HexToHash("0x9016d09d72d40fdae2fd8ceac6b6234c7706214fd39c1cd1e609a0528c199300")
)

// hostContract is a published contract behind a proxy at its baked-in address.
type hostContract struct {
	name    string
	address common.Address
}

// hostContracts in the order of their deployment: implementation i has the owner's nonce i.
var hostContracts = []hostContract{
	{"ACL", fhevm.ACLAddress},
	{"FHEVMExecutor", fhevm.FHEVMExecutorAddress},
	{"KMSVerifier", fhevm.KMSVerifierAddress},
	{"InputVerifier", fhevm.InputVerifierAddress},
	{"HCULimit", fhevm.HCULimitAddress},
}

// registryNonce is the owner's nonce that creates the registry: one creation and one
// initialisation for each host contract come first. The dApp follows.
var registryNonce = uint64(2 * len(hostContracts))

// chainConfig returns the rules: everything up to Cancun from the first block.
func chainConfig(id uint64) *params.ChainConfig {
	zero, start := new(big.Int), uint64(0)
	return &params.ChainConfig{
		ChainID:                 new(big.Int).SetUint64(id),
		HomesteadBlock:          zero,
		EIP150Block:             zero,
		EIP155Block:             zero,
		EIP158Block:             zero,
		ByzantiumBlock:          zero,
		ConstantinopleBlock:     zero,
		PetersburgBlock:         zero,
		IstanbulBlock:           zero,
		MuirGlacierBlock:        zero,
		BerlinBlock:             zero,
		LondonBlock:             zero,
		ArrowGlacierBlock:       zero,
		GrayGlacierBlock:        zero,
		ShanghaiTime:            &start,
		CancunTime:              &start,
		TerminalTotalDifficulty: zero,
		BlobScheduleConfig:      &params.BlobScheduleConfig{Cancun: params.DefaultCancunBlobConfig},
	}
}

// genesis returns the first block: proxies at the baked-in addresses, balances, and the first
// validator set in its extraData.
func (c *Chain) genesis() (*core.Genesis, error) {
	proxy, err := loadArtifact(c.artifacts, "ERC1967Proxy")
	if err != nil {
		return nil, err
	}
	pausers, err := loadArtifact(c.artifacts, "PauserSet")
	if err != nil {
		return nil, err
	}
	rich := new(big.Int).Lsh(big.NewInt(1), 120)
	alloc := types.GenesisAlloc{
		fhevm.PauserSetAddress: {Code: pausers.Runtime, Balance: new(big.Int)},
	}
	for _, key := range append(c.coprocessor.keys, c.owner, c.faucet) {
		alloc[addressOf(key)] = types.Account{Balance: rich}
	}
	for address, balance := range c.config.Balances {
		if _, taken := alloc[address]; taken {
			return nil, fmt.Errorf("%w: balance for the system account %s", ErrConfig, address)
		}
		alloc[address] = types.Account{Balance: balance}
	}
	for i, contract := range hostContracts {
		storage := map[common.Hash]common.Hash{
			implementationSlot: common.BytesToHash(c.created(uint64(i)).Bytes()),
			initializedSlot:    common.BigToHash(big.NewInt(1)),
		}
		if contract.address == fhevm.ACLAddress {
			storage[ownableSlot] = common.BytesToHash(addressOf(c.owner).Bytes())
		}
		alloc[contract.address] = types.Account{Code: proxy.Runtime, Storage: storage, Balance: new(big.Int)}
	}
	extra := &ExtraData{
		Vanity:     make([]byte, vanityLength),
		Validators: c.validators.addresses(),
		Vote:       emptyVote,
		Seals:      [][]byte{},
	}
	return &core.Genesis{
		Config:     chainConfig(c.config.ChainID),
		Timestamp:  uint64(c.config.Now().Unix()),
		ExtraData:  extra.Encode(),
		GasLimit:   blockGasLimit,
		Difficulty: new(big.Int),
		Mixhash:    BFTMixHash,
		BaseFee:    big.NewInt(genesisFee),
		Alloc:      alloc,
	}, nil
}

// deploy creates and initialises all contracts in one block.
func (c *Chain) deploy() error {
	for _, contract := range hostContracts {
		a, err := loadArtifact(c.artifacts, contract.name)
		if err != nil {
			return err
		}
		if err := c.enqueue(c.owner, nil, a.Creation); err != nil {
			return fmt.Errorf("hostchain: create %s: %w", contract.name, err)
		}
	}
	kms := []any{c.config.Decryption, c.config.GatewayChainID, c.config.KMSSigners, big.NewInt(int64(c.config.KMSThreshold))}
	input := []any{c.config.InputVerification, c.config.GatewayChainID, c.coprocessor.addresses(), big.NewInt(int64(c.config.CoprocessorThreshold))}
	arguments := map[string][]any{"KMSVerifier": kms, "InputVerifier": input}
	for _, contract := range hostContracts {
		a, err := loadArtifact(c.artifacts, contract.name)
		if err != nil {
			return err
		}
		data, err := a.contract.Pack("initializeFromEmptyProxy", arguments[contract.name]...)
		if err != nil {
			return fmt.Errorf("hostchain: initialise %s: %w", contract.name, err)
		}
		if err := c.enqueue(c.owner, &contract.address, data); err != nil {
			return fmt.Errorf("hostchain: initialise %s: %w", contract.name, err)
		}
	}
	if err := c.deployOwn(); err != nil {
		return err
	}
	block, err := c.sealOn(c.head())
	if err != nil {
		return err
	}
	receipts := c.chain.GetReceiptsByHash(block.Hash())
	if len(receipts) != 2*len(hostContracts)+2 {
		return fmt.Errorf("hostchain: only %d deployment transactions fitted", len(receipts))
	}
	for i, r := range receipts {
		if r.Status != types.ReceiptStatusSuccessful {
			return fmt.Errorf("hostchain: deployment transaction %d failed with %d gas used", i, r.GasUsed)
		}
	}
	return nil
}

// deployOwn creates the registry and the dApp.
func (c *Chain) deployOwn() error {
	type coprocessorConfig struct {
		ACLAddress         common.Address
		CoprocessorAddress common.Address
		KMSVerifierAddress common.Address
	}
	for _, own := range []struct {
		name     string
		argument any
	}{
		{"CiphertextRegistry", addressOf(c.coprocessor.keys[0])},
		{"Disclosure", coprocessorConfig{fhevm.ACLAddress, fhevm.FHEVMExecutorAddress, fhevm.KMSVerifierAddress}},
	} {
		a, err := loadArtifact(c.artifacts, own.name)
		if err != nil {
			return err
		}
		arguments, err := a.contract.Pack("", own.argument)
		if err != nil {
			return fmt.Errorf("hostchain: create %s: %w", own.name, err)
		}
		if err := c.enqueue(c.owner, nil, append(a.Creation, arguments...)); err != nil {
			return fmt.Errorf("hostchain: create %s: %w", own.name, err)
		}
	}
	return nil
}

// checkDeployment compares a reopened chain's contracts with the configuration: domains and
// coprocessors cannot change. (The KMS context can, and stays as it is on the chain.)
func (c *Chain) checkDeployment() error {
	for _, want := range []struct {
		contract  hostContract
		verifying common.Address
	}{
		{hostContract{"KMSVerifier", fhevm.KMSVerifierAddress}, c.config.Decryption},
		{hostContract{"InputVerifier", fhevm.InputVerifierAddress}, c.config.InputVerification},
	} {
		values, err := c.read(want.contract, "eip712Domain")
		if err != nil {
			return err
		}
		id, isID := values[3].(*big.Int)
		verifying, isAddress := values[4].(common.Address)
		if !isID || !isAddress || id.Cmp(new(big.Int).SetUint64(c.config.GatewayChainID)) != 0 || verifying != want.verifying {
			return fmt.Errorf("%w: the stored chain's %s has the domain (%v, %v)", ErrConfig, want.contract.name, values[3], values[4])
		}
	}
	values, err := c.read(hostContract{"InputVerifier", fhevm.InputVerifierAddress}, "getCoprocessorSigners")
	if err != nil {
		return err
	}
	if signers, ok := values[0].([]common.Address); !ok || !slices.Equal(signers, c.coprocessor.addresses()) {
		return fmt.Errorf("%w: the stored chain has the coprocessors %v", ErrConfig, values[0])
	}
	return nil
}

// read calls a method of a host contract that takes no arguments.
func (c *Chain) read(contract hostContract, method string) ([]any, error) {
	a, err := loadArtifact(c.artifacts, contract.name)
	if err != nil {
		return nil, err
	}
	data, err := a.contract.Pack(method)
	if err != nil {
		return nil, fmt.Errorf("hostchain: %s.%s: %w", contract.name, method, err)
	}
	answer, err := c.call(contract.address, data)
	if err != nil {
		return nil, err
	}
	values, err := a.contract.Unpack(method, answer)
	if err != nil {
		return nil, fmt.Errorf("hostchain: %s.%s: %w", contract.name, method, err)
	}
	return values, nil
}
