// Package relayersdk runs the ecosystem's published client library, the npm packages
// @zama-fhe/relayer-sdk and node-tkms as they are, to check that a TKMS network serves
// them. It is for tests and demonstrations: it starts node processes.
//
// A [Session] is one process that does what a dApp's frontend does. What it answers is
// the library's own word: it has checked handles, signatures and thresholds against the
// host chain's contracts, and decrypted the shares itself.
//
// [MakeCRS] makes the common reference string that the library needs to start, by
// one party. Who uses it trusts that party not to have kept its secret.
package relayersdk

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// ErrNotInstalled reports that node or the client library is missing.
var ErrNotInstalled = errors.New("relayersdk: the client library is not installed: run testutil/relayersdk/crs.sh")

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
	if _, err := os.Stat(filepath.Join(Dir(), "node_modules", "@zama-fhe", "relayer-sdk", "package.json")); err != nil {
		return fmt.Errorf("%w (%w)", ErrNotInstalled, err)
	}
	return nil
}
