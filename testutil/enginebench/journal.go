package enginebench

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/seal"
)

// journal keeps ECHOs as a party of a network does: sealed, and on disk before they
// leave. It implements preproc.Journal.
type journal struct{ store *seal.Store }

// openJournal makes a journal in a folder, under a device key that is forgotten
// with the process.
func openJournal(dir string) (*journal, error) {
	secret := make(seal.Secret, 32)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	device, err := seal.NewSimulatedDevice(secret)
	if err != nil {
		return nil, err
	}
	store, err := seal.Open(dir, device, chainID, "party")
	if err != nil {
		return nil, err
	}
	return &journal{store}, nil
}

func echoOf(session mpc.Digest, batch uint32) seal.Object {
	return seal.Object{Kind: "echo", Key: fmt.Sprintf("%s-%d", hex.EncodeToString(session[:]), batch)}
}

// Load implements preproc.Journal.
func (j *journal) Load(session mpc.Digest, batch uint32) ([]byte, error) {
	raw, err := j.store.Get(echoOf(session, batch))
	if errors.Is(err, seal.ErrNotFound) {
		return nil, nil
	}
	return raw, err
}

// Save implements preproc.Journal.
func (j *journal) Save(session mpc.Digest, batch uint32, echo []byte) error {
	return j.store.Put(echoOf(session, batch), echo)
}
