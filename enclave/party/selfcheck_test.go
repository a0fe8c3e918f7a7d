package party

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	partieskeeper "github.com/tkms-network/tkms/x/parties/keeper"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

func (w *world) requireTrouble(i int, failing bool, words string) {
	w.t.Helper()
	w.eventually(words, func() bool {
		p := w.nodes[i].board.Party()
		return strings.Contains(strings.Join(p.Trouble, "\n"), words) && (p.Failing || !failing)
	})
}

func (w *world) requireNoTrouble(i int, words string) {
	w.t.Helper()
	w.eventually("no more: "+words, func() bool { return !strings.Contains(strings.Join(w.nodes[i].board.Party().Trouble, "\n"), words) })
}

func TestAPartySaysWhatIsWrongWithItsRegistration(t *testing.T) {
	w := newWorld(t, 1, nil)
	w.start(1)
	w.requireTrouble(1, true, "has verified no header")
	w.chain.start()
	w.requireTrouble(1, true, "not registered on this chain")
	w.requireNoTrouble(1, "has verified no header")

	own := w.record(w.nodes[1])
	for name, spoil := range map[string]func(*partiestypes.Party){
		"session key":    func(p *partiestypes.Party) { p.SessionKey = make([]byte, 32) },
		"TLS key":        func(p *partiestypes.Party) { p.TlsKeyHash = make([]byte, 32) },
		"encryption key": func(p *partiestypes.Party) { p.EncryptionKey = make([]byte, 32) },
	} {
		other := own
		spoil(&other)
		w.register(other)
		w.requireTrouble(1, true, "registered with other keys than this party has")
		w.requireTrouble(1, true, name)
	}
	w.register(own)
	w.requireNoTrouble(1, "other keys")
	w.requireNoTrouble(1, "not registered")
	w.requireTrouble(1, false, "no longer among the accepted measurements")
	w.chain.do(func(ctx context.Context) error {
		params, err := w.chain.parties.Params.Get(ctx)
		params.Measurements = []partiestypes.Measurement{{TeeType: own.TeeType, Pcr0: own.Pcr0}}
		return firstOf(err, w.chain.parties.Params.Set(ctx, params))
	})
	w.requireNoTrouble(1, "measurements")
	require.Empty(t, w.nodes[1].board.Party().Trouble)

	own.AttestedUntil = time.Now().Add(time.Hour).UTC()
	w.register(own)
	w.requireTrouble(1, false, "the attestation lapses in")
	require.False(t, w.nodes[1].board.Party().Failing)
	own.AttestedUntil = time.Now().Add(-time.Hour).UTC()
	w.register(own)
	w.requireTrouble(1, true, "the attestation has lapsed")
}

func TestAPartySaysThatItsClockAndItsPeersAreOff(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.now = func() time.Time { return time.Now().Add(time.Hour) }
	w.registerAll()
	w.form()
	w.chain.start()
	w.start(1)
	w.requireTrouble(1, false, "block time differs from this machine's clock by 1h0m")
	w.requireTrouble(1, true, "member 3 at "+w.nodes[3].address+" is not connected")
	w.requireTrouble(1, true, "fewer members are connected than a decryption needs")
}

func TestARemovedPartySaysSoAndAsksForNothing(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.activeEpoch()
	w.chain.do(func(ctx context.Context) error {
		_, err := partieskeeper.NewMsgServer(w.chain.parties).RemoveParty(ctx, &partiestypes.MsgRemoveParty{Authority: w.chain.parties.Authority(), PartyId: 102})
		return err
	})
	w.requireTrouble(2, true, "removed by governance")
	w.wait(20)
	w.chain.mu.Lock()
	defer w.chain.mu.Unlock()
	for _, msg := range w.chain.sent {
		_, ready := msg.(*partiestypes.MsgReady)
		require.False(t, ready)
	}
}
