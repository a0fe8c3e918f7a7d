package devnet

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"cosmossdk.io/log/v2"
	"cosmossdk.io/math"

	dbm "github.com/cosmos/cosmos-db"
	"github.com/cosmos/cosmos-sdk/codec"
	sdkcrypto "github.com/cosmos/cosmos-sdk/crypto"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/app"
	"github.com/tkms-network/tkms/app/genesis"
	"github.com/tkms-network/tkms/app/localnet"
	"github.com/tkms-network/tkms/app/params"
	"github.com/tkms-network/tkms/enclave/attest/devnitro"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/carrier"
	"github.com/tkms-network/tkms/testutil/fault"
	"github.com/tkms-network/tkms/testutil/relayersdk"
	"github.com/tkms-network/tkms/x/kms/client"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// Names of funded accounts besides the validators'.
const (
	// OperatorAccount registers the parties.
	OperatorAccount = "operator"
	// RelayerAccount pays for the relayer's requests, OtherRelayerAccount for those of a
	// second relayer, of the same host chain or of another.
	RelayerAccount      = "relayer"
	OtherRelayerAccount = "other-relayer"
	// DAppAccount asks for keys and sends raw transactions.
	DAppAccount = "dapp"
)

// FirstEpoch is the number of the epoch that the devnet runs with.
const FirstEpoch = 1

// Config of a network. Zero values take defaults.
type Config struct {
	// Bin is the folder of the binaries.
	Bin string
	// Dir keeps homes and logs.
	Dir string
	// Validators and Parties are their numbers, 4 each by default.
	Validators, Parties int
	// Seats is how many of the parties, the first ones, form the first committee; all by
	// default.
	Seats int
	// Params names the parameter set of the network's key, "production-pke" by default.
	// The chain admits an insecure one only if it is this.
	Params string
	// StockItems is how many offline items the parties keep ahead.
	StockItems uint64
	// Patience is how long the parties wait before they report who is missing, as
	// tkms-party does by default.
	Patience time.Duration
	// ReadyBlocks is how many blocks a party that was away waits until it is counted again,
	// for the first time; 5 by default.
	ReadyBlocks uint32
	// HostBlockTime is the host chain's block period, 1 s by default.
	HostBlockTime time.Duration
	// RequestDeadline is how many TKMS blocks a request may take.
	RequestDeadline uint32
	// VotingPeriod is how long proposals are voted on, 4 s by default. The network's
	// own proposals wait for it too.
	VotingPeriod time.Duration
	// CRS is the file of the CRS that the relayer gives to clients for their inputs. By
	// default it is the one beside the binaries, if it was made.
	CRS string
	// Faults are the parties that misbehave, by number from 1, of fault.ProcessKinds. Those
	// that send wrong messages run tkms-faulty-party.
	Faults map[int]fault.Kind
	// Route, if not nil, returns the address at which the other parties reach a party, by
	// number from 1, that listens at an address: that of a proxy before it.
	Route func(party int, listens string) (string, error)
	// Carry, if not nil, returns the URL at which a party reaches the first of its two TKMS
	// nodes, which listens at an address: that of a proxy before it.
	Carry func(party int, rpc string) (string, error)
}

// Programs of parties; faultyParty is that of those with a fault.
const (
	honestParty = "tkms-party"
	faultyParty = "tkms-faulty-party"
)

// Devnet is a network with its processes.
type Devnet struct {
	Config  Config
	Layout  *localnet.Layout
	Chain   *localnet.Network
	Parties []*Party
	*Site

	// TKMS reads from the first validator; Far from the last.
	TKMS, Far *client.Client

	carriers map[int]*carrier.Carrier // before lying nodes, by number of the party
	loops    []*crashLoop

	root    []byte // seed of the simulated enclave vendor
	keys    map[string]*secp256k1.PrivKey
	senders map[string]*client.Sender
	payer   string // account of Decrypt
	node    int    // whose node commands ask
}

// Party is one party's process.
type Party struct {
	*Process
	Moniker, Home        string
	PeerAddr, StatusAddr string
	ID                   uint64
}

