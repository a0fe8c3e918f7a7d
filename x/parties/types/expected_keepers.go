package types

import (
	"context"
	"time"

	"cosmossdk.io/core/address"

	sdk "github.com/cosmos/cosmos-sdk/types"
)

// AccountKeeper makes the accounts from which parties post.
type AccountKeeper interface {
	AddressCodec() address.Codec
	GetAccount(ctx context.Context, addr sdk.AccAddress) sdk.AccountI
	NewAccountWithAddress(ctx context.Context, addr sdk.AccAddress) sdk.AccountI
	SetAccount(ctx context.Context, acc sdk.AccountI)
}

// BankKeeper holds bonds and burns what is slashed.
type BankKeeper interface {
	SendCoinsFromAccountToModule(ctx context.Context, sender sdk.AccAddress, recipientModule string, amount sdk.Coins) error
	// SendCoins pays out of the module's account, to a blocked account too if it is
	// the operator that made the bond.
	SendCoins(ctx context.Context, from, to sdk.AccAddress, amount sdk.Coins) error
	BurnCoins(ctx context.Context, module string, amount sdk.Coins) error
	GetBalance(ctx context.Context, address sdk.AccAddress, denom string) sdk.Coin
}

// Work is what epochs hold and do, which x/kms knows. It fails only if the store does:
// the end of a block calls it.
type Work interface {
	// HeldKeys returns the ids of the active keys that an epoch holds, ascending.
	HeldKeys(ctx context.Context, epochID uint64) ([][]byte, error)
	// HasWork reports whether an epoch that drains still owes something: a request is
	// open under it, or a host chain takes its signatures only.
	HasWork(ctx context.Context, epochID uint64) (bool, error)
	// TakeOver makes the keys of one epoch, which drains from now on, those of another,
	// which is the active one already.
	TakeOver(ctx context.Context, from, to uint64) error
	// Ended ends what is left under an epoch that was retired.
	Ended(ctx context.Context, epochID uint64) error
}

// Attestor verifies attestation documents. It is a pure function of its
// arguments: no clock, no network, no panic, bounded work.
type Attestor interface {
	// Attest checks that the message's evidence was made by an enclave of its type
	// running an image that params accept, is fresh at blockTime, and carries the
	// binding of the message's other fields to chainID.
	Attest(chainID string, msg *MsgRegisterParty, params Params, blockTime time.Time) (Attested, error)
}

// Attested is what a verified document says.
type Attested struct {
	// Time of the document, set by the enclave's platform.
	Time time.Time
	// PCR0 is the measurement of the whole image, 48 bytes.
	PCR0 []byte
}
