package types

import (
	"bytes"
	"strings"

	"github.com/tkms-network/tkms/x/acl/qbft"
	"github.com/tkms-network/tkms/x/acl/slots"
	"github.com/tkms-network/tkms/x/acl/wallets"
)

// Bounds of a host chain record.
const (
	MaxNameLength      = 64
	MaxDomainText      = 64
	MaxEndpoints       = 8
	MaxEndpointLength  = 256
	MaxSimulated       = 8
	MaxSimulatedLength = 64
	// MaxHandles bounds what governance may allow in one request.
	MaxHandles = 256
	// MaxHeaderAge is the longest freshness window, in seconds: a week.
	MaxHeaderAge = 7 * 24 * 3600
	// MaxHeaderAhead is the longest a header may be ahead of block time, in seconds: an hour.
	MaxHeaderAhead = 3600
	// MaxPrice bounds a fee in utkms, so that no product of it overflows.
	MaxPrice = 1_000_000_000_000
	// MaxWallets bounds the rules for contract wallets.
	MaxWallets = 16
	// MaxUserDecryptionBits bounds what governance may allow in one user decryption:
	// MaxHandles of the widest numbers.
	MaxUserDecryptionBits = MaxHandles * 256
)

const (
	addressLength = 20
	wordLength    = 32
)

// ValidatorSet returns the host chain's current validators.
func (h HostChain) ValidatorSet() (qbft.ValidatorSet, error) {
	set, err := qbft.ValidatorSetFromBytes(h.Validators)
	if err != nil {
		return qbft.ValidatorSet{}, ErrInvalidHostChain.Wrap(err.Error())
	}
	return set, nil
}

// WalletKind returns the rule by which wallets with that code approve, and false if
// there is none.
func (h HostChain) WalletKind(codeHash [32]byte) (wallets.Kind, bool) {
	for _, rule := range h.Wallets {
		if bytes.Equal(rule.CodeHash, codeHash[:]) {
			return wallets.Kind(rule.Kind), true
		}
	}
	return 0, false
}

// KnowsWallet tells whether a wallet rule pins the code together with the
// implementation, an address padded to a word.
func (h HostChain) KnowsWallet(codeHash, implementation [32]byte) bool {
	for _, rule := range h.Wallets {
		if bytes.Equal(rule.CodeHash, codeHash[:]) &&
			bytes.Equal(make([]byte, wordLength-addressLength), implementation[:wordLength-addressLength]) &&
			bytes.Equal(rule.Implementation, implementation[wordLength-addressLength:]) {
			return true
		}
	}
	return false
}

// SameDomain tells whether signatures under one domain would be valid under the other.
func (d VerifierDomain) SameDomain(other VerifierDomain) bool {
	return d.ChainId == other.ChainId && bytes.Equal(d.VerifyingContract, other.VerifyingContract) &&
		d.Name == other.Name && d.Version == other.Version
}

// Validate checks everything about a record that needs no state. It fails with ErrInvalidHostChain.
func (h HostChain) Validate() error {
	if h.Id == 0 {
		return ErrInvalidHostChain.Wrap("id 0 is no chain id")
	}
	if h.Name == "" || len(h.Name) > MaxNameLength {
		return ErrInvalidHostChain.Wrapf("name has %d bytes, want 1 to %d", len(h.Name), MaxNameLength)
	}
	if h.HeaderKind != HEADER_KIND_QBFT {
		return ErrInvalidHostChain.Wrapf("header kind %s is not supported", h.HeaderKind)
	}
	if _, err := h.ValidatorSet(); err != nil {
		return err
	}
	if err := h.validateContracts(); err != nil {
		return err
	}
	if err := h.VerifierDomain.validate(); err != nil {
		return err
	}
	if max(h.Fees.PublicDecryptionPerBlock, h.Fees.UserDecryptionPerBlock, h.Fees.PerRequest) > MaxPrice {
		return ErrInvalidHostChain.Wrapf("a fee is over %d", uint64(MaxPrice))
	}
	if err := h.Limits.validate(); err != nil {
		return err
	}
	if err := h.Freshness.validate(); err != nil {
		return err
	}
	if err := validateWallets(h.Wallets); err != nil {
		return err
	}
	return h.validateTexts()
}

