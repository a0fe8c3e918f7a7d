package party

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/vss"
)

// kindDealing is the kind of sealed object of what this party deals from in an epoch
// whose members are too many for pseudo-random secret sharing.
const kindDealing = "dealing"

// dealt reports whether the members deal each other their randomness.
func (s *seat) dealt() bool { return s.current().Epoch.Dealt }

// dealingSecret returns what this party deals from, made and sealed when it is first
// asked for: a restart deals the same.
func (s *seat) dealingSecret() (secret [vss.SeedSize]byte, err error) {
	object := seal.Object{Kind: kindDealing, Epoch: s.epochID()}
	s.dealing.Lock()
	defer s.dealing.Unlock()
	raw, err := s.party.cfg.Store.Get(object)
	if err == nil {
		defer raw.Zero()
		if len(raw) != len(secret) {
			return secret, fmt.Errorf("%w: the secret of the epoch's dealings", seal.ErrDamaged)
		}
		copy(secret[:], raw)
		return secret, nil
	}
	if !errors.Is(err, seal.ErrNotFound) {
		return secret, err
	}
	if _, err := io.ReadFull(rand.Reader, secret[:]); err != nil {
		return secret, err
	}
	return secret, s.party.cfg.Store.Put(object, secret[:])
}

// deal has the members deal each other what is to be drawn in a context. named is the
// session of that; the context is met by what is burnt together only.
func (s *seat) deal(ctx context.Context, named mpc.Session, owner string, context mpc.Digest, demand []prss.Demand) (*vss.Source, error) {
	secret, err := s.dealingSecret()
	if err != nil {
		return nil, err
	}
	defer clear(secret[:])
	machine, err := vss.New(vss.Config{
		Code: s.code, Session: named.ID(), Context: context, From: named.Parties, Identity: s.identity, Secret: secret,
		Demand: demand, Journal: s.party.cfg.Journal,
	})
	if err != nil {
		return nil, err
	}
	watched := &watchedDealing{Dealing: machine}
	err = s.watching(ctx, owner+" "+named.Protocol, watched.missing, func() error {
		return s.run(ctx, session.ID(named.ID()), owner, named.Parties, watched, session.WithBulk())
	})
	if culprits := mpc.Culprits(err); culprits != 0 {
		s.note(owner, culprits) // until the work is over
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", named.Protocol, err)
	}
	return machine.Source(), nil
}

// drawn returns what this party draws in a context, among members: of its keys, or of
// what is dealt later, which is to be joined.
func (s *seat) drawn(context mpc.Digest, members sharing.Parties) (prss.Randomness, error) {
	if s.dealt() {
		return vss.NewSource(s.code, s.identity.Self(), members, context), nil
	}
	return s.source(context)
}

// dealFor has the members deal what the machine of a protocol will draw, where they deal.
func (r *sessions) dealFor(ctx context.Context, protocol string, demand []prss.Demand) error {
	source, ok := r.source.(*vss.Source)
	if !ok || len(demand) == 0 {
		return nil
	}
	named := r.session("dealing for " + protocol)
	dealt, err := r.seat.deal(ctx, named, r.owner, source.Context(), demand)
	if err != nil {
		return err
	}
	return source.Join(dealt)
}
