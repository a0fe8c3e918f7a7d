package kms_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
	"cosmossdk.io/client/v2/autocli"

	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/types/msgservice"
	bankkeeper "github.com/cosmos/cosmos-sdk/x/bank/keeper"

	"github.com/cosmos/gogoproto/proto"

	aclkeeper "github.com/tkms-network/tkms/x/acl/keeper"
	"github.com/tkms-network/tkms/x/kms"
	"github.com/tkms-network/tkms/x/kms/keeper"
	"github.com/tkms-network/tkms/x/kms/types"
	partieskeeper "github.com/tkms-network/tkms/x/parties/keeper"
)

var (
	_ types.BankKeeper    = bankkeeper.BaseKeeper{}
	_ types.ACLKeeper     = aclkeeper.Keeper{}
	_ types.PartiesKeeper = (*partieskeeper.Keeper)(nil)

	_ autocli.HasCustomTxCommand    = kms.AppModule{}
	_ autocli.HasCustomQueryCommand = kms.AppModule{}
)

func TestTheDefaultGenesisIsValid(t *testing.T) {
	cdc := codec.NewProtoCodec(codectypes.NewInterfaceRegistry())
	module := kms.NewAppModule(cdc, keeper.Keeper{})
	raw := module.DefaultGenesis(cdc)
	require.NoError(t, module.ValidateGenesis(cdc, nil, raw))
	for _, bad := range []string{`{}`, `{"params":{}}`, `{"unknown":1}`, `[`} {
		require.Error(t, module.ValidateGenesis(cdc, nil, json.RawMessage(bad)), bad)
	}
}

func TestEveryMethodHasACommandWithAnExampleOrIsSkipped(t *testing.T) {
	options := kms.AppModule{}.AutoCLIOptions()
	for _, service := range []*autocliv1.ServiceCommandDescriptor{options.Query, options.Tx} {
		descriptor, err := proto.HybridResolver.FindDescriptorByName(protoreflect.FullName(service.Service))
		require.NoError(t, err)
		methods := descriptor.(protoreflect.ServiceDescriptor).Methods()
		require.Len(t, service.RpcCommandOptions, methods.Len())
		for i := range methods.Len() {
			method := methods.Get(i)
			at := slices.IndexFunc(service.RpcCommandOptions, func(o *autocliv1.RpcCommandOptions) bool {
				return o.RpcMethod == string(method.Name())
			})
			require.GreaterOrEqual(t, at, 0, method.Name())
			command := service.RpcCommandOptions[at]
			require.True(t, command.Skip || command.Example != "" && command.Short != "", method.Name())
			for _, arg := range command.PositionalArgs {
				require.NotNil(t, method.Input().Fields().ByName(protoreflect.Name(arg.ProtoField)), arg.ProtoField)
			}
		}
	}
}

func TestTheMessagesAreRegisteredAndNameTheirSigner(t *testing.T) {
	registry := codectypes.NewInterfaceRegistry()
	kms.AppModule{}.RegisterInterfaces(registry)
	require.NoError(t, msgservice.ValidateProtoAnnotations(proto.HybridResolver))
	for _, name := range []string{
		"MsgRequestKey", "MsgRequestPublicDecryption", "MsgRequestUserDecryption", "MsgRetireKey", "MsgUpdateParams",
		"MsgCommitKeyEcho", "MsgPostKeyProgress", "MsgPostKey", "MsgPostResults",
	} {
		_, err := registry.Resolve("/tkms.kms.v1." + name)
		require.NoError(t, err, name)
	}
	require.True(t, types.IsPartyMsg(&types.MsgPostResults{}))
	require.True(t, types.IsPartyMsg(&types.MsgPostKey{}))
	require.True(t, types.IsPartyMsg(&types.MsgCommitKeyEcho{}))
	require.True(t, types.IsPartyMsg(&types.MsgPostKeyProgress{}))
	require.False(t, types.IsPartyMsg(&types.MsgRequestPublicDecryption{}))
}
