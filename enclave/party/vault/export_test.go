package vault

import (
	"testing"
	"time"
)

// SetTurn changes how long a vault has for its part in haste, until the test ends.
func SetTurn(t *testing.T, d time.Duration) {
	before := turn
	turn = d
	t.Cleanup(func() { turn = before })
}
