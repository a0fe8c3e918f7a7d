package hostchain

import (
	"bytes"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/tkms-network/tkms/x/acl/client"
)

// callbackJSON is the function that contracts offer to a carrier, and the errors of
// the ecosystem's contracts beneath it.
//
//go:embed callback.json
var callbackJSON []byte

var callback = func() abi.ABI {
	parsed, err := abi.JSON(bytes.NewReader(callbackJSON))
	if err != nil {
		panic("hostchain: embedded interface: " + err.Error())
	}
	return parsed
}()

// callError tells a contract's refusal from a node's failure.
func callError(err error) error {
	var coded rpc.Error
	if !errors.As(err, &coded) {
		return fmt.Errorf("%w: %w", client.ErrNode, err)
	}
	var withData rpc.DataError
	if errors.As(err, &withData) {
		if text, ok := withData.ErrorData().(string); ok {
			if data, decodeErr := hexutil.Decode(text); decodeErr == nil {
				return fmt.Errorf("%w: %s", ErrRefused, nameRevert(data))
			}
		}
	}
	return fmt.Errorf("%w: %w", ErrRefused, err)
}

// nameRevert names the custom error in revert data where it is known.
func nameRevert(data []byte) string {
	if reason, err := abi.UnpackRevert(data); err == nil {
		return reason
	}
	if len(data) >= 4 {
		for name, known := range callback.Errors {
			if bytes.Equal(known.ID[:4], data[:4]) {
				return name
			}
		}
	}
	if len(data) > 64 {
		data = data[:64]
	}
	return "0x" + hex.EncodeToString(data)
}
