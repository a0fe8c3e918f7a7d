package keeper_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// committee is the registry of parties of one epoch, and of those before.
type committee struct {
	epoch         partiestypes.Epoch
	parties       []partiestypes.Party
	keys          []*ecdsa.PrivateKey
	inactive      bool
	contributions map[uint64]int
	// blocks that the results of each party took in sum, and requests that it missed.
	blocks   map[uint64]uint64
	missed   map[uint64]int
	evidence []partiestypes.Evidence
	past     []*committee
}

// newCommittee is an active epoch of the n parties from number first on.
func newCommittee(t testing.TB, id uint64, n, first int) *committee {
	t.Helper()
	c := &committee{contributions: map[uint64]int{}, blocks: map[uint64]uint64{}, missed: map[uint64]int{}}
	c.epoch = partiestypes.Epoch{Id: id, Status: partiestypes.EPOCH_STATUS_ACTIVE, T: uint32((n - 1) / 3)}
	for i := 1; i <= n; i++ {
		number := first + i - 1
		key, err := crypto.ToECDSA(bytes.Repeat([]byte{byte(number)}, 32))
		require.NoError(t, err)
		id := uint64(100 + number)
		c.keys = append(c.keys, key)
		c.epoch.Members = append(c.epoch.Members, partiestypes.Member{Index: uint32(i), PartyId: id})
		c.parties = append(c.parties, partiestypes.Party{
			Id: id, SigningAddress: crypto.PubkeyToAddress(key.PublicKey).Bytes(),
			Operator: account(string(rune('a' + number))).String(), Account: partyAccount(number).String(),
			VaultUrl: fmt.Sprint("http://vault", number), Simulated: true,
		})
	}
	return c
}

// of returns the committee of an epoch, nil if there is none.
func (c *committee) of(id uint64) *committee {
	if id == c.epoch.Id {
		return c
	}
	for _, p := range c.past {
		if id == p.epoch.Id {
			return p
		}
	}
	return nil
}

// signers are the addresses in index order.
func (c *committee) signers() (list [][20]byte) {
	for _, p := range c.parties {
		list = append(list, [20]byte(p.SigningAddress))
	}
	return list
}

func partyAccount(index int) sdk.AccAddress { return account("party" + string(rune('0'+index))) }

func (c *committee) EpochByID(_ context.Context, id uint64) (partiestypes.Epoch, error) {
	if of := c.of(id); of != nil {
		return of.epoch, nil
	}
	return partiestypes.Epoch{}, partiestypes.ErrUnknownEpoch
}

func (c *committee) ActiveEpoch(context.Context) (partiestypes.Epoch, error) {
	if c.inactive {
		return partiestypes.Epoch{}, partiestypes.ErrUnknownEpoch
	}
	return c.epoch, nil
}

func (c *committee) EpochParties(_ context.Context, epoch partiestypes.Epoch) ([]partiestypes.Party, error) {
	return c.of(epoch.Id).parties[:len(epoch.Members)], nil
}

func (c *committee) MemberByAccount(_ context.Context, epoch uint64, a sdk.AccAddress) (partiestypes.Member, partiestypes.Party, error) {
	of := c.of(epoch)
	if of == nil {
		return partiestypes.Member{}, partiestypes.Party{}, partiestypes.ErrUnknownEpoch
	}
	for i, p := range of.parties {
		if p.Account == a.String() {
			return of.epoch.Members[i], p, nil
		}
	}
	return partiestypes.Member{}, partiestypes.Party{}, partiestypes.ErrNotMember
}

func (c *committee) RecordContribution(_ context.Context, party uint64) error {
	c.contributions[party]++
	return nil
}

func (c *committee) RecordResult(ctx context.Context, party, blocks uint64) error {
	c.blocks[party] += blocks
	return c.RecordContribution(ctx, party)
}

func (c *committee) RecordMissed(_ context.Context, party uint64) error {
	c.missed[party]++
	return nil
}

func (c *committee) EvidenceOf(_ context.Context, subject []byte) (found []partiestypes.Evidence, err error) {
	for _, e := range c.evidence {
		if bytes.Equal(e.Subject, subject) {
			found = append(found, e)
		}
	}
	return found, nil
}

// exclude has the chain go on without the members.
func (c *committee) exclude(indices ...uint32) {
	c.epoch.Absences = nil
	for _, index := range indices {
		c.epoch.Absences = append(c.epoch.Absences, partiestypes.Absence{Index: index, Excluded: true})
	}
}
