package app

import (
	"context"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/app/ante"
)

// PartyMessages are the type URLs of the messages that only MPC parties send, free of charge.
func PartyMessages() []string {
	return nil
}

// noParties is for a chain without x/parties.
type noParties struct{}

func (noParties) IsPartyAccount(context.Context, sdk.AccAddress) bool { return false }

func (noParties) PartyTxAllowed(context.Context, sdk.AccAddress) error { return ante.ErrNotAParty }
