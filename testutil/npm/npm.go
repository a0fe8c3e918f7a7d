// Package npm runs scripts that lie beside a Go package and use a published npm
// package. It is for tests: it starts node processes.
package npm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// ErrNotInstalled reports that node or an npm package is missing.
var ErrNotInstalled = errors.New("npm: not installed")

// Scripts are in the directory of a Go package, with node_modules.
type Scripts struct {
	// Dir is that directory.
	Dir string
	// Module is the npm package that the scripts need.
	Module string
	// Install is the command that installs it.
	Install string
}

// Here returns the scripts beside the source file of the caller.
func Here(module, install string) Scripts {
	_, file, _, _ := runtime.Caller(1)
	return Scripts{Dir: filepath.Dir(file), Module: module, Install: install}
}

// Available returns nil if the scripts can be run, else ErrNotInstalled with what to do.
func (s Scripts) Available() error {
	_, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(filepath.Join(s.Dir, "node_modules", filepath.FromSlash(s.Module), "package.json"))
	}
	if err != nil {
		return fmt.Errorf("%w: %s: run %s (%w)", ErrNotInstalled, s.Module, s.Install, err)
	}
	return nil
}

// Command returns the process of a script, not yet started, or ErrNotInstalled.
func (s Scripts) Command(ctx context.Context, script string, args ...string) (*exec.Cmd, error) {
	if err := s.Available(); err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, "node", append([]string{filepath.Join(s.Dir, script)}, args...)...), nil
}
