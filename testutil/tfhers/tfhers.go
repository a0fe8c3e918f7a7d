// Package tfhers runs the real TFHE-rs, as the npm package node-tfhe, to check
// that keys and ciphertexts made here are the ones that it reads, and the other
// way round. It is for tests and demonstrations: it starts node processes.
//
// The package has to be installed first: npm ci in this directory.
package tfhers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/npm"
)

// Scripts are what drives the library.
var Scripts = npm.Here("node-tfhe", "npm ci in testutil/tfhers")

// List is a compact list that TFHE-rs made.
type List struct {
	// File is the path of its bytes.
	File string
	// Type and Value are what was encrypted.
	Type  tfhe.Type
	Value *big.Int
	// Packed tells two blocks to an LWE ciphertext.
	Packed bool
}

// Encrypt has TFHE-rs load a compact public key, under the checks that it makes
// for the production parameters, and encrypt a value of each type given (of
// every type if none is), packed and unpacked, into the directory out. The
// values depend on the seed alone; the ciphertexts' coins are TFHE-rs' own.
func Encrypt(ctx context.Context, publicKeyFile, out, seed string, types ...tfhe.Type) ([]List, error) {
	args := []string{"--public-key", publicKeyFile, "--out", out, "--seed", seed}
	if len(types) > 0 {
		names := make([]string, len(types))
		for i, t := range types {
			names[i] = t.String()
		}
		args = append(args, "--types", strings.Join(names, ","))
	}
	if _, err := run(ctx, "encrypt.js", args...); err != nil {
		return nil, err
	}
	return readLists(out)
}

func readLists(dir string) ([]List, error) {
	data, err := os.ReadFile(filepath.Join(dir, "meta.json"))
	if err != nil {
		return nil, fmt.Errorf("read what TFHE-rs encrypted: %w", err)
	}
	var meta []struct {
		File, Type, Value string
		Packed            bool
	}
	if err := json.Unmarshal(data, &meta); err != nil {
		return nil, fmt.Errorf("read what TFHE-rs encrypted: %w", err)
	}
	lists := make([]List, len(meta))
	for i, m := range meta {
		t, err := tfhe.TypeByName(m.Type)
		if err != nil {
			return nil, err
		}
		value, ok := new(big.Int).SetString(m.Value, 10)
		if !ok {
			return nil, fmt.Errorf("meta.json: value %q is no number", m.Value)
		}
		lists[i] = List{File: filepath.Join(dir, m.File), Type: t, Value: value, Packed: m.Packed}
	}
	return lists, nil
}

// Check has TFHE-rs read the files that args name and write them back; the
// arguments are those of check.js. It returns what the script printed.
func Check(ctx context.Context, args ...string) (string, error) {
	return run(ctx, "check.js", args...)
}

func run(ctx context.Context, script string, args ...string) (string, error) {
	cmd, err := Scripts.Command(ctx, script, args...)
	if err != nil {
		return "", err
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s", script, err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}
