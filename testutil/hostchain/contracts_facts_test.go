package hostchain

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

func TestEmbeddedInterfacesAreThoseOfTheCompiledContracts(t *testing.T) {
	dir := artifactsFor(t)
	for _, name := range []string{"Disclosure", "CiphertextRegistry"} {
		a, err := loadArtifact(dir, name)
		require.NoError(t, err)
		embedded, err := os.ReadFile(filepath.Join("fhevm", "abi", name+".json"))
		require.NoError(t, err)
		require.JSONEq(t, string(a.ABI), string(embedded), "copy the abi of the artifact to fhevm/abi/%s.json", name)
	}
	for name, part := range map[string]abi.ABI{"KMSVerifier": fhevm.KMSVerifierABI, "ACL": fhevm.ACLABI} {
		published, err := loadArtifact(dir, name)
		require.NoError(t, err)
		for method := range part.Methods {
			require.Equal(t, published.contract.Methods[method].Sig, part.Methods[method].Sig)
		}
		for e := range part.Errors {
			require.Equal(t, published.contract.Errors[e].Sig, part.Errors[e].Sig)
		}
	}
}

func TestPublishedSlotBaseIsTheRegistrysOwn(t *testing.T) {
	chain := newTestChain(t, nil)
	data, err := fhevm.RegistryABI.Pack("storageBase")
	require.NoError(t, err)
	answer, err := chain.call(chain.Registry(), data)
	require.NoError(t, err)
	require.Equal(t, fhevm.RegistryBase, common.BytesToHash(answer))
	require.Equal(t, fhevm.ACLBase, fhevm.NamespaceBase(fhevm.ACLNamespace))
}

func TestAddressesAreThoseOfTheLibrarysLocalConfiguration(t *testing.T) {
	dir := artifactsFor(t)
	source, err := os.ReadFile(filepath.Join(dir, "..", "node_modules", "@fhevm", "solidity", "config", "ZamaConfig.sol"))
	if err != nil {
		t.Skipf("@fhevm/solidity is not beside the artifacts: %v", err)
	}
	_, local, found := strings.Cut(string(source), "function _getLocalConfig()")
	require.True(t, found)
	for _, address := range []common.Address{fhevm.ACLAddress, fhevm.FHEVMExecutorAddress, fhevm.KMSVerifierAddress} {
		require.Contains(t, strings.ToLower(local), strings.ToLower(address.Hex()))
	}
}

func TestHostContractsKnowEachOtherAtTheBakedInAddresses(t *testing.T) {
	chain := newTestChain(t, nil)
	values, err := chain.read(hostContract{"FHEVMExecutor", fhevm.FHEVMExecutorAddress}, "getACLAddress")
	require.NoError(t, err)
	require.Equal(t, fhevm.ACLAddress, values[0])
	values, err = chain.read(hostContract{"ACL", fhevm.ACLAddress}, "getPauserSetAddress")
	require.NoError(t, err)
	require.Equal(t, fhevm.PauserSetAddress, values[0])
	values, err = chain.read(hostContract{"ACL", fhevm.ACLAddress}, "owner")
	require.NoError(t, err)
	require.Equal(t, addressOf(chain.owner), values[0])
}
