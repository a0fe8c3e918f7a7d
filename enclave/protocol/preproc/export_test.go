package preproc

import (
	"bytes"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// SignVector signs a vector as a machine would.
func SignVector(id *mpc.Identity, session mpc.Digest, batch uint32, vector []byte) []byte {
	return id.Sign(statement(session, batch, id.Self(), merkle.Root(merkle.Chunks(vector, leafSize))))
}

// EchoOf returns the ECHO of id's party that shows the same signed roots as
// another party's ECHO.
func EchoOf(id *mpc.Identity, session mpc.Digest, batch uint32, from sharing.Parties, other []byte) []byte {
	m := Machine{Config: Config{Session: session, Batch: batch, From: from}}
	roots := make([]mpc.Digest, sharing.MaxParties+1)
	for a, i := range from.List() {
		roots[i] = mpc.Digest(other[a*echoEntry:])
	}
	return append(bytes.Clone(other[:from.Count()*echoEntry]), id.Sign(m.echo(roots))...)
}
