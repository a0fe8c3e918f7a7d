package main

import (
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/tkms-network/tkms/cmd/internal/cli"
)

// config is what the flags of run say.
type config struct {
	home         string
	listen       string
	tkmsNodes    []string
	hostRPCs     []string
	hostChainID  uint64
	keyFile      string
	hostKeyFile  string
	logLevel     string
	objectBytes  int64
	storageBytes int64
	store        string
	// storeCredentials is a file; "" for the environment.
	storeCredentials string
	publicURL        string
	workers          int
	openJobs         int
	maxFee           uint64
	callbackGas      uint64
	jobTimeout       time.Duration
	readiness        time.Duration
	callbackTime     time.Duration
	retention        time.Duration
	// userRetention is retention of what TKMS or the coprocessor answers again.
	userRetention time.Duration
	grace         int64
	// serveContracts are addresses in hex, serveFrom the first block that is read for them.
	serveContracts []string
	serveFrom      uint64
	crsFile        string
	coprocessor    string
	apiKeys        string
	anonymousRate  float64
	behindProxy    bool
}

func (c *config) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&c.listen, "listen", "127.0.0.1:8645", "address of the HTTP interface")
	flags.StringSliceVar(&c.tkmsNodes, "tkms-node", []string{"http://127.0.0.1:26657"}, "RPC addresses of TKMS nodes; the first that answers is used")
	flags.StringSliceVar(&c.hostRPCs, "host-chain-rpc", []string{"http://127.0.0.1:8545"}, "JSON-RPC addresses of the host chain, HTTP or websocket; none of them is trusted")
	flags.Uint64Var(&c.hostChainID, "host-chain-id", 0, "EIP-155 id of the host chain")
	flags.StringVar(&c.keyFile, "key-file", "", "file with the hex secp256k1 key of the TKMS account that pays for requests")
	flags.StringVar(&c.hostKeyFile, "host-key-file", "", "file with the hex key of the host chain account that carries results back (none: nothing is carried)")
	flags.StringVar(&c.logLevel, "log-level", "info", "debug, info, warn or error")
	flags.Int64Var(&c.objectBytes, "max-ciphertext-bytes", 32<<20, "largest ciphertext to store")
	flags.Int64Var(&c.storageBytes, "max-storage-bytes", 10<<30, "bound on all stored ciphertexts together")
	flags.StringVar(&c.store, "store", "", "bucket that keeps ciphertexts: s3://bucket/prefix?endpoint=https://host&region=name&path-style=true (none: a folder under --home)")
	flags.StringVar(&c.storeCredentials, "store-credentials", "", "JSON file with accessKey and secretKey of the bucket (none: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)")
	flags.StringVar(&c.publicURL, "public-url", "", "base URL by which clients reach the relayer (default: http://LISTEN)")
	flags.IntVar(&c.workers, "workers", 64, "requests worked on at a time")
	flags.IntVar(&c.openJobs, "max-open-jobs", 4096, "requests taken before clients are asked to come back")
	flags.Uint64Var(&c.maxFee, "max-fee", 10_000_000, "what one request may cost, in utkms; the host chain's price is taken")
	flags.Uint64Var(&c.callbackGas, "callback-gas", 10_000_000, "gas that one callback may take on the host chain")
	flags.DurationVar(&c.jobTimeout, "request-timeout", 5*time.Minute, "how long a request may take")
	flags.DurationVar(&c.readiness, "readiness-timeout", 15*time.Second, "how long to wait until the host chain permits what was asked")
	flags.DurationVar(&c.callbackTime, "callback-timeout", 2*time.Minute, "how long a callback may take to get into a block")
	flags.DurationVar(&c.retention, "retention", 7*24*time.Hour, "how long finished public decryptions are kept")
	flags.DurationVar(&c.userRetention, "user-retention", time.Hour, "how long finished user decryptions and inputs are kept; they can be asked for again")
	flags.Int64Var(&c.grace, "share-grace-blocks", 3, "TKMS blocks for which the last shares of a user decryption are waited for once it is usable")
	flags.StringSliceVar(&c.serveContracts, "serve-contract", nil, "host chain contracts that get what they make publicly decryptable, by fulfil(bytes32[],bytes,bytes), without anybody asking")
	flags.Uint64Var(&c.serveFrom, "serve-from", 0, "host chain block from which on contracts are served at the first start (0: the newest one then)")
	flags.StringVar(&c.crsFile, "crs-file", "", "file with the CRS that one party made for clients' inputs (none: clients have to bring one)")
	flags.StringVar(&c.coprocessor, "coprocessor", "", "base URL of the coprocessor that verifies inputs (none: inputs are refused)")
	flags.StringVar(&c.apiKeys, "api-keys", "", "JSON file of API keys with the limits of each (none: no keys)")
	flags.Float64Var(&c.anonymousRate, "anonymous-rate", 100, "calls a second, of those that cost something, by one address without API key; 0: keys are needed")
	flags.BoolVar(&c.behindProxy, "behind-proxy", false, "take the caller's address from the end of X-Forwarded-For, which a reverse proxy appends")
}

