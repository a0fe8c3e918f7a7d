package parties_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"cosmossdk.io/client/v2/autocli"
	"cosmossdk.io/core/appmodule"

	"github.com/cosmos/cosmos-sdk/client"
	moduletestutil "github.com/cosmos/cosmos-sdk/types/module/testutil"
	"github.com/cosmos/cosmos-sdk/types/msgservice"
	authcodec "github.com/cosmos/cosmos-sdk/x/auth/codec"

	"github.com/cosmos/gogoproto/proto"

	"github.com/tkms-network/tkms/x/parties"
	"github.com/tkms-network/tkms/x/parties/types"
)

func TestEveryCommandIsThereWithAnExample(t *testing.T) {
	encoding := moduletestutil.MakeTestEncodingConfig(parties.AppModule{})
	options := autocli.AppOptions{
		Modules:               map[string]appmodule.AppModule{types.ModuleName: parties.AppModule{}},
		AddressCodec:          authcodec.NewBech32Codec("tkms"),
		ValidatorAddressCodec: authcodec.NewBech32Codec("tkmsvaloper"),
		ConsensusAddressCodec: authcodec.NewBech32Codec("tkmsvalcons"),
		ClientCtx:             client.Context{InterfaceRegistry: encoding.InterfaceRegistry, Codec: encoding.Codec},
	}
	root := &cobra.Command{Use: "tkmsd"}
	require.NoError(t, options.EnhanceRootCommand(root))
	for _, path := range []string{
		"query parties params", "query parties parties", "query parties party", "query parties epochs", "query parties epoch",
		"tx parties register", "tx parties register-file", "tx parties form-committee", "tx parties set-measurement",
		"tx parties remove-party", "tx parties update-params",
	} {
		command, rest, err := root.Find(strings.Fields(path))
		require.NoError(t, err, path)
		require.Empty(t, rest, path)
		require.NotEmpty(t, command.Short, path)
		require.Contains(t, command.Example, "tkmsd "+path, path)
	}
	for _, path := range []string{"commit-setup", "confirm-setup", "report-absent", "ready"} {
		_, rest, _ := root.Find([]string{"tx", "parties", path})
		require.NotEmpty(t, rest, "parties send %s themselves", path)
	}
}

func TestMessagesCarryTheAnnotationsThatSigningNeeds(t *testing.T) {
	registry, err := proto.MergedRegistry()
	require.NoError(t, err)
	require.NoError(t, msgservice.ValidateProtoAnnotations(registry))
	encoding := moduletestutil.MakeTestEncodingConfig(parties.AppModule{})
	for _, url := range types.PartyMessages() {
		_, err := encoding.InterfaceRegistry.Resolve(url)
		require.NoError(t, err, url)
	}
}

func TestDefaultGenesisIsValid(t *testing.T) {
	encoding := moduletestutil.MakeTestEncodingConfig(parties.AppModule{})
	module := parties.AppModule{}
	require.NoError(t, module.ValidateGenesis(encoding.Codec, nil, module.DefaultGenesis(encoding.Codec)))
	require.Error(t, module.ValidateGenesis(encoding.Codec, nil, json.RawMessage(`{"params":{}}`)))
	require.Error(t, module.ValidateGenesis(encoding.Codec, nil, json.RawMessage(`{"unknown":1}`)))
}
