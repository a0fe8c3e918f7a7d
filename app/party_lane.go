package app

import (
	sdk "github.com/cosmos/cosmos-sdk/types"

	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// PartyMessages are the type URLs of the messages that only MPC parties send, free of charge.
func PartyMessages() []string {
	return append(partiestypes.PartyMessages(),
		sdk.MsgTypeURL(&kmstypes.MsgCommitKeyEcho{}),
		sdk.MsgTypeURL(&kmstypes.MsgPostKeyProgress{}),
		sdk.MsgTypeURL(&kmstypes.MsgPostKey{}),
		sdk.MsgTypeURL(&kmstypes.MsgPostResults{}),
	)
}
