package cluster

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// watch returns a stage of three parties and whether it is quiet.
func watch(t *testing.T) (st *stage, quiet *atomic.Bool) {
	quiet = new(atomic.Bool)
	st = newStage(mpc.Session{}, sharing.AllParties(3), func() { quiet.Store(true) })
	t.Cleanup(func() { st.idle.Stop() })
	return st, quiet
}

func TestASessionEndsOnceAllMessagesAreTaken(t *testing.T) {
	st, quiet := watch(t)
	st.took(1, []mpc.Message{{To: mpc.Everyone}}) // for 2 and 3
	st.took(2, nil)
	st.took(2, nil)
	st.took(3, []mpc.Message{{To: 2}, {To: 3}}) // none goes to oneself
	st.took(3, nil)
	require.False(t, quiet.Load(), "party 2 has a message to come")
	st.took(2, nil)
	require.True(t, quiet.Load())
}

func TestNothingIsOnItsWayToWhoHasLeft(t *testing.T) {
	st, quiet := watch(t)
	st.took(1, []mpc.Message{{To: 2}})
	st.left(2)
	require.False(t, quiet.Load(), "party 3 has not started")
	st.took(3, []mpc.Message{{To: mpc.Everyone}, {To: 2}}) // one for 1
	require.False(t, quiet.Load())
	st.took(1, nil)
	require.True(t, quiet.Load())
}

func TestALostMessageIsNotWaitedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, quiet := watch(t)
		time.Sleep(patience - 1)
		st.took(1, []mpc.Message{{To: mpc.Everyone}})
		time.Sleep(patience - 1)
		synctest.Wait()
		require.False(t, quiet.Load())
		time.Sleep(2 * time.Nanosecond)
		synctest.Wait()
		require.True(t, quiet.Load())
	})
}
