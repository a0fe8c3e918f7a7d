package cmd

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

func TestRefusedRequestsForKeysSayWhatToDo(t *testing.T) {
	for _, err := range []error{
		kmstypes.ErrUnknownParams, kmstypes.ErrHostChainHasKey, kmstypes.ErrFailureTooLikely, kmstypes.ErrUnsupportedNoise,
	} {
		require.NotEmpty(t, hintFor(fmt.Errorf("refused by kms: %w", err)), err)
	}
}
