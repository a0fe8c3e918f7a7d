package command

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tkms-network/tkms/cmd/internal/cli"
	"github.com/tkms-network/tkms/enclave/attest"
	"github.com/tkms-network/tkms/enclave/attest/devnitro"
	"github.com/tkms-network/tkms/enclave/lightclient"
	"github.com/tkms-network/tkms/enclave/objects"
	"github.com/tkms-network/tkms/enclave/party/backup"
	"github.com/tkms-network/tkms/enclave/party/vault"
	"github.com/tkms-network/tkms/enclave/seal"
)

// settings is the party's configuration file. Nothing in it is secret; what
// decides what the party believes (chain, operator, trusted header) is bound into
// its attestation.
type settings struct {
	ChainID  string `json:"chain_id"`
	Moniker  string `json:"moniker"`
	Operator string `json:"operator"`
	// Nodes are RPC addresses of TKMS nodes: carriers, not authorities.
	Nodes []string `json:"nodes"`
	// Listen and Advertise are the addresses for peers, as bound and as registered.
	Listen    string `json:"listen"`
	Advertise string `json:"advertise"`
	// StatusListen serves status, metrics and the public vault.
	StatusListen string `json:"status_listen"`
	VaultURL     string `json:"vault_url"`
	// VaultStore names a bucket that keeps the vault's files; none: a folder of the home.
	// VaultCredentials is the file with its access keys; none: the environment has them.
	VaultStore       string `json:"vault_store,omitempty"`
	VaultCredentials string `json:"vault_credentials,omitempty"`
	// BackupCustodians are age recipients, BackupThreshold of whom restore the party; none:
	// no automatic backups. BackupStore is a folder or a bucket as in VaultStore.
	BackupCustodians  []string `json:"backup_custodians,omitempty"`
	BackupThreshold   int      `json:"backup_threshold,omitempty"`
	BackupStore       string   `json:"backup_store,omitempty"`
	BackupCredentials string   `json:"backup_credentials,omitempty"`
	// TrustedHeight and TrustedHash name the header that the light client starts from.
	TrustedHeight int64  `json:"trusted_height"`
	TrustedHash   string `json:"trusted_hash"`
	// TEE is "dev-nitro": a simulated device whose root comes from SimulatedRoot.
	TEE           string `json:"tee"`
	SimulatedRoot string `json:"simulated_root_seed,omitempty"`

	StockItems      uint64 `json:"stock_items"`
	RareStockEvery  uint64 `json:"rare_stock_every"`
	PatienceMillis  int64  `json:"patience_ms"`
	MaxOpenRequests int    `json:"max_open_requests"`
}

func settingsPath(home string) string { return filepath.Join(home, "party.json") }

// settingsOf returns the home folder that a command was given and its settings.
func settingsOf(cmd *cobra.Command) (string, *settings, error) {
	home, err := cmd.Flags().GetString("home")
	if err != nil {
		return "", nil, err
	}
	s, err := loadSettings(home)
	return home, s, err
}

