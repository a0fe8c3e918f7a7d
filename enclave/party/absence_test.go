package party

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/enclave/tfhe"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

func dropResults(msg sdk.Msg) sdk.Msg {
	if _, ok := msg.(*kmstypes.MsgPostResults); ok {
		return nil
	}
	return msg
}

func TestAnAbsentPartyIsExcludedAndIsUsedAgainWhenItIsBack(t *testing.T) {
	w := newWorld(t, 4, nil)
	epoch := w.activeEpoch()
	key := w.activeKey()
	public := w.publicKey(key)
	w.stop(4)
	// More items than can be in stock.
	id := w.decrypt(key, w.encrypt(public, tfhe.EUint2048, number(6)))
	w.eventually("the absent party is excluded", func() bool { now := w.epoch(epoch); return fmt.Sprint(now.Excluded()) == "[4]" })
	w.requireValues(id, number(6))
	w.start(4)
	w.eventually("party 4 is counted again", func() bool { now := w.epoch(epoch); return len(now.Excluded()) == 0 })
	w.stop(1) // now party 4 is needed, with items that were made while it was away
	id = w.decrypt(key, w.encrypt(public, tfhe.EUint2048, number(7)))
	w.requireValues(id, number(7))
	require.True(t, w.contributed(4, id))
	w.requireOneAnswer()
}

func TestReportsOfAbsenceAreRepeatedAndWithdrawn(t *testing.T) {
	w := newWorld(t, 4, func(p *partiestypes.Params) { p.AbsenceBlocks, p.ReportWindowBlocks = 30, 40 })
	epoch := w.activeEpoch()
	key := w.activeKey()
	public := w.publicKey(key)
	w.stop(4)
	// One voice alone excludes nobody, and party 4 says nothing that would void it.
	w.chain.setAlter(func(msg sdk.Msg) sdk.Msg {
		if m, ok := msg.(*partiestypes.MsgReportAbsent); ok && m.Account != w.account(1) {
			return nil
		}
		return dropResults(msg)
	})
	w.decrypt(key, w.encrypt(public, tfhe.EUint2048, number(6)))
	reported := func() int64 {
		for _, absence := range w.epoch(epoch).Absences {
			if absence.Index == 4 && len(absence.Reports) == 1 && absence.Reports[0].Index == 1 {
				return absence.Reports[0].Height
			}
		}
		return 0
	}
	w.eventually("a report", func() bool { return reported() > 0 })
	first := reported()
	w.eventually("the report lapsed and was repeated", func() bool { return reported() > first })
	w.start(4)
	w.eventually("an empty list", func() bool {
		w.chain.mu.Lock()
		defer w.chain.mu.Unlock()
		for _, msg := range w.chain.sent {
			if m, ok := msg.(*partiestypes.MsgReportAbsent); ok && len(m.Indices) == 0 {
				return true
			}
		}
		return false
	})
	w.eventually("no report stands", func() bool { return reported() == 0 })
}
