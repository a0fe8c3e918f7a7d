package client_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	"github.com/tkms-network/tkms/x/kms/client"
)

func TestAMissingRecordIsToldFromOtherRefusals(t *testing.T) {
	missing := &client.QueryError{Codespace: sdkerrors.ErrKeyNotFound.Codespace(), Code: sdkerrors.ErrKeyNotFound.ABCICode()}
	require.ErrorIs(t, missing, client.ErrNotFound)
	require.ErrorIs(t, missing, client.ErrQuery)
	other := &client.QueryError{Codespace: "kms", Code: sdkerrors.ErrKeyNotFound.ABCICode()}
	require.False(t, errors.Is(other, client.ErrNotFound))
	require.ErrorIs(t, other, client.ErrQuery)
}