func loadSettings(home string) (*settings, error) {
	raw, err := os.ReadFile(settingsPath(home))
	if err != nil {
		return nil, cli.WithHint(fmt.Errorf("read the configuration: %w", err), "prepare the home with 'tkms-party init', or name it with --home (TKMS_HOME)")
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	var s settings
	if err := decoder.Decode(&s); err != nil {
		return nil, cli.WithHint(fmt.Errorf("read %s: %w", settingsPath(home), err), "compare it with a file that 'tkms-party init' writes")
	}
	return &s, s.check()
}

func (s *settings) check() error {
	switch {
	case s.ChainID == "":
		return cli.WithHint(fmt.Errorf("no chain id"), "set --chain-id (TKMS_CHAIN_ID)")
	case len(s.Nodes) == 0:
		return cli.WithHint(fmt.Errorf("no node"), "name one or more RPC addresses with --nodes (TKMS_NODES)")
	case s.TEE != string(attest.DevNitro):
		return cli.WithHint(fmt.Errorf("enclave type %q is not supported by this build", s.TEE), "use dev-nitro on a development network; hardware comes with an enclave image")
	case s.TrustedHeight < 1 || len(s.TrustedHash) != 2*sha256.Size:
		return cli.WithHint(fmt.Errorf("no trusted header"), "set --trusted-height and --trusted-hash to a block that you have checked yourself")
	}
	if _, err := hex.DecodeString(s.TrustedHash); err != nil {
		return fmt.Errorf("trusted hash: %w", err)
	}
	return nil
}

func (s *settings) save(home string) error {
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(settingsPath(home), append(raw, '\n'), 0o600)
}

// vault opens the public vault.
func (s *settings) vault(home string) (*vault.Vault, error) {
	folder := filepath.Join(home, "vault")
	if s.VaultStore == "" {
		return vault.Open(folder)
	}
	return openBucket(folder, "vault", s.VaultStore, s.VaultCredentials)
}

// openBucket opens a bucket that the settings NAME_store and NAME_credentials say.
func openBucket(folder, name, store, credentials string) (*vault.Vault, error) {
	location, err := objects.ParseLocation(store)
	if err != nil {
		return nil, cli.WithHint(err, name+"_store of party.json names a bucket or is left out")
	}
	who, err := objects.ReadCredentials(credentials)
	if err != nil {
		return nil, cli.WithHint(err, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a file in "+name+"_credentials of party.json")
	}
	return vault.OpenBucket(folder, location, who)
}

func isBucket(store string) bool { return strings.HasPrefix(store, "s3:") }

// custodians returns those of automatic backups, nil for none.
func (s *settings) custodians() (*backup.Custodians, error) {
	if len(s.BackupCustodians) == 0 {
		return nil, nil
	}
	switch {
	case s.BackupStore == "":
		return nil, cli.WithHint(fmt.Errorf("no place for automatic backups"), "name a folder or bucket with --backup-store (TKMS_BACKUP_STORE)")
	case isBucket(s.BackupStore):
		if _, err := objects.ParseLocation(s.BackupStore); err != nil {
			return nil, cli.WithHint(err, "--backup-store (TKMS_BACKUP_STORE) names a bucket, or a folder")
		}
	}
	return custodians(s.BackupCustodians, s.BackupThreshold)
}

// backups returns the automatic backups, nil if there are none to be, and what closes
// them.
func (s *settings) backups(home string, store *seal.Store) (*backup.Automatic, func(), error) {
	to, err := s.custodians()
	if err != nil || to == nil {
		return nil, func() {}, err
	}
	var files *vault.Vault
	if isBucket(s.BackupStore) {
		files, err = openBucket(filepath.Join(home, "backups"), "backup", s.BackupStore, s.BackupCredentials)
	} else {
		files, err = vault.Open(s.BackupStore)
	}
	if err != nil {
		return nil, nil, err
	}
	return backup.NewAutomatic(store, to, files), func() { _ = files.Close() }, nil
}

// sealed opens the party's sealed store.
func (s *settings) sealed(home string) (*seal.Store, error) {
	secret, err := seal.LoadOrCreateDeviceSecret(filepath.Join(home, "simulated-device.secret"))
	if err != nil {
		return nil, err
	}
	wrapper, err := seal.NewSimulatedDevice(secret)
	if err != nil {
		return nil, err
	}
	return seal.Open(filepath.Join(home, "sealed"), wrapper, s.ChainID, s.Operator)
}

// device returns the simulated device, which measures this very program.
func (s *settings) device() (*devnitro.Device, error) {
	seed, err := hex.DecodeString(s.SimulatedRoot)
	if err != nil {
		return nil, fmt.Errorf("simulated root seed: %w", err)
	}
	root, err := devnitro.NewRoot(seed)
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	measurement, err := devnitro.MeasureFile(program)
	if err != nil {
		return nil, err
	}
	return devnitro.New(devnitro.Config{Root: root, Measurement: measurement, Instance: s.Moniker, Now: time.Now})
}

func (s *settings) nodes() ([]lightclient.Node, error) {
	nodes := make([]lightclient.Node, len(s.Nodes))
	for i, address := range s.Nodes {
		node, err := lightclient.HTTP(address)
		if err != nil {
			return nil, fmt.Errorf("node %s: %w", address, err)
		}
		nodes[i] = node
	}
	return nodes, nil
}

// sealPolicyHash names the policy under which shares are sealed.
func sealPolicyHash() [sha256.Size]byte {
	return sha256.Sum256([]byte("tkms/v1/seal-policy/" + seal.SimulatedDeviceName))
}
