package preproc

import (
	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
)

// SignVector signs a vector as a machine would.
func SignVector(id *mpc.Identity, session mpc.Digest, batch uint32, vector []byte) []byte {
	return id.Sign(statement(session, batch, id.Self(), merkle.Root(merkle.Chunks(vector, leafSize))))
}
