package keeper

import (
	"bytes"
	"context"
	"time"

	errorsmod "cosmossdk.io/errors"

	sdksecp256k1 "github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/parties/types"
)

// RegisterParty adds a party, or renews the one that has all of the message's
// keys. The gas is taken before anything is parsed and does not depend on the
// outcome: how far a verifier gets must not show in consensus.
func (s msgServer) RegisterParty(ctx context.Context, msg *types.MsgRegisterParty) (*types.MsgRegisterPartyResponse, error) {
	params, err := s.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	sdkCtx.GasMeter().ConsumeGas(params.GasPerAttestation, "attestation document")
	if err := msg.ValidateBasic(); err != nil {
		return nil, err
	}
	if err := s.canonical(msg.Operator); err != nil {
		return nil, err
	}
	party, err := s.partyToRegister(ctx, msg)
	if err != nil {
		return nil, err
	}
	if err := s.checkHeaders(ctx, msg, party); err != nil {
		return nil, err
	}
	attested, err := s.attest(sdkCtx, msg, params)
	if err != nil {
		return nil, err
	}
	renewed := party.Id != 0
	// The same document again, or an older one, would lengthen nothing but must
	// not bring back an older image either.
	if renewed && !attested.Time.After(party.AttestedAt) {
		return nil, types.ErrNotNewer
	}
	if !renewed {
		if err := s.admit(ctx, msg, &party); err != nil {
			return nil, err
		}
	}
	party.Moniker, party.PeerAddress, party.VaultUrl = msg.Moniker, msg.PeerAddress, msg.VaultUrl
	party.Pcr0, party.SealPolicyHash = attested.PCR0, msg.SealPolicyHash
	party.TrustedHeight, party.TrustedHash = msg.TrustedHeight, msg.TrustedHash
	party.AttestedAt = attested.Time
	party.AttestedUntil = attested.Time.Add(params.AttestationLifetime)
	if err := s.Parties.Set(ctx, party.Id, party); err != nil {
		return nil, err
	}
	return &types.MsgRegisterPartyResponse{Id: party.Id}, emit(ctx, &types.EventPartyRegistered{
		PartyId: party.Id, Moniker: party.Moniker, TeeType: party.TeeType, Simulated: party.Simulated, Renewed: renewed,
	})
}

// canonical refuses the second spelling that every bech32 address has: records
// and bindings compare operators as text.
func (k *Keeper) canonical(operator string) error {
	address, err := k.addresses.StringToBytes(operator)
	if err != nil {
		return types.ErrInvalidMessage.Wrap("operator is no address")
	}
	if text, err := k.addresses.BytesToString(address); err != nil || text != operator {
		return types.ErrInvalidMessage.Wrap("operator must be in lower case")
	}
	return nil
}

// partyToRegister returns the party that the message renews, or an empty record.
func (s msgServer) partyToRegister(ctx context.Context, msg *types.MsgRegisterParty) (types.Party, error) {
	id, err := s.partyOfKeys(ctx, msg)
	if err != nil || id == 0 {
		return types.Party{}, err
	}
	party, err := s.PartyByID(ctx, id)
	if err != nil {
		return types.Party{}, err
	}
	switch {
	case party.Removed:
		return types.Party{}, types.ErrPartyRemoved
	case party.Operator != msg.Operator:
		return types.Party{}, types.ErrKeysTaken.Wrap("the party has another operator")
	case party.TeeType != msg.TeeType:
		// Keys that once lived in a simulated device are known to its host.
		return types.Party{}, types.ErrKeysTaken.Wrap("the keys were registered from another type of enclave")
	}
	return party, nil
}

// checkHeaders checks the two blocks that the document is bound to. A light
// client that started from a header of another chain would believe anything.
func (k *Keeper) checkHeaders(ctx context.Context, msg *types.MsgRegisterParty, party types.Party) error {
	if err := k.checkRecent(ctx, msg.RecentHeight, msg.RecentHash); err != nil {
		return errorsmod.Wrap(err, "recent block")
	}
	if party.Id != 0 && party.TrustedHeight == msg.TrustedHeight && bytes.Equal(party.TrustedHash, msg.TrustedHash) {
		return nil
	}
	if err := k.checkRecent(ctx, msg.TrustedHeight, msg.TrustedHash); err != nil {
		return errorsmod.Wrap(err, "trusted header")
	}
	return nil
}

func (k *Keeper) checkRecent(ctx context.Context, height int64, hash []byte) error {
	own, err := valueOrZero(k.RecentBlocks.Get(ctx, height))
	if err != nil {
		return err
	}
	if !bytes.Equal(own, hash) {
		return types.ErrUnknownBlock
	}
	return nil
}

// attest runs the verifier. Whatever it says, and even if it panics, the outcome
// has one code.
func (k *Keeper) attest(ctx sdk.Context, msg *types.MsgRegisterParty, params types.Params) (attested types.Attested, err error) {
	if msg.TeeType == types.TEETypeDevNitro && !params.Simulated() {
		return types.Attested{}, types.ErrAttestation.Wrap("simulated enclave devices are not allowed on this chain")
	}
	defer func() {
		if reason := recover(); reason != nil {
			attested, err = types.Attested{}, types.ErrAttestation
		}
	}()
	attested, err = k.attestor.Attest(ctx.ChainID(), msg, params, ctx.BlockTime())
	if err != nil {
		ctx.Logger().Info("attestation refused", "module", types.ModuleName, "operator", msg.Operator, "reason", err)
		return types.Attested{}, types.ErrAttestation
	}
	attested.Time = attested.Time.UTC().Truncate(time.Millisecond)
	return attested, nil
}

// admit fills what never changes in a party's record, and makes its account.
func (k *Keeper) admit(ctx context.Context, msg *types.MsgRegisterParty, party *types.Party) error {
	address, signing, err := types.SigningAddresses(msg.SigningKey)
	if err != nil {
		return err
	}
	account, err := k.addresses.BytesToString(address)
	if err != nil {
		return err
	}
	id, err := next(ctx, k.LastParty)
	if err != nil {
		return err
	}
	*party = types.Party{
		Id: id, Operator: msg.Operator, Account: account,
		SigningKey: msg.SigningKey, SigningAddress: signing,
		SessionKey: msg.SessionKey, TlsKeyHash: msg.TlsKeyHash, EncryptionKey: msg.EncryptionKey,
		TeeType:          msg.TeeType,
		Simulated:        msg.TeeType == types.TEETypeDevNitro,
		RegisteredHeight: sdk.UnwrapSDKContext(ctx).BlockHeight(),
	}
	if err := k.makeAccount(ctx, address, msg.SigningKey); err != nil {
		return err
	}
	return k.index(ctx, *party)
}

// makeAccount makes the account that posts the party's messages. One may exist
// already: anybody can send coins to the address.
func (k *Keeper) makeAccount(ctx context.Context, address sdk.AccAddress, key []byte) error {
	account := k.account.GetAccount(ctx, address)
	if account == nil {
		account = k.account.NewAccountWithAddress(ctx, address)
	}
	if account.GetPubKey() == nil {
		if err := account.SetPubKey(&sdksecp256k1.PubKey{Key: key}); err != nil {
			return errorsmod.Wrap(err, "party account")
		}
	}
	k.account.SetAccount(ctx, account)
	return nil
}
