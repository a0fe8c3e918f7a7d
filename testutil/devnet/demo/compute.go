package demo

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"

	"github.com/tkms-network/tkms/enclave/party/blob"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/enclave/tfhe/evaluate"
	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/x/kms/material"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// computedType is that of the values that are computed with.
const computedType = tfhe.EUint8

// compute is the rest of step 3: a coprocessor of this process computes with the server
// key that the parties published, as nobody could without it.
func (r *run) compute(ctx context.Context) error {
	var path string
	err := r.step(ctx, stepKey, "its server key is downloaded from a vault by its digest on chain", func(ctx context.Context) (_ string, err error) {
		key, err := r.net.Key(ctx, r.net.KeyID)
		if err != nil {
			return "", err
		}
		path, err = r.download(ctx, &key)
		if err != nil {
			return "", err
		}
		info, err := os.Stat(path)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s, %.1f MB", kmstypes.ObjectServerKey, float64(info.Size())/1e6), nil
	})
	if err != nil {
		return err
	}
	return r.step(ctx, stepKey, "a coprocessor adds two encrypted values with it", func(context.Context) (string, error) {
		sum, text, err := r.add(path)
		if err != nil {
			return "", err
		}
		r.computed = sum
		return text, nil
	})
}

// download fetches the server key.
func (r *run) download(ctx context.Context, key *kmstypes.Key) (string, error) {
	files, err := material.Files(key)
	if err != nil {
		return "", err
	}
	for _, f := range files {
		if f.Kind == kmstypes.ObjectServerKey {
			path := filepath.Join(r.options.Dir, "server-key")
			return path, f.Save(ctx, http.DefaultClient, path, func(done int64) { r.console.Progress("%d MB", done>>20) })
		}
	}
	return "", fmt.Errorf("key %x of %q has no server key", key.Id, key.Params)
}

// add encrypts two values under the public key and adds them with the server key.
func (r *run) add(path string) (*devnet.Encrypted, string, error) {
	p, err := tfhe.ByName(r.net.Config.Params)
	if err != nil {
		return nil, "", err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, "", err
	}
	keys, err := tfhe.OpenKeySet(file, info.Size(), p)
	if err != nil {
		return nil, "", err
	}
	evaluator, err := evaluate.New(keys, evaluate.Environment{})
	if err != nil {
		return nil, "", err
	}
	a, b := r.random(computedType), r.random(computedType)
	var lists []*tfhe.CompactCiphertextList
	for _, value := range []*big.Int{a, b} {
		list, err := r.net.Public.Encrypt(rand.Reader, computedType, value, true)
		if err != nil {
			return nil, "", err
		}
		lists = append(lists, list)
	}
	values, err := evaluator.Expand(lists...)
	if err != nil {
		return nil, "", err
	}
	sum, err := evaluator.Add(values[0], values[1])
	if err != nil {
		return nil, "", err
	}
	data, err := evaluator.Encode(sum)
	if err != nil {
		return nil, "", err
	}
	want := new(big.Int).Add(a, b)
	want.SetBit(want, computedType.Bits(), 0) // modulo 2^8
	return &devnet.Encrypted{Type: computedType, Value: want, Bytes: data, Digest: blob.Digest(data)},
		fmt.Sprintf("%s: %s + %s = %s, FheUint of %d bytes", computedType, a, b, want, len(data)), nil
}