// New prepares folders; nothing is started yet.
func New(cfg Config) (*Devnet, error) {
	if cfg.Validators == 0 {
		cfg.Validators = 4
	}
	if cfg.Parties == 0 {
		cfg.Parties = 4
	}
	if cfg.Seats == 0 {
		cfg.Seats = cfg.Parties
	}
	if cfg.StockItems == 0 {
		cfg.StockItems = 4096
	}
	if cfg.Params == "" {
		cfg.Params = tfhe.NameProductionPKE
	}
	if cfg.ReadyBlocks == 0 {
		cfg.ReadyBlocks = 5
	}
	if cfg.HostBlockTime == 0 {
		cfg.HostBlockTime = time.Second
	}
	if cfg.RequestDeadline == 0 {
		cfg.RequestDeadline = 150
	}
	if cfg.VotingPeriod == 0 {
		cfg.VotingPeriod = genesis.DevnetGovernance().VotingPeriod
	}
	binaries := []string{"tkmsd", honestParty, "tkms-relayer", "tkms-hostchain"}
	if err := CheckFaults(cfg.Faults, cfg.Parties); err != nil {
		return nil, err
	}
	for _, kind := range cfg.Faults {
		if kind.OfMessages() {
			binaries = append(binaries, faultyParty)
		}
	}
	for _, name := range binaries {
		if _, err := os.Stat(filepath.Join(cfg.Bin, name)); err != nil {
			return nil, fmt.Errorf("%s is not built: run 'make build'", filepath.Join(cfg.Bin, name))
		}
	}
	if beside := filepath.Join(cfg.Bin, relayersdk.CRSFile); cfg.CRS == "" {
		if _, err := os.Stat(beside); err == nil {
			cfg.CRS = beside
		}
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	root := make([]byte, devnitro.SeedSize)
	if _, err := rand.Read(root); err != nil {
		return nil, err
	}
	return &Devnet{
		Config: cfg, Site: &Site{Dir: cfg.Dir, account: RelayerAccount}, root: root, carriers: map[int]*carrier.Carrier{},
		keys: map[string]*secp256k1.PrivKey{}, senders: map[string]*client.Sender{}, payer: DAppAccount,
	}, nil
}

// StartValidators writes the genesis, starts the validators and waits for blocks.
// The genesis allows the simulated enclave device and says so.
func (d *Devnet) StartValidators(ctx context.Context) error {
	root, err := devnitro.NewRoot(d.root)
	if err != nil {
		return err
	}
	governance := genesis.DevnetGovernance()
	governance.VotingPeriod = d.Config.VotingPeriod
	governance.ExpeditedVotingPeriod = d.Config.VotingPeriod * 3 / 4 // it must be shorter
	cfg := localnet.Config{
		Dir: filepath.Join(d.Config.Dir, "chain"), Validators: d.Config.Validators, Governance: governance,
		Accounts: []string{OperatorAccount, RelayerAccount, OtherRelayerAccount, DAppAccount},
		Modules: func(cdc codec.JSONCodec, state genesis.State) error {
			return errors.Join(
				genesis.Edit(cdc, state, partiestypes.ModuleName, func(g *partiestypes.GenesisState) error {
					g.Params.DevNitroRoot = root.DER()
					g.Params.AbsenceBlocks = 10
					g.Params.ReadyBlocks = d.Config.ReadyBlocks
					g.Params.SetupAnswerBlocks, g.Params.SetupRevealBlocks = 25, 25
					return nil
				}),
				genesis.Edit(cdc, state, kmstypes.ModuleName, func(g *kmstypes.GenesisState) error {
					if !slices.Contains(g.Params.ParameterSets, d.Config.Params) {
						g.Params.ParameterSets = append(g.Params.ParameterSets, d.Config.Params)
					}
					return nil
				}))
		},
	}
	if d.Layout, err = localnet.InitFiles(cfg); err != nil {
		return err
	}
	if err := d.readKeys(); err != nil {
		return err
	}
	d.Chain = localnet.NewNetwork(d.Layout, filepath.Join(d.Config.Bin, "tkmsd"))
	if err := d.Chain.Start(); err != nil {
		return err
	}
	if err := d.Chain.WaitForAll(ctx, 2); err != nil {
		return err
	}
	if d.TKMS, err = client.Dial(d.Layout.Nodes[0].RPCURL()); err != nil {
		return err
	}
	d.Far, err = client.Dial(d.Layout.Nodes[len(d.Layout.Nodes)-1].RPCURL())
	return err
}

// readKeys reads the network's keys out of its keyring.
func (d *Devnet) readKeys() error {
	description := app.New(log.NewNopLogger(), dbm.NewMemDB(), false)
	ring, err := keyring.New(params.Name, keyring.BackendTest, d.Layout.KeyringDir, nil, description.Codec())
	if err != nil {
		return err
	}
	records, err := ring.List()
	if err != nil {
		return err
	}
	for _, record := range records {
		armor, err := ring.ExportPrivKeyArmor(record.Name, "devnet")
		if err != nil {
			return err
		}
		key, _, err := sdkcrypto.UnarmorDecryptPrivKey(armor, "devnet")
		if err != nil {
			return err
		}
		private, ok := key.(*secp256k1.PrivKey)
		if !ok {
			return fmt.Errorf("key %s is no secp256k1 key", record.Name)
		}
		d.keys[record.Name] = private
	}
	return nil
}

// gasPrice is what the devnet's genesis demands.
func gasPrice() sdk.DecCoin {
	return sdk.NewDecCoinFromDec(params.Denom, math.LegacyMustNewDecFromStr("0.001"))
}

// At returns the network as clients of one validator's node see it, from 0. Requests are
// paid by that validator, since those of one account must not be sent by several nodes.
func (d *Devnet) At(node int) (*Devnet, error) {
	c, err := client.Dial(d.Layout.Nodes[node].RPCURL())
	if err != nil {
		return nil, err
	}
	other := *d
	other.TKMS, other.Far, other.senders, other.payer, other.node = c, c, map[string]*client.Sender{}, d.Layout.Nodes[node].Moniker, node
	return &other, nil
}

// Sender returns the sender of a named account.
func (d *Devnet) Sender(ctx context.Context, name string) (*client.Sender, error) {
	if s := d.senders[name]; s != nil {
		return s, nil
	}
	key := d.keys[name]
	if key == nil {
		return nil, fmt.Errorf("no key named %s", name)
	}
	s, err := d.TKMS.NewSender(ctx, client.Signer{ChainID: d.Layout.ChainID, Key: key}, gasPrice())
	if err != nil {
		return nil, err
	}
	d.senders[name] = s
	return s, nil
}

// KeyHex returns an account's private key, for a process of the devnet.
func (d *Devnet) KeyHex(name string) string { return hex.EncodeToString(d.keys[name].Key) }

// Stop stops everything, the relayer and the host chain first.
func (d *Devnet) Stop() error {
	failures := []error{d.Site.Stop()}
	for _, loop := range d.loops {
		loop.end()
	}
	for _, c := range d.carriers {
		c.Close()
	}
	for _, p := range d.Parties {
		failures = append(failures, p.Stop())
	}
	if d.Chain != nil {
		failures = append(failures, d.Chain.Stop())
	}
	return errors.Join(failures...)
}
