package command

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/cmd/internal/cli"
	"github.com/tkms-network/tkms/enclave/attest"
	"github.com/tkms-network/tkms/enclave/attest/nsm"
	"github.com/tkms-network/tkms/enclave/objects"
	"github.com/tkms-network/tkms/enclave/party/backup"
	"github.com/tkms-network/tkms/enclave/party/identity"
	"github.com/tkms-network/tkms/enclave/seal"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

func newInit() *cobra.Command {
	var s settings
	var restore bool
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make the party's keys inside the enclave, seal them, and write its configuration",
		Example: `  tkms-party init --home p1 --chain-id tkms-devnet-1 --moniker p1 --operator tkms1... \
    --nodes http://127.0.0.1:26657,http://127.0.0.1:26667 --listen 127.0.0.1:7001 --status-listen 127.0.0.1:7101 \
    --trusted-height 3 --trusted-hash 5E0C... --simulated-root-seed 00..`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			home, err := cmd.Flags().GetString("home")
			if err != nil {
				return err
			}
			return initialize(cmd, home, &s, restore)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&s.ChainID, "chain-id", "", "id of the TKMS chain")
	flags.StringVar(&s.Moniker, "moniker", "", "name shown on chain")
	flags.StringVar(&s.Operator, "operator", "", "account that registers the party")
	flags.StringSliceVar(&s.Nodes, "nodes", nil, "RPC addresses of TKMS nodes; two or more let the party notice a lying one")
	flags.StringVar(&s.Listen, "listen", "127.0.0.1:7001", "address for peers")
	flags.StringVar(&s.Advertise, "advertise", "", "address for peers as registered (default: --listen)")
	flags.StringVar(&s.StatusListen, "status-listen", "127.0.0.1:7101", "address of status, metrics and public vault")
	flags.StringVar(&s.VaultURL, "vault-url", "", "public URL of the vault as registered (default: http://STATUS-LISTEN/keys)")
	flags.StringVar(&s.VaultStore, "vault-store", "", "bucket that keeps the vault's files: s3://bucket/prefix?endpoint=https://host&region=name&path-style=true (none: a folder of the home)")
	flags.StringVar(&s.VaultCredentials, "vault-credentials", "", "JSON file with accessKey and secretKey of the bucket (none: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of 'run')")
	flags.Int64Var(&s.TrustedHeight, "trusted-height", 0, "height of the header that the light client trusts")
	flags.StringVar(&s.TrustedHash, "trusted-hash", "", "its hash in hex; get it from somebody you trust, not from one node")
	flags.StringVar(&s.TEE, "tee", string(attest.DevNitro), "enclave type; dev-nitro is a SIMULATION")
	flags.StringVar(&s.SimulatedRoot, "simulated-root-seed", "", "seed of the simulated device's root, as in the network's genesis")
	flags.Uint64Var(&s.StockItems, "stock-items", 4096, "offline items kept ahead of demand")
	flags.Uint64Var(&s.RareStockEvery, "rare-stock-every", 4, "of the offline items for compressed and noise-squashed ciphertexts keep every so many batches of 512 ahead, others on demand; 0: none ahead. The same at all parties")
	flags.Int64Var(&s.PatienceMillis, "patience-ms", 2000, "wait in the offline phase before a silent member is reported")
	flags.StringSliceVar(&s.BackupCustodians, "backup-custodian", nil, "age recipient of a custodian of automatic backups, age1... or age1pq1...; repeat it (none: no automatic backups)")
	flags.IntVar(&s.BackupThreshold, "backup-threshold", 0, "how many custodians restore the party")
	flags.StringVar(&s.BackupStore, "backup-store", "", "folder or bucket of automatic backups, a bucket as with --vault-store; not on the machine of the party")
	flags.StringVar(&s.BackupCredentials, "backup-credentials", "", "JSON file with accessKey and secretKey of the bucket, as with --vault-credentials")
	flags.BoolVar(&restore, "restore", false, "make no keys: 'tkms-party backup restore' brings those of a party that is gone")
	flags.IntVar(&s.MaxOpenRequests, "max-open-requests", 64, "requests worked on at once")
	return cmd
}

