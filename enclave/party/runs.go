package party

import (
	"context"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// sessions are those of one piece of work among members that the chain fixed.
type sessions struct {
	seat    *seat
	owner   string          // of what is sent
	members sharing.Parties // that the offline sessions wait for
	source  prss.Randomness
	// session names the session of a protocol.
	session func(protocol string) mpc.Session
}

// runOpening runs a machine that opens values and passes on what it found. Its results
// are read in done; release is called when nothing more comes, or it failed.
func (r *sessions) runOpening(ctx context.Context, protocol string, machine opening, usual, linger time.Duration, done, release func(), options ...session.Option) error {
	of := r.session(protocol)
	options = append(options, r.seat.lingering(of, machine, linger, done, func(culprits, convicted sharing.Parties) {
		release()
		r.seat.name(of, culprits.Without(convicted))
	}))
	err := r.seat.runFor(ctx, session.ID(of.ID()), r.owner, r.members, machine, usual, options...)
	if err != nil {
		release()
	}
	return err
}

// offline is what the machine of a protocol that waits for all who take part needs.
func (r *sessions) offline(protocol string) preproc.Config {
	id := r.session(protocol).ID()
	return preproc.Config{
		Source: r.source, Session: id, From: r.members, Identity: r.seat.identity, Journal: r.seat.party.cfg.Journal,
	}
}

// runOffline runs such a machine, notes who keeps it waiting, and passes on what it
// found about them.
func (r *sessions) runOffline(ctx context.Context, protocol string, machine *preproc.Machine, usual time.Duration, options ...session.Option) error {
	of := r.session(protocol)
	watched := &watchedMachine{Machine: machine}
	err := r.seat.watching(ctx, r.owner+" "+protocol, watched.missing, func() error {
		return r.seat.runFor(ctx, session.ID(of.ID()), r.owner, r.members, watched, usual, options...)
	})
	culprits := mpc.Culprits(err)
	r.seat.accuseAll(ctx, of, machine.Evidence(), culprits)
	if culprits != 0 && len(machine.Evidence()) == 0 {
		r.seat.note(r.owner, culprits) // until the attempt is over
	}
	return err
}
