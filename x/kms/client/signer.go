package client

import (
	"errors"
	"fmt"
	"time"

	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	sdk "github.com/cosmos/cosmos-sdk/types"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	"github.com/cosmos/gogoproto/proto"
)

// ErrNoMessage is returned for a transaction without messages.
var ErrNoMessage = errors.New("transaction has no message")

// Signer signs transactions of one secp256k1 account in SIGN_MODE_DIRECT.
type Signer struct {
	// ChainID of the TKMS chain.
	ChainID string
	// AccountNumber of the account on that chain.
	AccountNumber uint64
	// Key signs; its address is the account.
	Key *secp256k1.PrivKey
}

// Address returns the account's address.
func (s *Signer) Address() sdk.AccAddress { return sdk.AccAddress(s.Key.PubKey().Address()) }

// Order says how a transaction is kept from being replayed: by the account's
// sequence or, if Timeout is set, unordered until that block time. Two unordered
// transactions of one account need different timeouts.
type Order struct {
	Sequence uint64
	Timeout  time.Time
}

// Sign returns the encoded transaction. Fee may be empty; gas is the limit.
func (s *Signer) Sign(msgs []sdk.Msg, gas uint64, fee sdk.Coins, order Order) ([]byte, error) {
	if len(msgs) == 0 {
		return nil, ErrNoMessage
	}
	body := &txtypes.TxBody{}
	for _, msg := range msgs {
		packed, err := codectypes.NewAnyWithValue(msg)
		if err != nil {
			return nil, fmt.Errorf("pack message: %w", err)
		}
		body.Messages = append(body.Messages, packed)
	}
	if !order.Timeout.IsZero() {
		timeout := order.Timeout.UTC()
		body.Unordered, body.TimeoutTimestamp = true, &timeout
		order.Sequence = 0
	}
	publicKey, err := codectypes.NewAnyWithValue(s.Key.PubKey())
	if err != nil {
		return nil, fmt.Errorf("pack public key: %w", err)
	}
	auth := &txtypes.AuthInfo{
		SignerInfos: []*txtypes.SignerInfo{{
			PublicKey: publicKey,
			ModeInfo:  &txtypes.ModeInfo{Sum: &txtypes.ModeInfo_Single_{Single: &txtypes.ModeInfo_Single{Mode: signing.SignMode_SIGN_MODE_DIRECT}}},
			Sequence:  order.Sequence,
		}},
		Fee: &txtypes.Fee{Amount: fee, GasLimit: gas},
	}
	return s.seal(body, auth)
}

func (s *Signer) seal(body *txtypes.TxBody, auth *txtypes.AuthInfo) ([]byte, error) {
	bodyBytes, err := proto.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode body: %w", err)
	}
	authBytes, err := proto.Marshal(auth)
	if err != nil {
		return nil, fmt.Errorf("encode auth info: %w", err)
	}
	doc, err := proto.Marshal(&txtypes.SignDoc{BodyBytes: bodyBytes, AuthInfoBytes: authBytes, ChainId: s.ChainID, AccountNumber: s.AccountNumber})
	if err != nil {
		return nil, fmt.Errorf("encode sign doc: %w", err)
	}
	signature, err := s.Key.Sign(doc)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return proto.Marshal(&txtypes.TxRaw{BodyBytes: bodyBytes, AuthInfoBytes: authBytes, Signatures: [][]byte{signature}})
}
