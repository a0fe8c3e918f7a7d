package hostchain

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/tkms-network/tkms/testutil/hostchain/api"
)

// harnessAPI is the namespace "tkmstest".
type harnessAPI struct{ c *Chain }

// Info implements tkmstest_info.
func (h harnessAPI) Info() (*api.Info, error) { return h.c.Info() }

// maxMine bounds one tkmstest_mine request.
const maxMine = 1000

// Mine implements tkmstest_mine: it seals count blocks at once and returns the head's number.
func (h harnessAPI) Mine(count hexutil.Uint64) (hexutil.Uint64, error) {
	if count > maxMine {
		return 0, fmt.Errorf("at most %d blocks at once", maxMine)
	}
	for range count {
		if _, err := h.c.Seal(); err != nil {
			return 0, err
		}
	}
	return hexutil.Uint64(h.c.head().Number.Uint64()), nil
}

// HeaderRLP implements tkmstest_headerRLP: the RLP of a block's header.
func (h harnessAPI) HeaderRLP(number hexutil.Uint64) (hexutil.Bytes, error) {
	header := h.c.Header(uint64(number))
	if header == nil {
		return nil, ErrUnknownBlock
	}
	return rlp.EncodeToBytes(header)
}

// ForgeHeader implements tkmstest_forgeHeader: the RLP of a forged header.
func (h harnessAPI) ForgeHeader(kind api.Forgery, number hexutil.Uint64) (hexutil.Bytes, error) {
	header, err := h.c.Forge(kind, uint64(number))
	if err != nil {
		return nil, err
	}
	return rlp.EncodeToBytes(header)
}

// SetValidators implements tkmstest_setValidators.
func (h harnessAPI) SetValidators(numbers []int) ([]common.Address, error) {
	return h.c.SetValidators(numbers)
}

// Fund implements tkmstest_fund: the money is there when it returns.
func (h harnessAPI) Fund(ctx context.Context, request api.FundRequest) error {
	return h.c.Fund(ctx, request.Address, request.Wei.ToInt())
}

// DeployRegistry implements tkmstest_deployRegistry: a second registry, with another writer.
func (h harnessAPI) DeployRegistry(ctx context.Context, writer common.Address) (common.Address, error) {
	return h.c.DeployRegistry(ctx, writer)
}

// SetKMSContext implements tkmstest_setKMSContext.
func (h harnessAPI) SetKMSContext(ctx context.Context, set api.SignerSet) error {
	return h.c.SetKMSContext(ctx, set.Signers, set.Threshold)
}
