package party

import (
	"context"
	"sync"
	"time"

	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// progressPause is the pause between two words on the progress of a key, at least.
const progressPause = 3 * time.Second

// progress is how far an attempt is, in microseconds of work.
type progress struct {
	g *generation

	mu          sync.Mutex
	stage       kmstypes.KeyStage
	done, total uint64
	changed     bool
}

func newProgress(g *generation) *progress {
	p := &progress{g: g, stage: kmstypes.KEY_STAGE_SECRETS}
	for i, s := range g.attempt.Steps() {
		p.total += uint64(s.Weight)
		if g.attempt.Done(i) {
			p.done += uint64(s.Weight)
		}
	}
	return p
}

// did counts a finished step.
func (p *progress) did(s keygen.Step) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += uint64(s.Weight)
	p.stage, p.changed = kmstypes.KEY_STAGE_SECRETS+kmstypes.KeyStage(s.Stage), true
}

// reach begins a stage that has no steps.
func (p *progress) reach(stage kmstypes.KeyStage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stage, p.changed = stage, true
}

// take returns what is to be said, false if nothing changed.
func (p *progress) take() (*kmstypes.MsgPostKeyProgress, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	changed := p.changed
	p.changed = false
	return &kmstypes.MsgPostKeyProgress{
		Account: p.g.party.account(), KeyId: p.g.key.Id, Attempt: p.g.key.Attempt, Stage: p.stage, Done: p.done, Total: p.total,
	}, changed
}

// run tells the chain from time to time, until ctx ends. Nothing depends on it.
func (p *progress) run(ctx context.Context) {
	for pause(ctx, progressPause) {
		message, changed := p.take()
		if !changed {
			continue
		}
		if err := p.g.party.poster.Message(ctx, message); err != nil {
			p.g.party.cfg.Log.Debug("progress was not posted", "err", err)
			p.mu.Lock()
			p.changed = true // to be said next time
			p.mu.Unlock()
		}
	}
}
