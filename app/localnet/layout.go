package localnet

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// layoutFile is the name of the description in the network's directory.
const layoutFile = "network.json"

// Layout says where everything of a prepared network is. Addresses are loopback host:port pairs.
type Layout struct {
	Dir     string `json:"dir"`
	ChainID string `json:"chain_id"`
	// Genesis is the file that all nodes have a copy of.
	Genesis string `json:"genesis"`
	// KeyringDir is the --keyring-dir of the keys of all accounts, backend "test".
	KeyringDir string    `json:"keyring_dir"`
	Nodes      []Node    `json:"nodes"`
	Accounts   []Account `json:"accounts"`
}

// Node is one validator.
type Node struct {
	Moniker string `json:"moniker"`
	Home    string `json:"home"`
	// ID is CometBFT's node id.
	ID   string `json:"id"`
	P2P  string `json:"p2p"`
	RPC  string `json:"rpc"`
	GRPC string `json:"grpc"`
	REST string `json:"rest"`
	// Operator is the address that votes; its key has the moniker's name.
	Operator string `json:"operator"`
	// ConsensusKey is the raw Ed25519 public key.
	ConsensusKey []byte `json:"consensus_key"`
	Log          string `json:"log"`
}

// Account is a funded account with a key in the keyring.
type Account struct {
	Name    string `json:"name"`
	Address string `json:"address"`
}

// RPCURL is what --node takes.
func (n Node) RPCURL() string { return "tcp://" + n.RPC }

// RESTURL is the base of the REST interface.
func (n Node) RESTURL() string { return "http://" + n.REST }

// Account returns the account with a name.
func (l *Layout) Account(name string) (Account, error) {
	for _, account := range l.Accounts {
		if account.Name == name {
			return account, nil
		}
	}
	return Account{}, fmt.Errorf("localnet: no account %q", name)
}

// Load reads the layout of a directory that InitFiles prepared.
func Load(dir string) (*Layout, error) {
	raw, err := os.ReadFile(filepath.Join(dir, layoutFile))
	if err != nil {
		return nil, fmt.Errorf("localnet: %w", err)
	}
	layout := new(Layout)
	if err := json.Unmarshal(raw, layout); err != nil {
		return nil, fmt.Errorf("localnet: %s: %w", layoutFile, err)
	}
	return layout, nil
}

func (l *Layout) save() error {
	raw, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(l.Dir, layoutFile), append(raw, '\n'), 0o600)
}
