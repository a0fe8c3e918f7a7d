package agree

import (
	"errors"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
)

// ErrJournal reports an ECHO in the journal that this party did not sign for this
// batch: the journal is damaged, or the party's vector is no longer what it was.
// The party stays out of the session.
var ErrJournal = errors.New("agree: the journal's ECHO does not belong to this batch and vector")

// Journal keeps the ECHO that a party sends in a session, so that a restart does
// not make it sign another one. The vector needs no journal: it is a function of
// what survives the restart, and so is its signature.
type Journal interface {
	// Load returns what was saved for a batch of a session, nil if nothing was.
	Load(session mpc.Digest, batch uint32) ([]byte, error)
	// Save returns when the ECHO is on disk. It leaves after that.
	Save(session mpc.Digest, batch uint32, echo []byte) error
}

func (a *Agreement) save(echo []byte) error {
	if a.Journal == nil {
		return nil
	}
	if err := a.Journal.Save(a.Session, a.Batch, echo); err != nil {
		return fmt.Errorf("agree: write the journal: %w", err)
	}
	return nil
}

// resume takes over the ECHO of an earlier life: it is sent again, byte for byte,
// whatever roots come now.
func (a *Agreement) resume() ([]mpc.Message, error) {
	if a.Journal == nil {
		return nil, nil
	}
	payload, err := a.Journal.Load(a.Session, a.Batch)
	if err != nil {
		return nil, fmt.Errorf("agree: read the journal: %w", err)
	}
	if payload == nil {
		return nil, nil
	}
	roots, signatures, own, ok := a.parseEcho(payload)
	if !ok || roots[a.self] != a.roots[a.self] || !a.Identity.Verify(a.self, a.statement(a.self, a.echo(roots)), own) {
		return nil, ErrJournal
	}
	for _, i := range a.From.List() {
		if !a.Identity.Verify(i, a.vectorStatement(i, roots[i]), signatures[i]) {
			return nil, ErrJournal
		}
		a.roots[i], a.signed[i] = roots[i], signatures[i]
	}
	a.countOwn(a.echo(roots))
	return []mpc.Message{{Round: a.Round + RoundEcho, Payload: payload}}, nil
}
