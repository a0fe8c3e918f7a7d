package localnet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	cmtcfg "github.com/cometbft/cometbft/config"
	dbm "github.com/cosmos/cosmos-db"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	serverconfig "github.com/cosmos/cosmos-sdk/server/config"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/x/genutil"

	"github.com/tkms-network/tkms/app"
	appconfig "github.com/tkms-network/tkms/app/config"
	"github.com/tkms-network/tkms/app/genesis"
	"github.com/tkms-network/tkms/app/params"
)

// MaxValidators of a local network.
const MaxValidators = 32

// portsPerNode are p2p, rpc, grpc and rest.
const portsPerNode = 4

// Config of a local network; Dir is required, the rest has defaults.
type Config struct {
	// Dir is created; it must not hold a network already.
	Dir string
	// ChainID is params.DefaultChainID if empty.
	ChainID string
	// Validators is their number, 4 if zero, at most MaxValidators.
	Validators int
	// BasePort is the first of 4 ports a validator; free ports are chosen if zero.
	BasePort int
	// Accounts are names of further accounts to create and fund.
	Accounts []string
	// Funds of every account; 1000000 tkms if empty.
	Funds sdk.Coins
	// Governance is that of a devnet if zero.
	Governance genesis.Governance
	// Modules, if not nil, changes the genesis state of modules.
	Modules func(codec.JSONCodec, genesis.State) error
	// Comet and Server, if not nil, change a node's configuration.
	Comet  func(*cmtcfg.Config)
	Server func(*serverconfig.Config)
}

var monikers = []string{"alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"}

func moniker(i int) string {
	if i < len(monikers) {
		return monikers[i]
	}
	return fmt.Sprintf("validator%d", i)
}

func (cfg *Config) setDefaults() error {
	if cfg.Dir == "" {
		return errors.New("localnet: no directory")
	}
	if cfg.Validators == 0 {
		cfg.Validators = 4
	}
	if cfg.Validators < 1 || cfg.Validators > MaxValidators {
		return fmt.Errorf("localnet: %d validators, want 1..%d", cfg.Validators, MaxValidators)
	}
	if cfg.ChainID == "" {
		cfg.ChainID = params.DefaultChainID
	}
	if cfg.Funds.IsZero() {
		cfg.Funds = sdk.NewCoins(sdk.NewInt64Coin(params.Denom, 1_000_000_000_000))
	}
	if cfg.Governance.VotingPeriod == 0 {
		cfg.Governance = genesis.DevnetGovernance()
	}
	return nil
}

// InitFiles writes the homes of all nodes, the keys of validators and accounts, and the genesis.
func InitFiles(cfg Config) (*Layout, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, layoutFile)); err == nil {
		return nil, fmt.Errorf("localnet: %s holds a network already; remove it or name another directory", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	description := app.New(log.NewNopLogger(), dbm.NewMemDB(), false)
	keys, err := keyring.New(params.Name, keyring.BackendTest, dir, nil, description.Codec())
	if err != nil {
		return nil, err
	}
	layout := &Layout{Dir: dir, ChainID: cfg.ChainID, KeyringDir: dir, Genesis: filepath.Join(dir, "genesis.json")}
	gen := genesis.Config{ChainID: cfg.ChainID, Time: time.Now(), Governance: cfg.Governance, Modules: cfg.Modules}
	addresses, err := loopback(cfg.BasePort, portsPerNode*cfg.Validators)
	if err != nil {
		return nil, err
	}
	for i := range cfg.Validators {
		name := moniker(i)
		operator, err := newAccount(keys, layout, &gen, name, cfg.Funds)
		if err != nil {
			return nil, err
		}
		a := addresses[portsPerNode*i:]
		node := Node{Moniker: name, Home: filepath.Join(dir, name), P2P: a[0], RPC: a[1], GRPC: a[2], REST: a[3], Operator: operator.String()}
		node.Log = filepath.Join(node.Home, "node.log")
		if err := initNode(&node); err != nil {
			return nil, fmt.Errorf("localnet: %s: %w", name, err)
		}
		layout.Nodes = append(layout.Nodes, node)
		gen.Validators = append(gen.Validators, genesis.Validator{Moniker: name, Operator: operator, ConsensusKey: node.ConsensusKey, Power: 10})
	}
	for _, name := range cfg.Accounts {
		if _, err := newAccount(keys, layout, &gen, name, cfg.Funds); err != nil {
			return nil, err
		}
	}
	doc, err := genesis.Build(description.Codec(), description.TxConfig(), description.BasicModules(), gen)
	if err != nil {
		return nil, err
	}
	if err := doc.SaveAs(layout.Genesis); err != nil {
		return nil, err
	}
	for _, node := range layout.Nodes {
		if err := doc.SaveAs(filepath.Join(node.Home, "config", "genesis.json")); err != nil {
			return nil, err
		}
		if err := writeConfig(cfg, layout, node); err != nil {
			return nil, fmt.Errorf("localnet: %s: %w", node.Moniker, err)
		}
	}
	return layout, layout.save()
}

func newAccount(keys keyring.Keyring, layout *Layout, gen *genesis.Config, name string, funds sdk.Coins) (sdk.AccAddress, error) {
	record, _, err := keys.NewMnemonic(name, keyring.English, sdk.GetConfig().GetFullBIP44Path(), "", hd.Secp256k1)
	if err != nil {
		return nil, fmt.Errorf("localnet: key %s: %w", name, err)
	}
	address, err := record.GetAddress()
	if err != nil {
		return nil, err
	}
	layout.Accounts = append(layout.Accounts, Account{Name: name, Address: address.String()})
	gen.Balances = append(gen.Balances, genesis.Balance{Address: address, Coins: funds})
	return address, nil
}

// initNode creates the node's key and its validator's key.
func initNode(node *Node) error {
	comet := appconfig.Comet()
	comet.SetRoot(node.Home)
	for _, sub := range []string{"config", "data"} {
		if err := os.MkdirAll(filepath.Join(node.Home, sub), 0o700); err != nil {
			return err
		}
	}
	id, key, err := genutil.InitializeNodeValidatorFiles(comet)
	if err != nil {
		return err
	}
	node.ID, node.ConsensusKey = id, key.Bytes()
	return nil
}

func writeConfig(cfg Config, layout *Layout, node Node) error {
	comet := appconfig.Comet()
	comet.SetRoot(node.Home)
	comet.Moniker = node.Moniker
	comet.RPC.ListenAddress = node.RPCURL()
	comet.P2P.ListenAddress = "tcp://" + node.P2P
	comet.P2P.AddrBookStrict = false
	comet.P2P.AllowDuplicateIP = true
	comet.P2P.PexReactor = false
	var peers []string
	for _, peer := range layout.Nodes {
		if peer.ID != node.ID {
			peers = append(peers, peer.ID+"@"+peer.P2P)
		}
	}
	comet.P2P.PersistentPeers = strings.Join(peers, ",")
	if cfg.Comet != nil {
		cfg.Comet(comet)
	}
	if err := comet.ValidateBasic(); err != nil {
		return err
	}
	cmtcfg.WriteConfigFile(filepath.Join(node.Home, "config", "config.toml"), comet)

	server := appconfig.Server()
	server.API.Address = "tcp://" + node.REST
	server.GRPC.Address = node.GRPC
	if cfg.Server != nil {
		cfg.Server(server)
	}
	serverconfig.SetConfigTemplate(serverconfig.DefaultConfigTemplate)
	serverconfig.WriteConfigFile(filepath.Join(node.Home, "config", "app.toml"), server)
	return nil
}
