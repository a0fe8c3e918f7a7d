package keeper

import (
	"context"

	"github.com/tkms-network/tkms/x/kms/types"
)

// RequestUserDecryption is refused: it is being built.
func (k Keeper) RequestUserDecryption(context.Context, *types.MsgRequestUserDecryption) (id []byte, created bool, err error) {
	return nil, false, types.ErrPaused
}
