package types

import (
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/msgservice"
)

// RegisterInterfaces makes the module's messages decodable.
func RegisterInterfaces(registry codectypes.InterfaceRegistry) {
	registry.RegisterImplementations((*sdk.Msg)(nil),
		&MsgRegisterHostChain{}, &MsgUpdateHostChain{}, &MsgSetHostChainPaused{}, &MsgUpdateParams{},
		&MsgSubmitHeader{}, &MsgSubmitForkEvidence{})
	msgservice.RegisterMsgServiceDesc(registry, &_Msg_serviceDesc)
}
