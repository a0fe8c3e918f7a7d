package devnet

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/tkms-network/tkms/app/localnet"
	hostapi "github.com/tkms-network/tkms/testutil/hostchain/api"
	hostclient "github.com/tkms-network/tkms/testutil/hostchain/client"
	"github.com/tkms-network/tkms/x/acl/slots"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// artifactsVariable names the folder of the host chain's compiled contracts.
const artifactsVariable = "TKMS_HOSTCHAIN_ARTIFACTS"

// StartHostChain starts the fhEVM chain and connects to it.
func (d *Devnet) StartHostChain(ctx context.Context) error {
	ports, err := localnet.FreeAddresses(1)
	if err != nil {
		return err
	}
	d.HostURL = "http://" + ports[0]
	d.Host = newProcess(d.Site.Dir, "hostchain", filepath.Join(d.Config.Bin, "tkms-hostchain"), append(d.Identity.flags(),
		"--listen", ports[0], "--block-time", d.Config.HostBlockTime.String(), "--home", filepath.Join(d.Site.Dir, "hostchain"))...)
	// Beside the binaries are the contracts: the working directory may be anywhere.
	if contracts := filepath.Join(d.Config.Bin, "hostchain", "artifacts"); os.Getenv(artifactsVariable) == "" {
		if _, err := os.Stat(contracts); err == nil {
			d.Host.env = []string{artifactsVariable + "=" + contracts}
		}
	}
	if err := d.Host.Start(); err != nil {
		return err
	}
	if err := d.Host.waitHTTP(ctx, d.HostURL+"/health"); err != nil {
		return err
	}
	d.HostClient, err = hostclient.Dial(ctx, d.HostURL)
	return err
}

// HostChainRecord describes the running host chain for its registration.
func (d *Devnet) HostChainRecord(ctx context.Context) (acltypes.HostChain, error) {
	info, err := d.HostClient.FetchInfo(ctx)
	if err != nil {
		return acltypes.HostChain{}, err
	}
	head, err := d.HostClient.Eth().BlockNumber(ctx)
	if err != nil {
		return acltypes.HostChain{}, err
	}
	contract := func(address common.Address) (acltypes.Contract, error) {
		code, err := d.HostClient.Eth().CodeAt(ctx, address, new(big.Int).SetUint64(head))
		return acltypes.Contract{Address: address.Bytes(), CodeHash: crypto.Keccak256(code)}, err
	}
	record := acltypes.HostChain{
		Id: info.ChainID, Name: fmt.Sprintf("devnet fhEVM %d (SIMULATED validator network)", info.ChainID), HeaderKind: acltypes.HEADER_KIND_QBFT, ValidatorsHeight: head,
		AclLayout: slots.LayoutFhevm010, BindingRule: acltypes.BINDING_RULE_REGISTRY, RegistrySlot: info.Slots.RegistryBase.Bytes(),
		VerifierDomain: acltypes.VerifierDomain{Name: "Decryption", Version: "1", ChainId: info.Gateway.ChainID, VerifyingContract: info.Gateway.Decryption.Bytes()},
		Fees:           acltypes.Fees{PublicDecryptionPerBlock: 100, UserDecryptionPerBlock: 100, PerRequest: 1000},
		Limits: acltypes.Limits{
			MaxHandlesPerRequest: 32, MaxBlocksPerRequest: 4096, MaxBlocksPerWindow: 1 << 20, WindowBlocks: 100, DeadlineBlocks: d.Config.RequestDeadline,
			MaxUserDecryptionBits: 2048,
		},
		Freshness: acltypes.Freshness{MaxAgeSeconds: 60, MaxAheadSeconds: 10, DelegationMaxAgeSeconds: 30},
		// The coprocessor serves the ciphertexts of inputs that a relayer handed to it.
		BlobEndpoints: append(slices.Clone(d.Stores), d.BlobURL, d.HostURL+hostapi.PathCiphertexts),
		Simulated:     []string{"coprocessor", "validator network"},
	}
	if d.Config.CRS != "" {
		record.Simulated = append(record.Simulated, "single-party-crs")
	}
	for _, v := range info.Validators {
		record.Validators = append(record.Validators, v.Bytes())
	}
	if record.Acl, err = contract(info.Contracts.ACL); err != nil {
		return record, err
	}
	if record.Registry, err = contract(info.Contracts.Registry); err != nil {
		return record, err
	}
	verifier, err := contract(info.Contracts.KMSVerifier)
	record.Verifier, record.VerifierLayout = &verifier, slots.LayoutFhevm010
	return record, err
}

// SetKMSContext makes the parties' signing addresses, in index order, the signers
// of the host chain's KMSVerifier, with a threshold of 2t+1.
func (d *Devnet) SetKMSContext(ctx context.Context, epoch partiestypes.Epoch) error {
	parties, err := d.RegisteredParties(ctx)
	if err != nil {
		return err
	}
	byID := map[uint64]common.Address{}
	for _, p := range parties {
		byID[p.Id] = common.BytesToAddress(p.SigningAddress)
	}
	var signers []common.Address
	for _, m := range epoch.Members {
		signers = append(signers, byID[m.PartyId])
	}
	return d.HostClient.SetKMSContext(ctx, signers, uint64(2*epoch.T+1))
}

// prepareRelayer chooses its address, which the registration of the host chain
// names, and writes its keys.
func (d *Devnet) prepareRelayer(ctx context.Context, name string) error {
	ports, err := localnet.FreeAddresses(1)
	if err != nil {
		return err
	}
	home := filepath.Join(d.Site.Dir, name)
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	hostKey, err := crypto.GenerateKey()
	if err != nil {
		return err
	}
	if err := d.HostClient.Fund(ctx, crypto.PubkeyToAddress(hostKey.PublicKey), nil); err != nil {
		return err
	}
	keyFile, hostKeyFile := filepath.Join(home, "tkms.key"), filepath.Join(home, "host.key")
	if err := os.WriteFile(keyFile, []byte(d.KeyHex(d.account)), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(hostKeyFile, []byte(hex.EncodeToString(crypto.FromECDSA(hostKey))), 0o600); err != nil {
		return err
	}
	var nodes []string
	for _, node := range d.Layout.Nodes {
		nodes = append(nodes, node.RPCURL())
	}
	d.RelayerURL = "http://" + ports[0]
	d.BlobURL = d.RelayerURL + "/v1/ciphertexts"
	args := []string{
		"run", "--home", home, "--listen", ports[0], "--tkms-node", strings.Join(nodes, ","), "--host-chain-rpc", d.HostURL,
		"--host-chain-id", fmt.Sprint(d.HostClient.Info().ChainID), "--key-file", keyFile, "--host-key-file", hostKeyFile,
		"--coprocessor", d.HostURL + hostapi.PathCoprocessor,
	}
	if d.Config.CRS != "" {
		args = append(args, "--crs-file", d.Config.CRS)
	}
	d.Relayer = newProcess(d.Site.Dir, name, filepath.Join(d.Config.Bin, "tkms-relayer"), args...)
	return nil
}

// StartRelayer starts it and waits until it serves.
func (d *Devnet) StartRelayer(ctx context.Context) error {
	if err := d.Relayer.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return d.Relayer.waitHTTP(ctx, d.RelayerURL+"/health")
}
