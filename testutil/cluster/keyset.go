package cluster

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// take takes the key set over, on which n−t parties agree, and their shares.
func (a *generation) take() error {
	votes := map[mpc.Digest]sharing.Parties{}
	for _, i := range a.members.List() {
		digest, err := a.digest(i)
		if err != nil {
			return err
		}
		votes[digest] = votes[digest].With(i)
		if votes[digest].Count() == a.code.Quorum() {
			if err := a.publish(i); err != nil {
				return err
			}
		}
	}
	if a.result.PublicKey == nil {
		return ErrKeySet
	}
	return a.takeShares()
}

// digest returns the digest of what a party wrote.
func (a *generation) digest(i int) (mpc.Digest, error) {
	seed := a.attempts[i].Seed()
	body, err := a.files[i].PublicKeyBody()
	if err != nil {
		return mpc.Digest{}, err
	}
	parts := [][]byte{seed[:], tfhe.NewWords(body)}
	files, err := a.files[i].Finished()
	if err != nil {
		return mpc.Digest{}, err
	}
	for _, f := range files {
		sum, err := hashFile(f.Path)
		if err != nil {
			return mpc.Digest{}, err
		}
		parts = append(parts, sum)
	}
	return mpc.Hash("tkms/v1/cluster/key-set", parts...), nil
}

func hashFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	h := sha256.New()
	_, err = io.Copy(h, file)
	return h.Sum(nil), err
}

func (a *generation) publish(i int) error {
	body, err := a.files[i].PublicKeyBody()
	if err != nil {
		return err
	}
	if a.result.PublicKey, err = tfhe.NewCompressedCompactPublicKey(a.Parameters, tfhe.KeySetSeed(a.attempts[i].Seed()), body); err != nil {
		return err
	}
	a.result.Files, err = a.files[i].Finished()
	return err
}

// takeShares prepares all parties' shares for decryption. Who was not in the attempt
// rebuilds its own from what t+1 others opened.
func (a *generation) takeShares() error {
	vouched := map[mpc.Digest]int{}
	var opened []byte
	for _, i := range a.members.List() {
		values, err := a.attempts[i].OpenedSecrets()
		if err != nil {
			return err
		}
		digest := keygen.OpenedDigest(a.epoch, values)
		if vouched[digest]++; vouched[digest] == a.code.T()+1 {
			opened = values
		}
	}
	for _, p := range a.parties {
		var share *keygen.KeyShare
		if attempt := a.attempts[p.index]; attempt != nil {
			share = attempt.Share()
		}
		if share == nil && a.dealt() { // it was away when the others dealt
			p.shares = keyShares{}
			continue
		}
		if share == nil {
			source, err := prss.NewSource(p.keys, a.code, a.session(0).ID())
			if err != nil {
				return err
			}
			if share, err = keygen.RebuildShare(source, a.Parameters, a.epoch, opened); err != nil {
				return fmt.Errorf("party %d: %w", p.index, err)
			}
		}
		p.shares = keyShares{}
		for _, kind := range keyKinds {
			if a.Parameters.Dimension(kind.Secret()) == 0 {
				continue
			}
			key, err := decrypt.NewKey(a.code, shapeOf(a.Parameters, kind), share.Part(kind.Secret()))
			if err != nil {
				return fmt.Errorf("party %d: %w", p.index, err)
			}
			p.shares[kind] = key
		}
	}
	return nil
}