func (h HostChain) validateContracts() error {
	if _, err := slots.NewACL(h.AclLayout); err != nil {
		return ErrInvalidHostChain.Wrap(err.Error())
	}
	if h.BindingRule != BINDING_RULE_REGISTRY {
		return ErrInvalidHostChain.Wrapf("binding rule %s is not supported", h.BindingRule)
	}
	if err := isAddress("acl", h.Acl.Address); err != nil {
		return err
	}
	if err := isAddress("registry", h.Registry.Address); err != nil {
		return err
	}
	if bytes.Equal(h.Acl.Address, h.Registry.Address) {
		return ErrInvalidHostChain.Wrap("ACL and registry have one address")
	}
	if n := len(h.Acl.CodeHash); n != 0 && n != wordLength {
		return ErrInvalidHostChain.Wrapf("code hash of the ACL has %d bytes, want 0 or %d", n, wordLength)
	}
	// Whoever may write the registry can extract the key, so what decides that is pinned.
	if n := len(h.Registry.CodeHash); n != wordLength {
		return ErrInvalidHostChain.Wrapf("code hash of the registry has %d bytes, want %d", n, wordLength)
	}
	if n := len(h.RegistrySlot); n != wordLength {
		return ErrInvalidHostChain.Wrapf("registry slot has %d bytes, want %d", n, wordLength)
	}
	return h.validateVerifier()
}

// validateVerifier checks the contract that takes the parties' signatures, if the record
// names one.
func (h HostChain) validateVerifier() error {
	if h.Verifier == nil {
		if h.VerifierLayout != "" {
			return ErrInvalidHostChain.Wrap("a layout of a verifier, and no verifier")
		}
		return nil
	}
	if _, err := slots.NewVerifier(h.VerifierLayout); err != nil {
		return ErrInvalidHostChain.Wrap(err.Error())
	}
	if err := isAddress("verifier", h.Verifier.Address); err != nil {
		return err
	}
	if bytes.Equal(h.Verifier.Address, h.Acl.Address) || bytes.Equal(h.Verifier.Address, h.Registry.Address) {
		return ErrInvalidHostChain.Wrap("the verifier has the address of another contract")
	}
	if n := len(h.Verifier.CodeHash); n != 0 && n != wordLength {
		return ErrInvalidHostChain.Wrapf("code hash of the verifier has %d bytes, want 0 or %d", n, wordLength)
	}
	return nil
}

func (d VerifierDomain) validate() error {
	if d.Name == "" || len(d.Name) > MaxDomainText || d.Version == "" || len(d.Version) > MaxDomainText {
		return ErrInvalidHostChain.Wrapf("name and version of the verifier domain need 1 to %d bytes", MaxDomainText)
	}
	if d.ChainId == 0 {
		return ErrInvalidHostChain.Wrap("chain id 0 of the verifier domain")
	}
	return isAddress("verifying contract", d.VerifyingContract)
}

func (l Limits) validate() error {
	if l.MaxHandlesPerRequest == 0 || l.MaxHandlesPerRequest > MaxHandles {
		return ErrInvalidHostChain.Wrapf("%d handles in a request are not within 1..%d", l.MaxHandlesPerRequest, MaxHandles)
	}
	if l.MaxBlocksPerRequest == 0 || l.MaxBlocksPerWindow < uint64(l.MaxBlocksPerRequest) {
		return ErrInvalidHostChain.Wrap("a rate window must hold at least one request of the largest size")
	}
	if l.WindowBlocks == 0 || l.DeadlineBlocks == 0 {
		return ErrInvalidHostChain.Wrap("rate window and deadline need at least one block")
	}
	if l.MaxUserDecryptionBits > MaxUserDecryptionBits {
		return ErrInvalidHostChain.Wrapf("%d bits in a user decryption are over %d", l.MaxUserDecryptionBits, MaxUserDecryptionBits)
	}
	return nil
}

