package types

import (
	"strconv"
	"strings"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"golang.org/x/crypto/sha3"

	errorsmod "cosmossdk.io/errors"

	sdksecp256k1 "github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/enclave/attest"
)

const (
	signingKeySize = 33
	keySize        = 32
	maxMonikerSize = 70
	maxAddressSize = 255
)

// ValidateBasic checks everything about a registration that needs no state.
// Nothing here depends on how a library parses: the checks are consensus.
func (m *MsgRegisterParty) ValidateBasic() error {
	if len(m.Moniker) == 0 || len(m.Moniker) > maxMonikerSize || !printableASCII(m.Moniker) {
		return errorsmod.Wrapf(ErrInvalidMessage, "moniker: 1 to %d printable ASCII characters", maxMonikerSize)
	}
	if _, _, err := SigningAddresses(m.SigningKey); err != nil {
		return err
	}
	for _, field := range []struct {
		name  string
		value []byte
	}{
		{"session_key", m.SessionKey}, {"tls_key_hash", m.TlsKeyHash}, {"encryption_key", m.EncryptionKey},
		{"seal_policy_hash", m.SealPolicyHash}, {"trusted_hash", m.TrustedHash}, {"recent_hash", m.RecentHash},
	} {
		if len(field.value) != keySize {
			return errorsmod.Wrapf(ErrInvalidMessage, "%s has %d bytes, want %d", field.name, len(field.value), keySize)
		}
	}
	if err := validPeerAddress(m.PeerAddress); err != nil {
		return err
	}
	if err := validVaultURL(m.VaultUrl); err != nil {
		return err
	}
	if m.TeeType != TEETypeNitro && m.TeeType != TEETypeDevNitro {
		return ErrInvalidMessage.Wrap("tee_type must be nitro or dev-nitro")
	}
	if len(m.Evidence) == 0 {
		return ErrInvalidMessage.Wrap("no attestation document")
	}
	if m.TrustedHeight < 1 || m.RecentHeight < 1 {
		return ErrInvalidMessage.Wrap("heights begin at 1")
	}
	return nil
}

// Binding returns what the message's document must vouch for: who registers,
// where, from what, with which keys, policy and headers. What an operator may
// change without its enclave (moniker, addresses) is not in it; the operator is,
// so that nobody else can use the document.
func (m *MsgRegisterParty) Binding(chainID string) *attest.Binding {
	return &attest.Binding{
		ChainID:        chainID,
		Party:          m.Operator,
		Type:           attest.Type(m.TeeType),
		TLSKeyHash:     m.TlsKeyHash,
		SigningKey:     m.SigningKey,
		SessionKey:     m.SessionKey,
		EncryptionKey:  m.EncryptionKey,
		SealPolicyHash: m.SealPolicyHash,
		TrustedHeight:  m.TrustedHeight,
		TrustedHash:    m.TrustedHash,
		RecentHeight:   m.RecentHeight,
		RecentHash:     m.RecentHash,
	}
}

// SigningAddresses returns the two addresses of a compressed secp256k1 key: the
// account on this chain and the 20 bytes that host chains recover from a signature.
func SigningAddresses(key []byte) (account sdk.AccAddress, signing []byte, err error) {
	if len(key) != signingKeySize {
		return nil, nil, errorsmod.Wrapf(ErrInvalidMessage, "signing_key has %d bytes, want %d", len(key), signingKeySize)
	}
	point, err := secp256k1.ParsePubKey(key)
	if err != nil {
		return nil, nil, ErrInvalidMessage.Wrap("signing_key is no point of secp256k1")
	}
	hash := sha3.NewLegacyKeccak256()
	hash.Write(point.SerializeUncompressed()[1:])
	pub := sdksecp256k1.PubKey{Key: key}
	return sdk.AccAddress(pub.Address()), hash.Sum(nil)[12:], nil
}

// InStanding returns nil for a party that may work at the given block time, and
// else ErrPartyRemoved or ErrAttestationLapsed.
func (p *Party) InStanding(blockTime time.Time) error {
	if p.Removed {
		return ErrPartyRemoved
	}
	if !blockTime.Before(p.AttestedUntil) {
		return ErrAttestationLapsed
	}
	return nil
}

// validPeerAddress takes host:port, [v6]:port; port 1..65535.
func validPeerAddress(address string) error {
	bad := ErrInvalidMessage.Wrap("peer_address must be host:port")
	at := strings.LastIndexByte(address, ':')
	if at < 1 || len(address) > maxAddressSize {
		return bad
	}
	host, port := address[:at], address[at+1:]
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 || port[0] == '0' {
		return bad
	}
	if !validHost(host) {
		return bad
	}
	return nil
}

func validHost(host string) bool {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		return ok && len(inner) > 1 && strings.Trim(inner, "0123456789abcdefABCDEF:.") == ""
	}
	return len(host) > 0 && strings.IndexFunc(host, func(r rune) bool { return !alphanumeric(r) && r != '.' && r != '-' }) < 0
}

// validVaultURL takes http(s)://host[:port][/path] without query or fragment.
func validVaultURL(url string) error {
	bad := ErrInvalidMessage.Wrap("vault_url must be http(s)://host[:port][/path]")
	rest, ok := strings.CutPrefix(url, "https://")
	if !ok {
		rest, ok = strings.CutPrefix(url, "http://")
	}
	if !ok || len(url) > maxAddressSize {
		return bad
	}
	authority, path, _ := strings.Cut(rest, "/")
	if validPeerAddress(authority) != nil && !validHost(authority) {
		return bad
	}
	if strings.IndexFunc(path, func(r rune) bool { return !alphanumeric(r) && !strings.ContainsRune("/._-~", r) }) >= 0 {
		return bad
	}
	return nil
}

func alphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

func printableASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}
