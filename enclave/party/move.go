package party

import "context"

const kindVector = "reshare-vector"

type move struct {
	party *Party
	epoch uint64
	from  uint64
}

func (m *move) end() {}

func (p *Party) followMoves(ctx context.Context, height int64) error { return nil }
