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
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/tkms-network/tkms/enclave/tfhe"
)

// ErrNotInstalled reports that node or the package node-tfhe is missing.
var ErrNotInstalled = errors.New("tfhers: node-tfhe is not installed: run npm ci in testutil/tfhers")

// Dir returns the directory of the scripts, which is that of this source file.
func Dir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

// Available returns nil if the scripts can be run, else [ErrNotInstalled].
func Available() error {
	if _, err := exec.LookPath("node"); err != nil {
		return fmt.Errorf("%w (%w)", ErrNotInstalled, err)
	}
	if _, err := os.Stat(filepath.Join(Dir(), "node_modules", "node-tfhe", "package.json")); err != nil {
		return fmt.Errorf("%w (%w)", ErrNotInstalled, err)
	}
	return nil
}

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
	if err := Available(); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "node", append([]string{filepath.Join(Dir(), script)}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s", script, err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}