func initialize(cmd *cobra.Command, home string, s *settings, restore bool) error {
	if s.Advertise == "" {
		s.Advertise = s.Listen
	}
	if s.VaultURL == "" {
		s.VaultURL = "http://" + s.StatusListen + "/keys"
	}
	if err := s.check(); err != nil {
		return err
	}
	if s.VaultStore != "" {
		if _, err := objects.ParseLocation(s.VaultStore); err != nil {
			return cli.WithHint(err, "--vault-store (TKMS_VAULT_STORE) names a bucket; without it the vault is a folder of the home")
		}
	}
	if _, err := s.custodians(); err != nil {
		return err
	}
	if _, err := sdk.AccAddressFromBech32(s.Operator); err != nil {
		return cli.WithHint(fmt.Errorf("operator: %w", err), "--operator takes the address of an account that pays for the registration")
	}
	if _, err := os.Stat(settingsPath(home)); err == nil {
		return cli.WithHint(fmt.Errorf("%s exists", settingsPath(home)), "a party's keys are made once; choose another --home")
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	store, err := s.sealed(home)
	if err != nil {
		return err
	}
	if restore {
		if err := s.save(home); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s is ready for a backup (enclave device: SIMULATED)\nnext: tkms-party backup recipient --home %s\n", home, home)
		return nil
	}
	if err := makeIdentity(store); err != nil {
		return err
	}
	if err := s.save(home); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "party %s is ready in %s (enclave device: SIMULATED)\nnext: tkms-party register-message --home %s > register.json\n", s.Moniker, home, home)
	return nil
}

// makeIdentity makes and seals the party's keys.
func makeIdentity(store *seal.Store) error {
	keys, err := identity.Generate()
	if err != nil {
		return err
	}
	raw, err := keys.MarshalBinary()
	if err != nil {
		return err
	}
	defer clear(raw)
	return store.Put(backup.Identity, raw)
}

func loadIdentity(store *seal.Store) (*identity.Identity, error) {
	raw, err := store.Get(backup.Identity)
	if errors.Is(err, seal.ErrNotFound) {
		return nil, cli.WithHint(err, "prepare the home with 'tkms-party init', or restore a backup")
	}
	if err != nil {
		return nil, err
	}
	defer raw.Zero()
	return identity.Unmarshal(raw)
}

func newRegisterMessage() *cobra.Command {
	return &cobra.Command{
		Use:   "register-message",
		Short: "Print the registration with a fresh attestation document, for the operator to sign",
		Long: "Print the message MsgRegisterParty as JSON, with an attestation document that binds the party's keys to a recent block.\n" +
			"The operator signs and sends it within minutes with 'tkmsd tx parties register-file'.",
		Example: "tkms-party register-message --home p1 > register.json\ntkmsd tx parties register-file register.json --from operator --wait",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			home, s, err := settingsOf(cmd)
			if err != nil {
				return err
			}
			message, err := registerMessage(cmd.Context(), home, s)
			if err != nil {
				return err
			}
			encoded, err := codec.ProtoMarshalJSON(message, nil)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), string(encoded))
			return nil
		},
	}
}

// registerMessage makes the registration; the recent block is one that the light
// client verified.
func registerMessage(ctx context.Context, home string, s *settings) (*partiestypes.MsgRegisterParty, error) {
	store, err := s.sealed(home)
	if err != nil {
		return nil, err
	}
	keys, err := loadIdentity(store)
	if err != nil {
		return nil, err
	}
	client, stop, err := startLightClient(ctx, s, store, time.Now)
	if err != nil {
		return nil, err
	}
	defer stop()
	waiting, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	recent, err := client.Next(waiting, s.TrustedHeight)
	if err != nil {
		return nil, cli.WithHint(err, "are the nodes reachable, and is the trusted header one of this chain's?")
	}
	if latest, err := client.Latest(); err == nil {
		recent = latest
	}
	trusted, err := hex.DecodeString(s.TrustedHash)
	if err != nil {
		return nil, err
	}
	pin, policy := keys.TLS.Pin(), sealPolicyHash()
	message := &partiestypes.MsgRegisterParty{
		Operator: s.Operator, Moniker: s.Moniker, SigningKey: keys.Signing.PubKey().Bytes(), SessionKey: keys.SessionPublic(),
		TlsKeyHash: pin[:], EncryptionKey: keys.Encryption.PublicKey().Bytes(), PeerAddress: s.Advertise, VaultUrl: s.VaultURL,
		TeeType: s.TEE, SealPolicyHash: policy[:], TrustedHeight: s.TrustedHeight, TrustedHash: trusted,
		RecentHeight: recent.Height, RecentHash: recent.Hash,
	}
	device, err := s.device()
	if err != nil {
		return nil, err
	}
	defer func() { _ = device.Close() }()
	digest := message.Binding(s.ChainID).Digest()
	message.Evidence, err = nsm.Attest(device, digest[:])
	return message, err
}
