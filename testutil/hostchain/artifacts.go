package hostchain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// ArtifactsVariable names the environment variable that overrides where artifacts are looked for.
const ArtifactsVariable = "TKMS_HOSTCHAIN_ARTIFACTS"

// BuildScript is the script, relative to the repository's root, that builds the artifacts.
const BuildScript = "testutil/hostchain/contracts/build.sh"

// ErrNoArtifacts is returned when the contract artifacts have not been built.
var ErrNoArtifacts = errors.New("hostchain: contract artifacts not found; run " + BuildScript + " or set " + ArtifactsVariable)

// artifact is one compiled contract in hardhat's format.
type artifact struct {
	ABI      json.RawMessage `json:"abi"`
	Creation hexutil.Bytes   `json:"bytecode"`
	Runtime  hexutil.Bytes   `json:"deployedBytecode"`

	contract abi.ABI
}

// loadArtifact reads dir/name.json.
func loadArtifact(dir, name string) (*artifact, error) {
	raw, err := os.ReadFile(filepath.Join(dir, name+".json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w (no %s in %s)", ErrNoArtifacts, name, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("hostchain: read artifact: %w", err)
	}
	var a artifact
	if err := json.Unmarshal(raw, &a); err != nil {
		return nil, fmt.Errorf("hostchain: artifact %s: %w", name, err)
	}
	if a.contract, err = abi.JSON(bytes.NewReader(a.ABI)); err != nil {
		return nil, fmt.Errorf("hostchain: artifact %s: %w", name, err)
	}
	if len(a.Creation) == 0 || len(a.Runtime) == 0 {
		return nil, fmt.Errorf("hostchain: artifact %s has no bytecode", name)
	}
	return &a, nil
}

// LocateArtifacts returns the directory of the contract artifacts: TKMS_HOSTCHAIN_ARTIFACTS if set,
// else build/hostchain/artifacts of the repository around the working directory.
func LocateArtifacts() (string, error) {
	if dir := os.Getenv(ArtifactsVariable); dir != "" {
		return dir, nil
	}
	root, err := repositoryRoot()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "build", "hostchain", "artifacts")
	if _, err := os.Stat(dir); err != nil {
		return "", ErrNoArtifacts
	}
	return dir, nil
}

// BuildArtifacts runs the build script, which does nothing when the artifacts are up to date, and
// returns their directory. It needs npm and, the first time, the network.
func BuildArtifacts() (string, error) {
	if dir := os.Getenv(ArtifactsVariable); dir != "" {
		return dir, nil
	}
	root, err := repositoryRoot()
	if err != nil {
		return "", err
	}
	out, err := exec.Command(filepath.Join(root, BuildScript)).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("hostchain: %s: %w\n%s", BuildScript, err, out)
	}
	return filepath.Join(root, "build", "hostchain", "artifacts"), nil
}

func repositoryRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("hostchain: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, BuildScript)); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", ErrNoArtifacts
		}
		dir = parent
	}
}
