package onchain

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	bolt "go.etcd.io/bbolt"
)

// request is an event that is not done with yet.
type request struct {
	Height   uint64         `json:"height"`
	Index    int            `json:"index"`
	Contract common.Address `json:"contract"`
	Handles  []common.Hash  `json:"handles"`
	Seen     time.Time      `json:"seen"`
	// Job is the one that works on it, "" while there is none.
	Job string `json:"job,omitempty"`
	// Tries counts jobs that failed, Refusals calls that the contract did not take.
	Tries    int `json:"tries,omitempty"`
	Refusals int `json:"refusals,omitempty"`
	// Due is when it is looked at again.
	Due time.Time `json:"due,omitzero"`
}

// key orders requests as the chain does.
func (r *request) key() []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, r.Height), uint32(r.Index))
}

var (
	cursorBucket   = []byte("cursor/v1")
	requestsBucket = []byte("requests/v1")
	cursorKey      = []byte("next")
)

// ledger keeps in a file which block is next, and the requests found before it.
type ledger struct{ db *bolt.DB }

func openLedger(path string) (*ledger, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		_, first := tx.CreateBucketIfNotExists(cursorBucket)
		_, second := tx.CreateBucketIfNotExists(requestsBucket)
		return errors.Join(first, second)
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, errors.Join(err, db.Close()))
	}
	return &ledger{db}, nil
}

func (l *ledger) close() error { return l.db.Close() }

// next returns the block to read next, 0 for a new ledger.
func (l *ledger) next() (height uint64, err error) {
	err = l.db.View(func(tx *bolt.Tx) error {
		if raw := tx.Bucket(cursorBucket).Get(cursorKey); len(raw) == 8 {
			height = binary.BigEndian.Uint64(raw)
		}
		return nil
	})
	return height, err
}

// advance keeps requests together with the block to read next.
func (l *ledger) advance(next uint64, found []*request) error {
	return l.db.Update(func(tx *bolt.Tx) error {
		for _, r := range found {
			if err := put(tx, r); err != nil {
				return err
			}
		}
		return tx.Bucket(cursorBucket).Put(cursorKey, binary.BigEndian.AppendUint64(nil, next))
	})
}

// update keeps a request that changed.
func (l *ledger) update(r *request) error {
	return l.db.Update(func(tx *bolt.Tx) error { return put(tx, r) })
}

func put(tx *bolt.Tx, r *request) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return tx.Bucket(requestsBucket).Put(r.key(), raw)
}

// drop forgets a request that is done with.
func (l *ledger) drop(r *request) error {
	return l.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(requestsBucket).Delete(r.key()) })
}

// open returns the requests that are not done with, in the order of the chain.
func (l *ledger) open() (list []*request, err error) {
	err = l.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(requestsBucket).ForEach(func(key, raw []byte) error {
			r := new(request)
			if err := json.Unmarshal(raw, r); err != nil {
				return fmt.Errorf("request %x: %w", key, err)
			}
			list = append(list, r)
			return nil
		})
	})
	return list, err
}
