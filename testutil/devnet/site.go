package devnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tkms-network/tkms/enclave/tfhe"
	hostclient "github.com/tkms-network/tkms/testutil/hostchain/client"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// Site is a host chain with its relayer and the key that it encrypts under.
type Site struct {
	// Dir keeps homes and logs.
	Dir string
	// Identity is how the host chain differs from the one by default.
	Identity HostIdentity

	Host    *Process
	HostURL string
	// HostClient speaks to the host chain.
	HostClient *hostclient.Client
	Relayer    *Process
	// RelayerURL is the base of the relayer's API, BlobURL that of its ciphertexts.
	RelayerURL, BlobURL string
	// Stores are URLs of further ciphertexts that the registration of the host chain
	// names before BlobURL.
	Stores []string

	// KeyID is the active key, once RequestKey returned.
	KeyID []byte
	// Public is its public key, once the last stage is done.
	Public *tfhe.CompactPublicKey

	key kmstypes.Key
	// account pays for the relayer's requests.
	account string
	// others are the relayers that AddRelayer started.
	others []*Process
}

// HostIdentity tells host chains apart. Zero values take the test host chain's
// defaults.
type HostIdentity struct {
	// ChainID is the EIP-155 id; GatewayChainID and Decryption make the domain in which
	// the parties sign for it.
	ChainID, GatewayChainID uint64
	Decryption              string
}

// flags of tkms-hostchain that say so.
func (i HostIdentity) flags() []string {
	var flags []string
	if i.ChainID != 0 {
		flags = append(flags, "--chain-id", fmt.Sprint(i.ChainID))
	}
	if i.GatewayChainID != 0 {
		flags = append(flags, "--gateway-chain-id", fmt.Sprint(i.GatewayChainID))
	}
	if i.Decryption != "" {
		flags = append(flags, "--decryption-address", i.Decryption)
	}
	return flags
}

// Beside returns the network with another host chain in place of its own: the same
// TKMS and parties, a site that has yet to be brought up by SiteStages, and that is
// stopped by its own Site.Stop.
func (d *Devnet) Beside(name string, identity HostIdentity) (*Devnet, error) {
	other := *d
	other.Site = &Site{Dir: filepath.Join(d.Config.Dir, name), Identity: identity, account: OtherRelayerAccount}
	return &other, os.MkdirAll(other.Site.Dir, 0o700)
}

// Via returns the network as clients of the relayer at a URL see it.
func (d *Devnet) Via(relayerURL string) *Devnet {
	other, site := *d, *d.Site
	site.RelayerURL, site.others = relayerURL, nil
	other.Site = &site
	return &other
}

// AddRelayer starts a second relayer of the host chain, with a home and an account of
// its own, and returns the network as its clients see it. Ciphertexts stay with the
// first one, which the registration names. The relayer is stopped with the site.
func (d *Devnet) AddRelayer(ctx context.Context) (*Devnet, error) {
	other := d.Via("")
	other.account = OtherRelayerAccount
	if err := other.prepareRelayer(ctx, "other-relayer"); err != nil {
		return nil, err
	}
	other.BlobURL = d.BlobURL
	d.others = append(d.others, other.Relayer)
	return other, other.StartRelayer(ctx)
}

// Stop stops relayers and host chain.
func (s *Site) Stop() error {
	var failures []error
	if s.HostClient != nil {
		s.HostClient.Close()
	}
	for _, p := range append(s.others, s.Relayer) {
		if p != nil {
			failures = append(failures, p.Stop())
		}
	}
	if s.Host != nil {
		failures = append(failures, s.Host.Stop())
	}
	return errors.Join(failures...)
}

// SiteStages bring a host chain beside the first one up, after whose stages the
// network decrypts for both.
func (d *Devnet) SiteStages() []Stage {
	return append([]Stage{
		{Group: groupProcesses, Name: "fhEVM host chain seals blocks", Run: d.stageHostChain},
		{Group: groupProcesses, Name: "relayer serves", Run: d.stageRelayer},
	}, d.hostStages()...)
}

// hostStages register the running host chain and generate its key.
func (d *Devnet) hostStages() []Stage {
	return []Stage{
		{Group: groupHostChain, Name: "governance registers the host chain in x/acl", Run: d.stageHostRecord},
		{Group: groupHostChain, Name: "KMSVerifier on the host chain takes the parties as signers", Run: d.stageSigners},
		{Group: groupKey, Name: "a transaction requests a key, the parties generate it, it is ACTIVE", Generates: true, Run: d.stageKey},
		{Group: groupKey, Name: "its CompactPublicKey is published with the digest on chain", Run: d.stagePublicKey},
	}
}
