// Package judge builds and runs the published TFHE-rs, the Rust crate that
// coprocessors use, to judge keys and ciphertexts made here, and to make some for
// Go to read. It is for tests: it starts cargo and what cargo built.
package judge

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
	"strconv"
	"strings"

	"github.com/tkms-network/tkms/enclave/tfhe"
)

var (
	// ErrNoCargo reports that Rust's build tool is missing.
	ErrNoCargo = errors.New("judge: no cargo: install Rust 1.91.1 or later")
	// ErrNotBuilt reports that the judge could not be built; the text says why.
	ErrNotBuilt = errors.New("judge: not built")
	// ErrRefused reports that TFHE-rs does not accept what it was given; the text
	// says why.
	ErrRefused = errors.New("judge: TFHE-rs refuses")
)

// Value is a plaintext and its type.
type Value struct {
	Type  tfhe.Type
	Value *big.Int
}

// File is an object in a file.
type File struct {
	// Path is where it is.
	Path string
	// Object is the name in its header, such as high_level_api::FheUint.
	Object string
	// Values are the plaintexts of a ciphertext or list; none of a key.
	Values []Value
}

// Judge is the built program.
type Judge struct{ program string }

// Build builds the judge, which takes minutes the first time. Its errors are
// ErrNoCargo, and ErrNotBuilt with what cargo says.
func Build(ctx context.Context) (*Judge, error) {
	if _, err := exec.LookPath("cargo"); err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrNoCargo, err)
	}
	_, source, _, _ := runtime.Caller(0)
	dir := filepath.Dir(source)
	target := os.Getenv("CARGO_TARGET_DIR")
	if target == "" {
		target = filepath.Join(dir, "..", "..", "build", "tfhe-rs")
	}
	cmd := exec.CommandContext(ctx, "cargo", "build", "--release", "--quiet",
		"--manifest-path", filepath.Join(dir, "Cargo.toml"), "--target-dir", target)
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %w: %s", ErrNotBuilt, err, bytes.TrimSpace(said))
	}
	return &Judge{program: filepath.Join(target, "release", "judge")}, nil
}

// Read has TFHE-rs load files, under its conformance checks for the parameter set
// where it has some, and write them back byte for byte. It returns ErrRefused if
// one of them is not loaded or written back differently.
func (j *Judge) Read(ctx context.Context, parameters string, files ...string) error {
	read, err := j.run(ctx, append([]string{"read", "--parameters", parameters}, files...)...)
	if err == nil && len(read) != len(files) {
		err = fmt.Errorf("%w: %d of %d files reported", ErrRefused, len(read), len(files))
	}
	return err
}

// Keys are the files of a key set.
type Keys struct {
	// ClientKey is the secret key; empty where nobody has it.
	ClientKey string
	// PublicKey, ServerKey and XOFKeySet are a CompactPublicKey, a
	// CompressedServerKey and a CompressedXofKeySet.
	PublicKey, ServerKey, XOFKeySet string
}

// Generate has TFHE-rs make the keys of a parameter set in dir. The seed decides
// all of them.
func (j *Judge) Generate(ctx context.Context, parameters, seed, dir string) (Keys, error) {
	_, err := j.run(ctx, "generate", "--parameters", parameters, "--seed", seed, "--out", dir)
	if err != nil {
		return Keys{}, err
	}
	return Keys{
		ClientKey: filepath.Join(dir, "client_key.bin"),
		PublicKey: filepath.Join(dir, "public_key.bin"),
		ServerKey: filepath.Join(dir, "server_key.bin"),
		XOFKeySet: filepath.Join(dir, "xof_key_set.bin"),
	}, nil
}

// CRS has TFHE-rs make a reference string for proofs about lists of up to so many
// bits of plaintext, in a file.
func (j *Judge) CRS(ctx context.Context, parameters string, bits int, file string) error {
	_, err := j.run(ctx, "crs", "--parameters", parameters, "--bits", strconv.Itoa(bits), "--out", file)
	return err
}

// Task is work for a coprocessor.
type Task struct {
	// KeySet is the file of a CompressedXofKeySet, or of a CompressedServerKey
	// together with PublicKey.
	KeySet, PublicKey string
	// CRS, if given, has inputs proven and the proofs verified.
	CRS string
	// Types are those of the inputs: ebool and euint8 to euint64 if none is given.
	// Beyond euint64 sums alone are computed.
	Types []tfhe.Type
	// Seed decides the plaintexts, and nothing else.
	Seed string
	// Dir is where the results go.
	Dir string
}

// Compute has TFHE-rs encrypt, expand, compute, compress, squash and pack, as far
// as the key set allows, and returns what it made with what it must decrypt to.
func (j *Judge) Compute(ctx context.Context, t Task) ([]File, error) {
	args := []string{"compute", "--server-key", t.KeySet, "--seed", t.Seed, "--out", t.Dir}
	if t.PublicKey != "" {
		args = append(args, "--public-key", t.PublicKey)
	}
	if t.CRS != "" {
		args = append(args, "--crs", t.CRS)
	}
	if len(t.Types) > 0 {
		names := make([]string, len(t.Types))
		for i, typ := range t.Types {
			names[i] = typ.String()
		}
		args = append(args, "--types", strings.Join(names, ","))
	}
	files, err := j.run(ctx, args...)
	for i := range files {
		files[i].Path = filepath.Join(t.Dir, files[i].Path)
	}
	return files, err
}

// Decrypt has TFHE-rs decrypt files with a client key. Lists that are not of
// squashed ciphertexts need a server key too, which is else empty.
func (j *Judge) Decrypt(ctx context.Context, clientKey, serverKey string, files ...string) ([]File, error) {
	args := []string{"decrypt", "--client-key", clientKey}
	if serverKey != "" {
		args = append(args, "--server-key", serverKey)
	}
	return j.run(ctx, append(args, files...)...)
}

func (j *Judge) run(ctx context.Context, args ...string) ([]File, error) {
	cmd := exec.CommandContext(ctx, j.program, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w: %s", ErrRefused, args[0], err, bytes.TrimSpace(errs.Bytes()))
	}
	return parse(out.Bytes())
}

func parse(report []byte) ([]File, error) {
	var entries []struct {
		File, Object string
		Values       [][2]string
	}
	if err := json.Unmarshal(report, &entries); err != nil {
		return nil, fmt.Errorf("report of the judge: %w", err)
	}
	files := make([]File, len(entries))
	for i, e := range entries {
		files[i] = File{Path: e.File, Object: e.Object}
		for _, pair := range e.Values {
			t, err := tfhe.TypeByName(pair[0])
			if err != nil {
				return nil, fmt.Errorf("report of the judge: %s: %w", e.File, err)
			}
			v, ok := new(big.Int).SetString(pair[1], 10)
			if !ok {
				return nil, fmt.Errorf("report of the judge: %s: %q is no number", e.File, pair[1])
			}
			files[i].Values = append(files[i].Values, Value{Type: t, Value: v})
		}
	}
	return files, nil
}
