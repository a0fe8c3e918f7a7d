// Command tkms-hostchain runs a test host chain: an fhEVM chain with QBFT-sealed headers in one
// process. It is for tests and demonstrations; its validator network and its coprocessor are
// simulated, and whoever reaches its port can have headers forged.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/tkms-network/tkms/testutil/hostchain"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		if hint := hintFor(err); hint != "" {
			fmt.Fprintln(os.Stderr, "hint:", hint)
		}
		os.Exit(1)
	}
}

// hintFor says what to do about an error, "" when there is nothing to add.
func hintFor(err error) string {
	switch {
	case errors.Is(err, errExposed):
		return "listen on 127.0.0.1, or add --unsafe-expose on a network that nobody else is on"
	case errors.Is(err, hostchain.ErrNoArtifacts):
		return "run " + hostchain.BuildScript + ", or give --artifacts"
	case errors.Is(err, syscall.EADDRINUSE):
		return "another process listens there; choose another --listen, port 0 takes a free one"
	}
	return ""
}
