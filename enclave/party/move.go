package party

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/tkms-network/tkms/enclave/party/committee"
	"github.com/tkms-network/tkms/x/kms/eip712"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// move is this party's part in bringing the secrets of one epoch to the next: it hands
// shares over, takes them over, or both.
type move struct {
	party       *Party
	epoch, from uint64

	// Used by the goroutine that follows the chain only.

	next     *committee.Committee // of the epoch, as last proven
	previous *committee.Committee // of the epoch before
	run      *handover            // of the attempt under way
}

// followMoves looks at the epochs that take over from others.
func (p *Party) followMoves(ctx context.Context, height int64) error {
	var failed error
	for _, id := range slices.Sorted(maps.Keys(p.moves)) {
		m := p.moves[id]
		over, err := m.follow(ctx, height)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("epoch %d: %w", id, err))
		}
		if over {
			m.end()
			delete(p.moves, id)
		}
	}
	return failed
}

// follow does what the epoch's record asks for and reports whether that was the last.
func (m *move) follow(ctx context.Context, height int64) (over bool, err error) {
	if err := m.look(ctx, height); err != nil {
		return false, err
	}
	switch status := m.next.Epoch.Status; {
	case ended(status):
		return true, nil
	case status == partiestypes.EPOCH_STATUS_RESHARING, status == partiestypes.EPOCH_STATUS_RECEIVING, status == partiestypes.EPOCH_STATUS_PROVING:
		return false, m.reshare(ctx, height)
	case m.next.Epoch.Serving():
		m.end()
		return m.certify(ctx)
	}
	return false, nil
}

// look proves the records of both epochs anew.
func (m *move) look(ctx context.Context, height int64) error {
	p := m.party
	for _, side := range []struct {
		epoch uint64
		known **committee.Committee
	}{{m.epoch, &m.next}, {m.from, &m.previous}} {
		if s := p.seatOf(side.epoch); s != nil {
			*side.known = s.current()
			continue
		}
		if *side.known != nil && height%membersEvery != 0 {
			var epoch partiestypes.Epoch
			if err := record(ctx, p.cfg.Chain, partiestypes.StoreKey, partiestypes.EpochKey(side.epoch), height, &epoch); err != nil {
				return err
			}
			if sameRecord(&epoch, &(*side.known).Epoch) {
				continue
			}
		}
		c, err := loadCommittee(ctx, p.cfg.Chain, side.epoch, p.id, height)
		if err != nil {
			return err
		}
		*side.known = c
	}
	return nil
}

// reshare begins the recorded attempt, or lets it look at the record.
func (m *move) reshare(ctx context.Context, height int64) error {
	if m.next.Epoch.Resharing == nil {
		return fmt.Errorf("%w: no resharing in the record", committee.ErrRecord)
	}
	if m.run != nil && m.run.attempt != m.next.Epoch.Resharing.Attempt {
		m.end()
	}
	if m.run == nil {
		run, err := newHandover(ctx, m, height)
		if err != nil {
			return fmt.Errorf("resharing attempt %d: %w", m.next.Epoch.Resharing.Attempt, err)
		}
		m.run = run
	}
	return m.run.observe(m.next, m.previous, height)
}

// end ends the attempt under way, if there is one, and waits for that.
func (m *move) end() {
	if m.run != nil {
		m.run.close()
		m.run = nil
	}
}

// certify posts this party's signature under the signers of the epoch that follows the
// one that it is a member of, and reports whether the chain has it, or none is asked for.
func (m *move) certify(ctx context.Context) (done bool, err error) {
	p, c := m.party, m.next
	self := m.previous.Self
	if self == 0 || m.previous.Removed || m.previous.Convicted || !m.previous.Epoch.Serving() {
		return true, nil
	}
	for _, voucher := range c.Epoch.Vouchers {
		if int(voucher.Index) == self {
			return true, nil
		}
	}
	signing, err := crypto.ToECDSA(p.cfg.Identity.Signing.Key)
	if err != nil {
		return false, err
	}
	digest := eip712.EpochVerification(p.cfg.ChainID, c.Epoch.Id, c.Signers, uint32(2*c.T+1)) // #nosec G115 -- at most n
	signature, err := eip712.Sign(digest, signing)
	if err != nil {
		return false, err
	}
	return false, p.once(fmt.Sprintf("certify %d", c.Epoch.Id), func() error {
		return p.poster.Message(ctx, &partiestypes.MsgCertifyEpoch{Account: p.account(), EpochId: c.Epoch.Id, Signature: signature})
	})
}
