package party

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/identity"
	"github.com/tkms-network/tkms/enclave/party/vault"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// Wrap returns what a party runs instead of a machine, in the session of that id
// with those members.
type Wrap func(session mpc.Digest, members sharing.Parties, identity *mpc.Identity, machine mpc.Machine) mpc.Machine

// Config is what a Party needs.
type Config struct {
	// ChainID of the TKMS chain; part of every session id.
	ChainID string
	// Moniker names the party in its status.
	Moniker string
	// Identity holds the registered keys.
	Identity *identity.Identity
	// Store seals what must survive a restart.
	Store *seal.Store
	// Journal keeps what the party must not sign twice.
	Journal preproc.Journal
	// Vault serves public key material.
	Vault *vault.Vault
	// Listen is the address for peers, host:port.
	Listen string
	// Chain shows the chain.
	Chain Chain
	// HTTP fetches ciphertexts.
	HTTP *http.Client
	// StockTarget is how many unassigned offline items are kept ahead.
	StockTarget uint64
	// Patience is how long the offline phase waits before it reports who is missing.
	Patience time.Duration
	// Requests is how many ciphertexts are downloaded at once, at least 1.
	Requests int
	// Simulated names the stand-ins of this party, for its status.
	Simulated []string
	// Wrap, if not nil, replaces the machines of all sessions. Only test programs set
	// it: a party that tampers with its own protocols is corrupt.
	Wrap Wrap
	// Now is this machine's clock (default: time.Now). It decides nothing but what
	// the self-check says.
	Now func() time.Time
	Log *slog.Logger
}

// Key sets by the name under which the chain records them: what is generated,
// and under which TFHE-rs parameters.
const (
	// ProductionPKE is the compact public key of fhEVM's production parameters,
	// with the secret keys behind it.
	ProductionPKE = tfhe.NameProductionPKE
	// TestPKE is the same in small dimensions without security.
	TestPKE = "insecure-test-pke"
)

// parameters resolves the name of a key set.
func parameters(name string) (tfhe.Parameters, error) {
	switch name {
	case ProductionPKE:
		return tfhe.ProductionPKE(), nil
	case TestPKE:
		return tfhe.Test(), nil
	}
	return tfhe.Parameters{}, fmt.Errorf("%q: %w", name, tfhe.ErrUnknownParameters)
}
