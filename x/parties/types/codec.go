package types

import (
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/msgservice"
)

// RegisterInterfaces makes the module's messages decodable.
func RegisterInterfaces(registry codectypes.InterfaceRegistry) {
	registry.RegisterImplementations((*sdk.Msg)(nil),
		&MsgRegisterParty{}, &MsgFormCommittee{}, &MsgUpdateParams{}, &MsgSetMeasurement{}, &MsgRemoveParty{},
		&MsgCommitSetup{}, &MsgConfirmSetup{}, &MsgReportAbsent{}, &MsgReady{},
		&MsgComplainSetup{}, &MsgAnswerComplaint{}, &MsgRevealComplaint{}, &MsgSubmitEvidence{},
		&MsgRotate{}, &MsgCancelRotation{}, &MsgRetireEpoch{}, &MsgAcceptSeat{}, &MsgDepositBond{}, &MsgWithdrawBond{},
		&MsgCommitResharing{}, &MsgReceiveResharing{}, &MsgConfirmResharing{}, &MsgCertifyEpoch{},
	)
	msgservice.RegisterMsgServiceDesc(registry, &_Msg_serviceDesc)
}

// PartyMessages returns the type URLs of the messages that a party's account
// sends without a fee.
func PartyMessages() []string {
	return []string{
		sdk.MsgTypeURL(&MsgCommitSetup{}),
		sdk.MsgTypeURL(&MsgConfirmSetup{}),
		sdk.MsgTypeURL(&MsgReportAbsent{}),
		sdk.MsgTypeURL(&MsgReady{}),
		sdk.MsgTypeURL(&MsgComplainSetup{}),
		sdk.MsgTypeURL(&MsgAnswerComplaint{}),
		sdk.MsgTypeURL(&MsgRevealComplaint{}),
		sdk.MsgTypeURL(&MsgSubmitEvidence{}),
		sdk.MsgTypeURL(&MsgCommitResharing{}),
		sdk.MsgTypeURL(&MsgReceiveResharing{}),
		sdk.MsgTypeURL(&MsgConfirmResharing{}),
		sdk.MsgTypeURL(&MsgCertifyEpoch{}),
	}
}
