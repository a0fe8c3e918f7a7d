// Package committee turns proven records of an epoch and its parties into what
// a member's protocols need: who sits where, under which keys, who is not
// waited for. It believes nothing but the records it is given.
package committee

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/transport"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// Errors of this package.
var (
	// ErrNotMember reports that the own party has no part in what is asked for.
	ErrNotMember = errors.New("committee: this party is not a member of the epoch")
	// ErrRecord reports records that contradict each other or the protocols.
	ErrRecord = errors.New("committee: the records of the epoch are inconsistent")
)

// Committee is one epoch as a member, or another party, sees it.
type Committee struct {
	// Epoch is the proven record.
	Epoch partiestypes.Epoch
	// Self is the own index, 0 if this party has no seat; N the number of members, T
	// the corruptions tolerated.
	Self, N, T int
	// Session are the members' Ed25519 keys by index; entry 0 is nil.
	Session []ed25519.PublicKey
	// Names are the members' monikers by index; entry 0 is empty.
	Names []string
	// Signers are the members' signing addresses, in index order.
	Signers [][20]byte
	// Vaults are the base URLs of the members' vaults, in index order.
	Vaults []string
	// Peers are the other members that are not removed.
	Peers []transport.Peer
	// Active are the members that the offline phase waits for.
	Active sharing.Parties
	// Excluded says that the chain does not wait for this party.
	Excluded bool
	// Removed says that governance removed this party.
	Removed bool
	// Convicted says that evidence excluded this party for the rest of the epoch.
	Convicted bool
	// Reported are the members that the chain records as reported absent by this
	// party.
	Reported sharing.Parties
	// Simulated says that a member's enclave device is a simulation.
	Simulated bool
}

// New reads an epoch; records are the members' parties in the order of the
// epoch, own is the own party's id.
func New(epoch partiestypes.Epoch, records []partiestypes.Party, own uint64) (*Committee, error) {
	n := len(epoch.Members)
	if n == 0 || len(records) != n {
		return nil, fmt.Errorf("%w: %d members, %d records", ErrRecord, n, len(records))
	}
	c := &Committee{Epoch: epoch, N: n, T: int(epoch.T), Session: make([]ed25519.PublicKey, n+1), Names: make([]string, n+1), Signers: make([][20]byte, n), Active: sharing.AllParties(n), Simulated: epoch.Simulated}
	for i, member := range epoch.Members {
		party := records[i]
		if int(member.Index) != i+1 || party.Id != member.PartyId || len(party.SessionKey) != ed25519.PublicKeySize || len(party.TlsKeyHash) != len(transport.Pin{}) {
			return nil, fmt.Errorf("%w: member %d", ErrRecord, i+1)
		}
		copy(c.Signers[i][:], party.SigningAddress)
		c.Vaults = append(c.Vaults, party.VaultUrl)
		c.Session[i+1], c.Names[i+1] = ed25519.PublicKey(party.SessionKey), party.Moniker
		if member.Removed {
			c.Active = c.Active.Without(sharing.PartiesOf(i + 1))
		}
		switch {
		case party.Id == own:
			c.Self, c.Removed = i+1, member.Removed || party.Removed
		case !member.Removed:
			c.Peers = append(c.Peers, transport.Peer{Index: i + 1, Address: party.PeerAddress, Pin: transport.Pin(party.TlsKeyHash)})
		}
	}
	for _, absence := range epoch.Absences {
		if absence.Index < 1 || int(absence.Index) > n {
			return nil, fmt.Errorf("%w: absence of member %d", ErrRecord, absence.Index)
		}
		if absence.Excluded {
			c.Active = c.Active.Without(sharing.PartiesOf(int(absence.Index)))
		}
		if int(absence.Index) == c.Self {
			c.Convicted = absence.Convicted
		}
		for _, report := range absence.Reports {
			if int(report.Index) == c.Self {
				c.Reported = c.Reported.With(int(absence.Index))
			}
		}
	}
	c.Excluded = c.Self != 0 && !c.Active.Has(c.Self)
	if err := mpc.CheckParties(c.N, c.T, max(1, c.Self)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return c, nil
}

// Roots returns the set-up roots on chain by index.
func (c *Committee) Roots() (map[int]mpc.Digest, error) {
	roots := make(map[int]mpc.Digest, len(c.Epoch.Roots))
	for _, entry := range c.Epoch.Roots {
		if len(entry.Digest) != mpc.DigestSize {
			return nil, fmt.Errorf("%w: root of member %d", ErrRecord, entry.Index)
		}
		roots[int(entry.Index)] = mpc.Digest(entry.Digest)
	}
	return roots, nil
}

// Dropped returns the contributions to the set-up that nobody uses, by index: the
// positions in the contributor's list.
func (c *Committee) Dropped() map[int][]int {
	dropped := make(map[int][]int, len(c.Epoch.Dropped))
	for _, d := range c.Epoch.Dropped {
		for _, set := range d.Sets {
			dropped[int(d.Index)] = append(dropped[int(d.Index)], int(set))
		}
	}
	return dropped
}

// Complained reports whether this party complained in the set-up attempt.
func (c *Committee) Complained() bool {
	for _, complaint := range c.Epoch.Complaints {
		if int(complaint.Accuser) == c.Self {
			return true
		}
	}
	return false
}

// Said reports whether the own word is among entries.
func (c *Committee) Said(entries []partiestypes.SetupEntry) bool {
	for _, entry := range entries {
		if int(entry.Index) == c.Self {
			return true
		}
	}
	return false
}

// Ready reports whether the own word that it is back is pending.
func (c *Committee) Ready() bool {
	for _, absence := range c.Epoch.Absences {
		if int(absence.Index) == c.Self {
			return absence.ReadyHeight > 0
		}
	}
	return false
}
