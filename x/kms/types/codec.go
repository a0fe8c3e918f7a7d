package types

import (
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/msgservice"
)

// RegisterInterfaces makes the module's messages decodable.
func RegisterInterfaces(registry codectypes.InterfaceRegistry) {
	registry.RegisterImplementations((*sdk.Msg)(nil),
		&MsgRequestKey{}, &MsgRequestPublicDecryption{}, &MsgRequestUserDecryption{}, &MsgRetireKey{}, &MsgUpdateParams{},
		&MsgCommitKeyEcho{}, &MsgPostKeyProgress{}, &MsgPostKey{}, &MsgPostResults{}, &MsgProveSigners{},
	)
	msgservice.RegisterMsgServiceDesc(registry, &_Msg_serviceDesc)
}

// IsPartyMsg reports whether the message is one that parties send free of fees.
// It counts only from the account of a registered party.
func IsPartyMsg(msg sdk.Msg) bool {
	switch msg.(type) {
	case *MsgCommitKeyEcho, *MsgPostKeyProgress, *MsgPostKey, *MsgPostResults:
		return true
	}
	return false
}
