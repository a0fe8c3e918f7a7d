package jobs_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
)

// ofFirstVersion are records as the first version wrote them.
var ofFirstVersion = map[string]string{
	"done": `{"id":"done","handles":["0x0100000000000000000000000000000000000000000000000000000000000000"],"state":"succeeded",
		"created":"2100-01-02T03:04:05Z","updated":"2100-01-02T03:04:06Z",
		"result":{"requestId":"ab","attempt":1,"keyId":"cd","handles":["0x0100000000000000000000000000000000000000000000000000000000000000"],
			"plaintext":"AAE=","signatures":["Ag=="],"height":9,"simulated":["chain"]},
		"carries":[{"contract":"0x00000000000000000000000000000000000000da","state":"succeeded","block":7}]}`,
	"failed": `{"id":"failed","handles":[],"state":"failed","created":"2100-01-02T03:04:05Z","updated":"2100-01-02T03:04:06Z",
		"failure":{"label":"protocol_paused","message":"why"}}`,
}

func TestJobsOfTheFirstVersionAreKept(t *testing.T) {
	b := setUp(t, func(b *bench) {
		db, err := bolt.Open(b.cfg.Path, 0o600, nil)
		require.NoError(t, err)
		require.NoError(t, db.Update(func(tx *bolt.Tx) error {
			bucket, err := tx.CreateBucket([]byte("jobs/v1"))
			for id, record := range ofFirstVersion {
				if err == nil {
					err = bucket.Put([]byte(id), []byte(record))
				}
			}
			return err
		}))
		require.NoError(t, db.Close())
	})
	for range 2 {
		job, err := b.manager.Get("done")
		require.NoError(t, err)
		require.Equal(t, jobs.PublicDecrypt, job.Kind)
		require.Equal(t, []byte{0, 1}, job.Result.Plaintext)
		require.Equal(t, [][]byte{{2}}, job.Result.Signatures)
		require.Equal(t, jobs.CarrySucceeded, job.Carries[0].State)
		job, err = b.manager.Get("failed")
		require.NoError(t, err)
		require.Equal(t, jobs.PublicDecrypt, job.Kind)
		require.Equal(t, &jobs.Failure{Reason: jobs.ReasonPaused, Message: "why"}, job.Failure)
		b.restart()
	}
}
