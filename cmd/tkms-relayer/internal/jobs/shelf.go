package jobs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// ErrNotFound reports a job that is not there, or not any more.
var ErrNotFound = errors.New("no such job")

var (
	bucketName = []byte("jobs/v2")
	// firstBucket is of the version whose jobs were public decryptions only.
	firstBucket = []byte("jobs/v1")
)

// shelf keeps jobs in a file.
type shelf struct{ db *bolt.DB }

// openShelf opens or creates the file. Another process that has it open is an
// error after a second.
func openShelf(path string) (*shelf, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	// A job is on disk before its caller is answered: wait for company, but not long.
	db.MaxBatchDelay = time.Millisecond
	err = db.Update(func(tx *bolt.Tx) error {
		if _, err := tx.CreateBucketIfNotExists(bucketName); err != nil {
			return err
		}
		return migrate(tx)
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, errors.Join(err, db.Close()))
	}
	return &shelf{db}, nil
}

// migrate moves the jobs of the first version, which named neither their kind nor a
// failure's reason by that name.
func migrate(tx *bolt.Tx) error {
	old := tx.Bucket(firstBucket)
	if old == nil {
		return nil
	}
	err := old.ForEach(func(key, raw []byte) error {
		job := struct {
			Job
			Failure *struct{ Label, Message string } `json:"failure"`
		}{}
		if err := json.Unmarshal(raw, &job); err != nil {
			return fmt.Errorf("job %s: %w", key, err)
		}
		job.Kind = PublicDecrypt
		if job.Failure != nil {
			job.Job.Failure = &Failure{job.Failure.Label, job.Failure.Message}
		}
		moved, err := json.Marshal(&job.Job)
		if err != nil {
			return err
		}
		return tx.Bucket(bucketName).Put(key, moved)
	})
	if err != nil {
		return err
	}
	return tx.DeleteBucket(firstBucket)
}

func (s *shelf) close() error { return s.db.Close() }

// put is on disk when it returns; jobs put at the same time share one write.
func (s *shelf) put(j *Job) error {
	raw, err := json.Marshal(j)
	if err != nil {
		return err
	}
	return s.db.Batch(func(tx *bolt.Tx) error { return tx.Bucket(bucketName).Put([]byte(j.ID), raw) })
}

func (s *shelf) get(id string) (*Job, error) {
	var j *Job
	err := s.db.View(func(tx *bolt.Tx) error {
		raw := tx.Bucket(bucketName).Get([]byte(id))
		if raw == nil {
			return ErrNotFound
		}
		return json.Unmarshal(raw, &j)
	})
	return j, err
}

// open returns the jobs with work to do.
func (s *shelf) open() ([]*Job, error) {
	var list []*Job
	err := s.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketName).ForEach(func(key, raw []byte) error {
			var j Job
			if err := json.Unmarshal(raw, &j); err != nil {
				return fmt.Errorf("job %s: %w", key, err)
			}
			if j.open() {
				list = append(list, &j)
			}
			return nil
		})
	})
	return list, err
}

// sweep drops jobs without work to do that are expired.
func (s *shelf) sweep(expired func(*Job) bool) (dropped int, err error) {
	err = s.db.Update(func(tx *bolt.Tx) error {
		bucket := tx.Bucket(bucketName)
		var old [][]byte
		err := bucket.ForEach(func(key, raw []byte) error {
			var j Job
			if err := json.Unmarshal(raw, &j); err != nil {
				return fmt.Errorf("job %s: %w", key, err)
			}
			if !j.open() && expired(&j) {
				old = append(old, bytes.Clone(key))
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, key := range old {
			if err := bucket.Delete(key); err != nil {
				return err
			}
		}
		dropped = len(old)
		return nil
	})
	return dropped, err
}
