package types

import (
	"context"

	sdk "github.com/cosmos/cosmos-sdk/types"

	acltypes "github.com/tkms-network/tkms/x/acl/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// BankKeeper moves escrowed fees.
type BankKeeper interface {
	SendCoinsFromAccountToModule(ctx context.Context, sender sdk.AccAddress, recipientModule string, amount sdk.Coins) error
	// SendCoins pays out of the module's account. It is not
	// SendCoinsFromModuleToAccount: a fee goes back even to a blocked account
	// that paid it, such as the one of governance.
	SendCoins(ctx context.Context, from, to sdk.AccAddress, amount sdk.Coins) error
	GetBalance(ctx context.Context, address sdk.AccAddress, denom string) sdk.Coin
}

// ACLKeeper knows host chains and verifies their proofs.
type ACLKeeper = acltypes.Verifier

// PartiesKeeper knows epochs and parties.
type PartiesKeeper interface {
	// EpochByID returns an epoch in any state.
	EpochByID(ctx context.Context, id uint64) (partiestypes.Epoch, error)
	// ActiveEpoch returns the epoch that takes new work.
	ActiveEpoch(ctx context.Context) (partiestypes.Epoch, error)
	// EpochParties returns the parties of an epoch in the order of their index.
	EpochParties(ctx context.Context, epoch partiestypes.Epoch) ([]partiestypes.Party, error)
	// MemberByAccount returns who the account is in an epoch, or an error if it is
	// nobody or not in standing (removed, attestation lapsed).
	MemberByAccount(ctx context.Context, epochID uint64, account sdk.AccAddress) (partiestypes.Member, partiestypes.Party, error)
	// RecordContribution notes that a party's work was accepted.
	RecordContribution(ctx context.Context, partyID uint64) error
	// RecordResult notes that a party's result was accepted, that many blocks after
	// its request.
	RecordResult(ctx context.Context, partyID, blocks uint64) error
	// RecordMissed notes that a request was paid for, or expired, without the party's result.
	RecordMissed(ctx context.Context, partyID uint64) error
	// EvidenceOf returns who was convicted of cheating in sessions of a request or key.
	EvidenceOf(ctx context.Context, subject []byte) ([]partiestypes.Evidence, error)
}
