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
	if code.N() == 1 {
		return made{}, ErrDisagree
	}
	var least uint32
	s.mu.Lock()
	if newest, held := s.newest(number); held {
		least = newest + 1
	}
	s.mu.Unlock()
	request := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, number), least)
	type answer struct {
		peer int
		list []opening
	}
	answers := make(chan answer, code.N())
	calling, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	asked := 0
	for peer := 1; peer <= code.N(); peer++ {
		if peer == s.cfg.Identity.Self() {
			continue
		}
		asked++
		go func() {
			raw, err := s.cfg.Sessions.Call(calling, peer, methodOpened(s.cfg.Shape), request)
			var list []opening
			if err == nil {
				list, _ = parseOpenings(raw) // what cannot be read says nothing
			}
			answers <- answer{peer, list}
		}()
	}
	votes := map[mpc.Digest]sharing.Parties{}
	most := 0
	for left := asked - 1; most+left+1 > code.T(); left-- {
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
