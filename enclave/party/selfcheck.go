package party

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tkms-network/tkms/enclave/party/status"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// Bounds of the self-check.
const (
	// standingEvery is how often, in blocks, the registration is looked at.
	standingEvery = 20
	// clockSkew is how far this machine's clock may be from block time.
	clockSkew = time.Minute
	// syncPatience is how long no verified header may come.
	syncPatience = 30 * time.Second
	syncInterval = 5 * time.Second
	// linkPatience is how long a member may be unconnected before it is said.
	linkPatience = 15 * time.Second
)

// finding is one thing that the self-check found, as a sentence to the operator.
type finding struct {
	// about names the matter: it is logged when it comes up and when it is over.
	about string
	text  string
	// failing says that it keeps this party from its work.
	failing bool
}

// selfCheck looks at what this party depends on.
func (p *Party) selfCheck(ctx context.Context, height int64, at time.Time) []finding {
	var found []finding
	if skew := p.cfg.Now().Sub(at).Round(time.Second); skew.Abs() > clockSkew {
		found = append(found, finding{"clock", fmt.Sprintf("block time differs from this machine's clock by %s: the light client has not caught up, the chain stands still, or the clock is wrong (is NTP running?)", skew), false})
	}
	if p.checkedAt == 0 || height >= p.checkedAt+standingEvery {
		standing, err := p.checkStanding(ctx, height)
		if err == nil {
			p.standing, p.checkedAt = standing, height
		} else if ctx.Err() == nil {
			found = append(found, finding{"registration record", fmt.Sprintf("cannot read the registration: %v", err), true})
		}
	}
	found = append(found, p.standing...)
	for _, s := range p.allSeats() {
		found = append(found, s.check(p.cfg.Now())...)
	}
	return found
}

// checkStanding looks at the own record and at what registration now demands.
func (p *Party) checkStanding(ctx context.Context, height int64) ([]finding, error) {
	if p.id == 0 {
		return []finding{{"registration", "not registered on this chain: let the operator send what 'tkms-party register-message' prints", true}}, nil
	}
	var own partiestypes.Party
	if err := record(ctx, p.cfg.Chain, partiestypes.StoreKey, partiestypes.PartyKey(p.id), height, &own); err != nil {
		return nil, err
	}
	var params partiestypes.Params
	if err := record(ctx, p.cfg.Chain, partiestypes.StoreKey, partiestypes.ParamsKey(), height, &params); err != nil {
		return nil, err
	}
	var found []finding
	if err := p.checkKeys(&own); err != nil {
		found = append(found, finding{"keys", err.Error(), true})
	}
	if own.Removed {
		return append(found, finding{"removal", "removed by governance: this party takes no part any more", true}), nil
	}
	now := p.cfg.Now()
	switch left := own.AttestedUntil.Sub(now).Round(time.Minute); {
	case !now.Before(own.AttestedUntil):
		found = append(found, finding{"attestation", "the attestation has lapsed: nothing that this party posts counts; renew it with 'tkms-party register-message'", true})
	case left < params.AttestationLifetime/7:
		found = append(found, finding{"renewal", fmt.Sprintf("the attestation lapses in %s: renew it with 'tkms-party register-message'", left), false})
	}
	accepted := slices.ContainsFunc(params.Measurements, func(m partiestypes.Measurement) bool {
		return m.TeeType == own.TeeType && bytes.Equal(m.Pcr0, own.Pcr0)
	})
	if !accepted {
		found = append(found, finding{"measurement", "this enclave image is no longer among the accepted measurements: the attestation cannot be renewed", false})
	}
	return found, nil
}

// check looks at links and secrets of the epoch.
func (s *seat) check(now time.Time) []finding {
	c := s.current()
	var found []finding
	if c.Removed {
		return nil // said by checkStanding
	}
	connected := 0
	for _, link := range s.mesh.Status() {
		if link.Up {
			connected++
			continue
		}
		if now.Sub(link.DownSince) < linkPatience {
			connected++ // not yet worth a word
			continue
		}
		why := ""
		if link.Err != nil {
			why = ": " + link.Err.Error()
		}
		found = append(found, finding{fmt.Sprintf("member %d", link.Index), fmt.Sprintf("member %d at %s is not connected%s", link.Index, link.Address, why), false})
	}
	if connected+1 < c.N-c.T {
		found = append(found, finding{"members", "fewer members are connected than a decryption needs: is the peer address reachable from outside?", true})
	}
	switch {
	case c.Convicted:
		found = append(found, finding{"conviction", "convicted by evidence on the chain: the offline phase goes on without this party until the next epoch", true})
	case c.Excluded:
		found = append(found, finding{"exclusion", "excluded as absent: the offline phase goes on without this party until it is counted again", false})
	}
	if s.sharesOnly {
		return append(found, finding{"shares only", fmt.Sprintf("restored from a backup: shares only in epoch %d; this party works again from the next refresh, ask for one", c.Epoch.Id), false})
	}
	if c.Epoch.Dealt {
		return found
	}
	keys, err := s.loadKeys(c)
	switch {
	case err != nil:
		found = append(found, finding{"epoch keys", fmt.Sprintf("the keys of epoch %d cannot be read: %v", c.Epoch.Id, err), true})
	case keys == nil && s.party.serving(s):
		found = append(found, finding{"epoch keys", fmt.Sprintf("no keys of epoch %d: its set-up was missed; getting them from the other members", c.Epoch.Id), true})
	}
	return found
}

// watchSync notices when no header comes any more.
func (p *Party) watchSync(ctx context.Context) {
	ticker := time.NewTicker(syncInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			p.publish()
			p.refreshStatus() // links come and go also while the chain stands
		}
	}
}

// unsynced tells that the light client has nothing new, "" if it has.
func (p *Party) unsynced(now time.Time) string {
	switch {
	case p.seen.IsZero():
		return "the light client has verified no header yet: are the nodes reachable, and is the trusted header one of this chain's?"
	case now.Sub(p.seen) > syncPatience:
		return fmt.Sprintf("no verified block for %s: are the nodes reachable, and does the chain make blocks?", now.Sub(p.seen).Round(time.Second))
	}
	return ""
}

// publish shows what was found and logs what is new and what is over.
func (p *Party) publish() {
	p.mu.Lock()
	found := slices.Clone(p.found)
	if text := p.unsynced(p.cfg.Now()); text != "" {
		found = append([]finding{{"light client", text, true}}, found...)
	}
	told := make(map[string]bool, len(found))
	var trouble, fresh, over []string
	failing := false
	for _, f := range found {
		trouble = append(trouble, f.text)
		failing = failing || f.failing
		if !p.told[f.about] && !told[f.about] {
			fresh = append(fresh, f.text)
		}
		told[f.about] = true
	}
	for about := range p.told {
		if !told[about] {
			over = append(over, about)
		}
	}
	p.told = told
	p.mu.Unlock()
	p.board.Update(func(s *status.Party) { s.Trouble, s.Failing = trouble, failing })
	for _, text := range fresh {
		p.cfg.Log.Warn("self-check", "trouble", text)
	}
	for _, about := range over {
		p.cfg.Log.Info("self-check: trouble is over", "about", about)
	}
}