func (c *config) check() error {
	switch {
	case c.hostChainID == 0:
		return cli.WithHint(errors.New("no host chain"), "name the chain that this relayer serves with --host-chain-id (TKMS_HOST_CHAIN_ID)")
	case len(c.tkmsNodes) == 0:
		return cli.WithHint(errors.New("no TKMS node"), "name one or more RPC addresses with --tkms-node (TKMS_TKMS_NODE)")
	case len(c.hostRPCs) == 0:
		return cli.WithHint(errors.New("no node of the host chain"), "name one or more JSON-RPC addresses with --host-chain-rpc (TKMS_HOST_CHAIN_RPC)")
	case c.workers < 1 || c.openJobs < 1:
		return cli.WithHint(errors.New("no request would be worked on"), "--workers and --max-open-jobs are 1 or more")
	case c.grace < 0:
		return cli.WithHint(errors.New("shares cannot be waited for backwards"), "--share-grace-blocks is 0 or more")
	case c.anonymousRate < 0, c.anonymousRate == 0 && c.apiKeys == "":
		return cli.WithHint(errors.New("nobody could call"), "--anonymous-rate is above 0, or 0 together with --api-keys")
	case len(c.serveContracts) > 0 && c.hostKeyFile == "":
		return cli.WithHint(errors.New("nobody would carry results to the contracts of --serve-contract"), "name the file of a host chain account's key with --host-key-file (TKMS_HOST_KEY_FILE)")
	case c.keyFile == "":
		return cli.WithHint(errors.New("no key"), "name the file of the relayer's account key with --key-file (TKMS_KEY_FILE)")
	}
	return nil
}

// contracts returns the contracts that are served.
func (c *config) contracts() ([]common.Address, error) {
	var list []common.Address
	for _, text := range c.serveContracts {
		address, err := common.NewMixedcaseAddressFromString(text)
		if err != nil || strings.ToLower(text) != text && !address.ValidChecksum() {
			return nil, cli.WithHint(fmt.Errorf("%q is no address", text), "--serve-contract (TKMS_SERVE_CONTRACT) takes addresses of 0x and 40 hexadecimal digits")
		}
		list = append(list, address.Address())
	}
	return list, nil
}

// readKey reads 32 bytes in hex, with or without 0x, that only the file's owner
// may read. The content is in no error.
func readKey(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cli.WithHint(err, "a key file holds 64 hexadecimal digits")
	}
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, cli.WithHint(fmt.Errorf("others may read %s", path), "chmod 600 "+path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	defer clear(raw)
	key, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(string(raw)), "0x"))
	if err != nil || len(key) != 32 {
		return nil, cli.WithHint(fmt.Errorf("%s holds no key", path), "a key file holds 64 hexadecimal digits")
	}
	return key, nil
}

func readAccountKey(path string) (*secp256k1.PrivKey, error) {
	raw, err := readKey(path)
	if err != nil {
		return nil, err
	}
	// It checks that the scalar is within the curve's order.
	if _, err := crypto.ToECDSA(raw); err != nil {
		return nil, fmt.Errorf("%s holds no secp256k1 key", path)
	}
	return &secp256k1.PrivKey{Key: raw}, nil
}

func readHostKey(path string) (*ecdsa.PrivateKey, error) {
	if path == "" {
		return nil, nil
	}
	raw, err := readKey(path)
	if err != nil {
		return nil, err
	}
	key, err := crypto.ToECDSA(raw)
	if err != nil {
		return nil, fmt.Errorf("%s holds no secp256k1 key", path)
	}
	return key, nil
}
