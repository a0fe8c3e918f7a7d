package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	kmsclient "github.com/tkms-network/tkms/x/kms/client"
	"github.com/tkms-network/tkms/x/kms/types"
)

// pollInterval is well below the time of a block.
const pollInterval = 50 * time.Millisecond

// ErrTimeout says that the wait was over before the outcome.
var ErrTimeout = errors.New("no outcome yet: look again with `tkmsd query kms request`")

// poll calls done, every so often, until it is, or fails, or the context's deadline
// passes.
func poll(ctx context.Context, every time.Duration, done func() (bool, error)) error {
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-time.After(every):
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return ErrTimeout
			}
			return ctx.Err()
		}
	}
}

// awaitRequest waits until an accepted request is fulfilled. The caller has seen
// the transaction that asked for it, so that an expired record is this attempt's.
func awaitRequest(ctx context.Context, queries types.QueryClient, id []byte) (*types.Request, error) {
	var request types.Request
	err := poll(ctx, pollInterval, func() (bool, error) {
		response, err := queries.Request(ctx, &types.QueryRequestRequest{Id: hex.EncodeToString(id)})
		if status.Code(err) == codes.NotFound || ctx.Err() != nil {
			// The node that answers may be a block behind; poll knows when it is over.
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("query: %w", err)
		}
		request = response.Request
		switch request.Status {
		case types.REQUEST_STATUS_FULFILLED:
			return true, nil
		case types.REQUEST_STATUS_EXPIRED:
			return true, kmsclient.ErrExpired
		}
		return false, nil
	})
	return &request, err
}
