package status

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Level says how urgent a warning is.
type Level string

// Levels of a warning.
const (
	// LevelWarning: one more failure ends the margin.
	LevelWarning Level = "warning"
	// LevelCritical: there is no margin, or requests are not answered any more.
	LevelCritical Level = "critical"
)

// Warning says that an epoch's margin is about to be lost, or is.
type Warning struct {
	Epoch uint64 `json:"epoch"`
	Level Level  `json:"level"`
	Text  string `json:"text"`
}

// A margin counts as lost when it has been for lossPatience, and as regained when it
// has been for recoveryPatience: a link that breaks is back in a moment, and one that
// comes and goes is none to rely on.
const (
	lossPatience     = 5 * time.Second
	recoveryPatience = 30 * time.Second
)

// monitor watches the margins of the epochs that serve.
type monitor struct {
	epochs map[uint64]*watch
}

// watch is what is known of one epoch.
type watch struct {
	level   Level // that is told
	seen    Level // that the latest margin has
	since   time.Time
	warning Warning
}

// levelOf returns the level of a margin, "" if there is nothing to say: a committee
// with all its members has the margin that it was made with.
func levelOf(e *Epoch) Level {
	switch {
	case e.Margin >= e.T:
		return ""
	case e.Margin <= 0:
		return LevelCritical
	case e.Margin == 1:
		return LevelWarning
	}
	return ""
}

// worse reports whether a is more urgent than b.
func worse(a, b Level) bool {
	rank := map[Level]int{LevelWarning: 1, LevelCritical: 2}
	return rank[a] > rank[b]
}

// observe takes the present margins and returns all warnings, by epoch, with those
// that are new or of another level, and those that are over.
func (m *monitor) observe(now time.Time, epochs []Epoch) (all, raised, over []Warning) {
	if m.epochs == nil {
		m.epochs = map[uint64]*watch{}
	}
	serving := map[uint64]bool{}
	for i := range epochs {
		e := &epochs[i]
		if !e.Serving() {
			continue
		}
		serving[e.ID] = true
		w := m.epochs[e.ID]
		if w == nil {
			w = &watch{since: now}
			m.epochs[e.ID] = w
		}
		before := w.warning
		if changed := w.observe(now, e); changed && w.level != "" {
			raised = append(raised, w.warning)
		} else if changed {
			over = append(over, before)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(m.epochs)) {
		w := m.epochs[id]
		switch {
		case !serving[id]:
			if w.level != "" {
				over = append(over, w.warning)
			}
			delete(m.epochs, id)
		case w.level != "":
			all = append(all, w.warning)
		}
	}
	return all, raised, over
}

// observe reports whether the level that is told has changed.
func (w *watch) observe(now time.Time, e *Epoch) bool {
	if level := levelOf(e); level != w.seen {
		w.seen, w.since = level, now
	}
	patience := recoveryPatience
	if worse(w.seen, w.level) {
		patience = lossPatience
	}
	changed := w.seen != w.level && now.Sub(w.since) >= patience
	if changed {
		w.level = w.seen
	}
	if w.level != "" {
		w.warning = Warning{Epoch: e.ID, Level: w.level, Text: textOf(e)}
	}
	return changed
}

func textOf(e *Epoch) string {
	present := e.Margin + e.N - e.T
	switch {
	case e.Margin < 0:
		return fmt.Sprintf("epoch %d: %d of %d members are connected, and a decryption needs %d: requests wait", e.ID, present, e.N, e.N-e.T)
	case e.Margin == 0:
		return fmt.Sprintf("epoch %d: %d of %d members are connected: if one more fails, requests wait", e.ID, present, e.N)
	}
	return fmt.Sprintf("epoch %d: %d of %d members are connected: %d more may fail", e.ID, present, e.N, e.Margin)
}
