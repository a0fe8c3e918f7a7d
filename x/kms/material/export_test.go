package material

import (
	"testing"
	"time"
)

// SetStallTimeout changes how long a vault may send nothing, until the test ends.
func SetStallTimeout(t *testing.T, d time.Duration) {
	before := stallTimeout
	stallTimeout = d
	t.Cleanup(func() { stallTimeout = before })
}
