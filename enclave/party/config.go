package party

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/backup"
	"github.com/tkms-network/tkms/enclave/party/identity"
	"github.com/tkms-network/tkms/enclave/party/vault"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/enclave/sharing"
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
	// Backups keeps the shares of each epoch with custodians; nil: nobody does.
	Backups *backup.Automatic
	// Vault serves public key material.
	Vault *vault.Vault
	// Scratch is a folder for the files of keys that are being generated, on the file
	// system of the vault.
	Scratch string
	// Listen is the address for peers, host:port.
	Listen string
	// Chain shows the chain.
	Chain Chain
	// HTTP fetches ciphertexts.
	HTTP *http.Client
	// StockTarget is how many unassigned offline items are kept ahead.
	StockTarget uint64
	// RareStockEvery says of which batches the items for compressed and noise-squashed
	// ciphertexts are kept ahead: of every so many one; 0 of none. Others are made when
	// a request needs them. All parties must have the same.
	RareStockEvery uint64
	// Patience is how long the offline phase waits before it reports who is missing.
	Patience time.Duration
	// Requests is how many ciphertexts are downloaded at once, at least 1.
	Requests int
	// Simulated names the stand-ins of this party, for its status.
	Simulated []string
	// Background calls a function in a goroutine that stays out of the way of what users
	// wait for (default: courtesy.Go).
	Background func(f func())
	// Wrap, if not nil, replaces the machines of all sessions. Only test programs set
	// it: a party that tampers with its own protocols is corrupt.
	Wrap Wrap
	// Now is this machine's clock (default: time.Now). It decides nothing but what
	// the self-check says.
	Now func() time.Time
	Log *slog.Logger
}
