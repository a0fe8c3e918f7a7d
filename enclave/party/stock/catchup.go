package stock

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/wire"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// callTime bounds the calls about a batch.
const callTime = 2 * time.Second

// opening is what one generation opened to make a batch. It is public among the
// members and, with a member's own keys, gives its shares.
type opening struct {
	generation uint32
	values     []byte
}

// appendOpening writes generation (4), length (4, big-endian) and values.
func appendOpening(out []byte, o opening) []byte {
	out = binary.BigEndian.AppendUint32(out, o.generation)
	out = binary.BigEndian.AppendUint32(out, uint32(len(o.values))) // #nosec G115 -- a batch's
	return append(out, o.values...)
}

// parseOpenings reads at most keptGenerations of what appendOpening wrote,
// ErrRequest else.
func parseOpenings(raw []byte) ([]opening, error) {
	r := wire.NewReader(raw)
	var out []opening
	for r.Close() != nil {
		o := opening{generation: r.Uint32(), values: r.Bytes(int(r.Uint32()))}
		if r.Failed() || len(out) == keptGenerations {
			return nil, ErrRequest
		}
		out = append(out, o)
	}
	return out, nil
}

// catchUp rebuilds a batch from the values that t+1 peers say a generation opened:
// one of them is honest. It asks for generations that are not held already.
func (s *Stock) catchUp(ctx context.Context, number uint64) (made, error) {
	code := s.cfg.Code
	if code.N() == 1 || s.cfg.Deal != nil {
		return made{}, ErrDisagree
	}
	others := sharing.AllParties(code.N()).Without(sharing.PartiesOf(s.cfg.Identity.Self()))
	var least uint32
	s.mu.Lock()
	if newest, held := s.newest(number); held {
		least = newest + 1
	}
	s.mu.Unlock()
	calling, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	answers := s.ask(calling, others, number, least)
	votes := map[mpc.Digest]sharing.Parties{}
	most := 0
	for left := others.Count() - 1; most+left+1 > code.T(); left-- {
		got := <-answers
		for _, o := range got.list {
			digest := mpc.Hash("tkms/v1/stock/opened", mpc.Uint64(uint64(o.generation)), o.values)
			votes[digest] = votes[digest].With(got.peer)
			most = max(most, votes[digest].Count())
			if votes[digest].Count() > code.T() {
				return s.rebuild(number, o)
			}
		}
	}
	return made{}, ErrDisagree
}

// answer is what a peer holds of a batch, nothing if it does not say.
type answer struct {
	peer int
	list []opening
}

// ask asks peers for the values that generations from least on opened to make a
// batch. Each gives one answer, at the latest when ctx ends.
func (s *Stock) ask(ctx context.Context, peers sharing.Parties, number uint64, least uint32) <-chan answer {
	request := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, number), least)
	answers := make(chan answer, peers.Count())
	for _, peer := range peers.List() {
		go func() {
			raw, err := s.cfg.Sessions.Call(ctx, peer, methodOpened(s.cfg.Shape), request)
			var list []opening
			if err == nil {
				list, _ = parseOpenings(raw) // what cannot be read says nothing
			}
			answers <- answer{peer, list}
		}()
	}
	return answers
}

// silentOf returns the silent ones of the members whose messages a batch lacks. Who
// has finished it sends no more, and does not vouch for it alone to one that was away
// meanwhile: while more than t are missing, one of which is honest, those that show a
// finished batch are waited for no more.
func (s *Stock) silentOf(ctx context.Context, missing sharing.Parties, number uint64, generation uint32) sharing.Parties {
	if missing.Count() <= s.cfg.Code.T() {
		return missing
	}
	calling, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	answers := s.ask(calling, missing, number, generation)
	for range missing.Count() {
		if got := <-answers; len(got.list) > 0 {
			missing = missing.Without(sharing.PartiesOf(got.peer))
		}
	}
	return missing
}

func (s *Stock) rebuild(number uint64, o opening) (made, error) {
	source, err := s.source(o.generation)
	if err != nil {
		return made{}, err
	}
	batch, err := preproc.RebuildBatch(source, s.cfg.Shape, number*BatchItems, BatchItems, o.values)
	return made{o.generation, batch}, err
}

// serveOpened answers with the opened values of a batch (number, 8 bytes), of each
// generation that is held from one (4 bytes) on.
func (s *Stock) serveOpened(_ int, body []byte) ([]byte, error) {
	r := wire.NewReader(body)
	number, least := r.Uint64(), r.Uint32()
	if r.Close() != nil {
		return nil, ErrRequest
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []byte
	for _, m := range s.batches[number] {
		if m.generation >= least {
			out = appendOpening(out, opening{m.generation, m.batch.Opened()})
		}
	}
	if out == nil {
		return nil, ErrMissing
	}
	return out, nil
}
