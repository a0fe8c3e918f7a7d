package party

import (
	"context"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/recall"
	"github.com/tkms-network/tkms/enclave/protocol/reshare"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// exchange runs the machine that masks and vectors go through.
func (h *handover) exchange() {
	machine, err := h.begin()
	if err != nil {
		h.mu.Lock()
		h.broken = err
		h.mu.Unlock()
		if h.ctx.Err() == nil {
			h.party.cfg.Log.Error("a resharing cannot begin", "attempt", h.attempt, "err", err)
		}
		return
	}
	h.mu.Lock()
	h.machine = machine
	h.mu.Unlock()
	defer machine.Zero()
	var members sharing.Parties
	for _, at := range h.config.Union {
		members = members.With(at)
	}
	members |= sharing.AllParties(h.config.New.N())
	id := session.ID(h.session)
	asking, stop := context.WithCancel(h.ctx)
	defer stop()
	h.running.Go(func() { recall.Ask(asking, h.router, h.mesh.Self(), members, id, recall.Short) })
	var running mpc.Machine = machine
	if wrap := h.party.cfg.Wrap; wrap != nil {
		running = wrap(h.session, members, h.identity(), running)
	}
	running = h.sent.Record(id, "resharing", members, running)
	err = h.router.Run(h.ctx, id, running, session.WithParties(members.List()...), session.WithBulk())
	if err != nil && h.ctx.Err() == nil {
		h.party.cfg.Log.Error("the exchange of a resharing ended", "attempt", h.attempt, "err", err)
	}
	// Members that were away come for what was sent as long as the attempt goes on.
	<-h.ctx.Done()
}

// begin returns the machine of the exchange. Where masks are dealt that comes first.
func (h *handover) begin() (*reshare.Handover, error) {
	if h.new != nil && h.config.Masks == nil {
		if err := h.dealMasks(); err != nil {
			return nil, err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	machine, err := reshare.NewHandover(h.config)
	h.forgetShares() // the machine has what it needs
	return machine, err
}

// dealMasks has the members of the new epoch that take part deal each other the masks.
func (h *handover) dealMasks() error {
	var demand []prss.Demand
	for _, d := range h.config.Draws() {
		layout := prss.Layout{Integers: 1}
		if d.Elements {
			layout = prss.Layout{Elements: 1}
		}
		demand = append(demand, prss.Demand{Address: d.Address, Layout: layout, Count: d.Count})
	}
	h.mu.Lock()
	named := h.party.reshareSession(h.next, "dealing for a resharing", h.config.Members)
	h.mu.Unlock()
	source, err := h.new.deal(h.ctx, named, reshareOwner(h.next), h.session, demand)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.config.Masks = source
	return nil
}

// exchanged returns the machine of the exchange, nil before it runs.
func (h *handover) exchanged() *reshare.Handover {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.machine
}

// identity signs as the member that this party is.
func (h *handover) identity() *mpc.Identity {
	if h.new != nil {
		return h.new.identity
	}
	return h.old.identity
}
