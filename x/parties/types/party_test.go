package types

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/stretchr/testify/require"
)

func registration() *MsgRegisterParty {
	return &MsgRegisterParty{
		Operator: "operator", Moniker: "alice",
		SigningKey: secp256k1.PrivKeyFromBytes(digest(1)).PubKey().SerializeCompressed(),
		SessionKey: digest(2), TlsKeyHash: digest(3), EncryptionKey: digest(4),
		PeerAddress: "alice.example:7700", VaultUrl: "https://alice.example/vault", TeeType: TEETypeNitro,
		Evidence: []byte{1}, SealPolicyHash: digest(5),
		TrustedHeight: 1, TrustedHash: digest(6), RecentHeight: 2, RecentHash: digest(7),
	}
}

func TestMalformedRegistrationsAreRefusedWithoutState(t *testing.T) {
	require.NoError(t, registration().ValidateBasic())
	for name, change := range map[string]func(*MsgRegisterParty){
		"no moniker":            func(m *MsgRegisterParty) { m.Moniker = "" },
		"long moniker":          func(m *MsgRegisterParty) { m.Moniker = strings.Repeat("a", 71) },
		"control character":     func(m *MsgRegisterParty) { m.Moniker = "a\n" },
		"moniker beyond ASCII":  func(m *MsgRegisterParty) { m.Moniker = "ä" },
		"short signing key":     func(m *MsgRegisterParty) { m.SigningKey = m.SigningKey[1:] },
		"uncompressed key":      func(m *MsgRegisterParty) { m.SigningKey = make([]byte, 65) },
		"no point":              func(m *MsgRegisterParty) { m.SigningKey = append([]byte{2}, digest(0xff)...) },
		"session key":           func(m *MsgRegisterParty) { m.SessionKey = append(m.SessionKey, 0) },
		"tls key hash":          func(m *MsgRegisterParty) { m.TlsKeyHash = nil },
		"encryption key":        func(m *MsgRegisterParty) { m.EncryptionKey = digest(1)[1:] },
		"seal policy hash":      func(m *MsgRegisterParty) { m.SealPolicyHash = nil },
		"trusted hash":          func(m *MsgRegisterParty) { m.TrustedHash = nil },
		"recent hash":           func(m *MsgRegisterParty) { m.RecentHash = nil },
		"trusted height":        func(m *MsgRegisterParty) { m.TrustedHeight = 0 },
		"recent height":         func(m *MsgRegisterParty) { m.RecentHeight = -1 },
		"tee type":              func(m *MsgRegisterParty) { m.TeeType = "sgx" },
		"no evidence":           func(m *MsgRegisterParty) { m.Evidence = nil },
		"peer without port":     func(m *MsgRegisterParty) { m.PeerAddress = "alice.example" },
		"peer port 0":           func(m *MsgRegisterParty) { m.PeerAddress = "alice.example:0" },
		"peer port too large":   func(m *MsgRegisterParty) { m.PeerAddress = "alice.example:65536" },
		"peer port twice":       func(m *MsgRegisterParty) { m.PeerAddress = "alice.example:1:2" },
		"peer without host":     func(m *MsgRegisterParty) { m.PeerAddress = ":7700" },
		"peer host with space":  func(m *MsgRegisterParty) { m.PeerAddress = "a b:7700" },
		"peer open bracket":     func(m *MsgRegisterParty) { m.PeerAddress = "[::1:7700" },
		"long peer":             func(m *MsgRegisterParty) { m.PeerAddress = strings.Repeat("a", 255) + ":1" },
		"vault scheme":          func(m *MsgRegisterParty) { m.VaultUrl = "file:///etc" },
		"vault without host":    func(m *MsgRegisterParty) { m.VaultUrl = "https:///x" },
		"vault with credential": func(m *MsgRegisterParty) { m.VaultUrl = "https://a:b@alice.example" },
		"vault with query":      func(m *MsgRegisterParty) { m.VaultUrl = "https://alice.example/?a" },
		"long vault":            func(m *MsgRegisterParty) { m.VaultUrl = "https://" + strings.Repeat("a", 255) },
	} {
		message := registration()
		change(message)
		require.ErrorIs(t, message.ValidateBasic(), ErrInvalidMessage, name)
	}
	for _, peer := range []string{"127.0.0.1:1", "[::1]:65535", "a-b.example:7700"} {
		require.NoError(t, validPeerAddress(peer), peer)
	}
	for _, url := range []string{"http://127.0.0.1:8080", "https://a.example", "https://[::1]:1/a/b"} {
		require.NoError(t, validVaultURL(url), url)
	}
}

// Vector: the key pair 0x01…01; the address as every Ethereum wallet shows it.
func TestSigningAddressesAreThoseThatBothKindsOfChainDerive(t *testing.T) {
	account, signing, err := SigningAddresses(registration().SigningKey)
	require.NoError(t, err)
	require.Equal(t, "1a642f0e3c3af545e7acbd38b07251b3990914f1", hex.EncodeToString(signing))
	require.Equal(t, "79b000887626b294a914501a4cd226b58b235983", hex.EncodeToString(account))
}

func TestStandingEndsWithRemovalAndWithTheAttestation(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	party := Party{AttestedUntil: now}
	require.NoError(t, party.InStanding(now.Add(-1)))
	require.ErrorIs(t, party.InStanding(now), ErrAttestationLapsed)
	party.Removed = true
	require.ErrorIs(t, party.InStanding(now.Add(-1)), ErrPartyRemoved)
}

func FuzzAddressesThatPassAreShortAndPlain(f *testing.F) {
	for _, seed := range []string{"a:1", "[::1]:7", "https://a.example:1/x", "http://[::]/", "a:+1", "https://a/%41"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		peer, vault := validPeerAddress(text) == nil, validVaultURL(text) == nil
		if !peer && !vault {
			return
		}
		if len(text) > maxAddressSize || !utf8.ValidString(text) || !printableASCII(text) || strings.ContainsAny(text, " @?#%\\\"'<>") {
			t.Fatalf("%q passes", text)
		}
	})
}