func (f Freshness) validate() error {
	if f.MaxAgeSeconds == 0 || f.MaxAgeSeconds > MaxHeaderAge {
		return ErrInvalidHostChain.Wrapf("maximal header age %d s is not within 1..%d", f.MaxAgeSeconds, MaxHeaderAge)
	}
	if f.MaxAheadSeconds > MaxHeaderAhead {
		return ErrInvalidHostChain.Wrapf("headers %d s ahead are over %d", f.MaxAheadSeconds, MaxHeaderAhead)
	}
	if f.DelegationMaxAgeSeconds > f.MaxAgeSeconds {
		return ErrInvalidHostChain.Wrapf("headers that show delegations may be %d s old, others only %d", f.DelegationMaxAgeSeconds, f.MaxAgeSeconds)
	}
	return nil
}

// validateWallets checks each rule and that none is given twice.
func validateWallets(rules []WalletRule) error {
	if len(rules) > MaxWallets {
		return ErrInvalidHostChain.Wrapf("%d rules for wallets, want at most %d", len(rules), MaxWallets)
	}
	for i, rule := range rules {
		if !wallets.Known(wallets.Kind(rule.Kind)) {
			return ErrInvalidHostChain.Wrapf("wallet kind %s is not supported", rule.Kind)
		}
		if n := len(rule.CodeHash); n != wordLength {
			return ErrInvalidHostChain.Wrapf("code hash of a wallet has %d bytes, want %d", n, wordLength)
		}
		if err := isAddress("a wallet's implementation", rule.Implementation); err != nil {
			return err
		}
		for _, other := range rules[:i] {
			if bytes.Equal(rule.CodeHash, other.CodeHash) && bytes.Equal(rule.Implementation, other.Implementation) {
				return ErrInvalidHostChain.Wrap("a wallet rule is given twice")
			}
		}
	}
	return nil
}

func (h HostChain) validateTexts() error {
	if len(h.BlobEndpoints) > MaxEndpoints {
		return ErrInvalidHostChain.Wrapf("%d blob endpoints, want at most %d", len(h.BlobEndpoints), MaxEndpoints)
	}
	for _, endpoint := range h.BlobEndpoints {
		if !isEndpoint(endpoint) {
			return ErrInvalidHostChain.Wrapf("blob endpoint %.64q is no URL of http or https with at most %d bytes", endpoint, MaxEndpointLength)
		}
	}
	if len(h.Simulated) > MaxSimulated {
		return ErrInvalidHostChain.Wrapf("%d simulated parts, want at most %d", len(h.Simulated), MaxSimulated)
	}
	for _, part := range h.Simulated {
		if part == "" || len(part) > MaxSimulatedLength {
			return ErrInvalidHostChain.Wrapf("name of a simulated part has %d bytes, want 1 to %d", len(part), MaxSimulatedLength)
		}
	}
	return nil
}

// isEndpoint accepts http and https URLs of printable ASCII. It looks no closer: a general URL parser's
// verdict may differ between releases of its library, and validators must agree.
func isEndpoint(endpoint string) bool {
	if len(endpoint) > MaxEndpointLength {
		return false
	}
	for i := range len(endpoint) {
		if endpoint[i] <= ' ' || endpoint[i] > '~' {
			return false
		}
	}
	_, rest, found := strings.Cut(endpoint, "://")
	return found && rest != "" && rest[0] != '/' &&
		(strings.HasPrefix(endpoint, "http://") || strings.HasPrefix(endpoint, "https://"))
}

func isAddress(what string, address []byte) error {
	if len(address) != addressLength {
		return ErrInvalidHostChain.Wrapf("address of %s has %d bytes, want %d", what, len(address), addressLength)
	}
	if bytes.Equal(address, make([]byte, addressLength)) {
		return ErrInvalidHostChain.Wrapf("address of %s is zero", what)
	}
	return nil
}
