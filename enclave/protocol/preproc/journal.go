package preproc

import "github.com/tkms-network/tkms/enclave/protocol/agree"

// Journal keeps the ECHO over a restart. The vector needs none: it is a function of
// keys, context and sections.
type Journal = agree.Journal

// Errors of the agreement on the vectors.
var (
	// ErrJournal reports an ECHO in the journal that does not belong to the batch.
	ErrJournal = agree.ErrJournal
	// ErrEquivocation reports a party that signed two vectors for one batch. The batch
	// is dropped; the error is a mpc.CulpritError.
	ErrEquivocation = agree.ErrEquivocation
)
