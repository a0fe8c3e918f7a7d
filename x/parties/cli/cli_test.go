package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/stretchr/testify/require"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/parties/types"
)

var alice = sdk.AccAddress(bytes.Repeat([]byte{7}, 20))

func digest(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func registration() *types.MsgRegisterParty {
	return &types.MsgRegisterParty{
		Operator: alice.String(), Moniker: "alice",
		SigningKey: secp256k1.PrivKeyFromBytes(digest(1)).PubKey().SerializeCompressed(),
		SessionKey: digest(2), TlsKeyHash: digest(3), EncryptionKey: digest(4),
		PeerAddress: "alice.example:7700", VaultUrl: "https://alice.example/vault", TeeType: types.TEETypeNitro,
		Evidence: []byte{1}, SealPolicyHash: digest(5),
		TrustedHeight: 1, TrustedHash: digest(6), RecentHeight: 2, RecentHash: digest(7),
	}
}

// printed is what tkms-party prints for a message.
func printed(t *testing.T, msg *types.MsgRegisterParty) string {
	t.Helper()
	text, err := codec.ProtoMarshalJSON(msg, nil)
	require.NoError(t, err)
	return string(text) + "\n"
}

func TestWhatAPartyPrintedIsReadFromAFileOrStandardInput(t *testing.T) {
	text := printed(t, registration())
	path := filepath.Join(t.TempDir(), "register.json")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	msg, err := readFile(path, nil, alice)
	require.NoError(t, err)
	require.Equal(t, registration(), msg)
	msg, err = readFile("-", strings.NewReader(text), alice)
	require.NoError(t, err)
	require.Equal(t, registration(), msg)
	_, err = readFile(filepath.Join(t.TempDir(), "none"), nil, alice)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestWhatIsNoRegistrationIsNotSent(t *testing.T) {
	for name, content := range map[string]string{
		"empty": "", "no JSON": "{", "unknown field": `{"x":1}`, "bytes": `{"evidence":"%%%"}`, "no fields": "{}",
	} {
		_, err := readFile("-", strings.NewReader(content), alice)
		require.ErrorContains(t, err, "is no registration", name)
	}
	// Only its size is wrong: JSON may end with spaces.
	long := printed(t, registration()) + strings.Repeat(" ", maxFileBytes)
	_, err := readFile("-", strings.NewReader(long), alice)
	require.ErrorIs(t, err, ErrTooLarge)
	malformed := registration()
	malformed.TlsKeyHash = nil
	_, err = readFile("-", strings.NewReader(printed(t, malformed)), alice)
	require.ErrorIs(t, err, types.ErrInvalidMessage)
}

func TestOnlyTheOperatorThatTheDocumentBindsCanSend(t *testing.T) {
	bob := sdk.AccAddress(bytes.Repeat([]byte{8}, 20))
	_, err := readFile("-", strings.NewReader(printed(t, registration())), bob)
	require.ErrorIs(t, err, ErrOtherOperator)
}

func FuzzDecode(f *testing.F) {
	text, err := codec.ProtoMarshalJSON(registration(), nil)
	require.NoError(f, err)
	f.Add(text)
	f.Add([]byte(`{"operator":"x"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		msg, err := decode(bytes.NewReader(raw))
		if err == nil {
			require.NoError(t, msg.ValidateBasic())
		}
	})
}

func TestTheCommandHasItsFlags(t *testing.T) {
	cmd, _, err := NewTxCommand().Find([]string{"register-file"})
	require.NoError(t, err)
	require.NotNil(t, cmd.Flags().Lookup("from"))
	require.Error(t, cmd.Args(cmd, nil))
}
