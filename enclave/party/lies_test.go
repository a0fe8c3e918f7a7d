package party

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/fault"
)

func TestUnsignedLiesDoNotKeepAKeyFromBeingGenerated(t *testing.T) {
	for _, kinds := range [][2]fault.Kind{{fault.Garbage, fault.Split}, {fault.WrongSession, fault.Replay}} {
		t.Run(string(kinds[0])+" and "+string(kinds[1]), func(t *testing.T) {
			w := newWorld(t, 7, nil)
			for i, kind := range kinds {
				liar := &fault.Party{Kind: kind}
				w.nodes[6+i].wrap = liar.Wrap
			}
			epoch := w.activeEpoch()
			key := w.activeKey()
			require.Equal(t, epoch, w.decrypts(key, 77))
		})
	}
}
