//go:build !linux

package localnet

import "syscall"

// childAttributes let a node have its own process group; it outlives a parent that
// is killed.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
