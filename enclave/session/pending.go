package session

import "time"

// inbound is one received message.
type inbound struct {
	from    int
	round   uint16
	payload []byte
}

// pending keeps what one peer sent for sessions that have not started here. Its
// bounds are per peer, so that a flood displaces only its sender's messages.
type pending struct {
	groups map[ID]*group
	order  []arrival // by time of first arrival; may name groups already taken
	frames int
	bytes  int
}

type group struct {
	since    time.Time
	messages []inbound
	bytes    int
}

type arrival struct {
	id    ID
	since time.Time
}

func (p *pending) add(id ID, m inbound, now time.Time, maxFrames, maxBytes int) bool {
	cost := messageHeader + len(m.payload)
	if p.frames >= maxFrames || p.bytes+cost > maxBytes {
		return false
	}
	g := p.groups[id]
	if g == nil {
		if p.groups == nil {
			p.groups = make(map[ID]*group)
		}
		g = &group{since: now}
		p.groups[id] = g
		p.order = append(p.order, arrival{id, now})
	}
	g.messages = append(g.messages, m)
	g.bytes += cost
	p.frames++
	p.bytes += cost
	return true
}

func (p *pending) take(id ID) []inbound {
	g := p.groups[id]
	if g == nil {
		return nil
	}
	delete(p.groups, id)
	p.frames -= len(g.messages)
	p.bytes -= g.bytes
	return g.messages
}

// expire drops groups that began before the limit and returns how many messages
// that were.
func (p *pending) expire(limit time.Time) int {
	dropped, passed := 0, 0
	for _, a := range p.order {
		if !a.since.Before(limit) {
			break
		}
		passed++
		if g := p.groups[a.id]; g != nil && g.since.Equal(a.since) {
			dropped += len(p.take(a.id))
		}
	}
	if p.order = p.order[passed:]; len(p.order) == 0 {
		p.order = nil
	}
	return dropped
}
