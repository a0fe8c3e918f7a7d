package decrypt

// ArenaWords returns the working memory of a session.
func ArenaWords(m *Machine) []uint64 { return m.memory.words }

// ArenaUsed returns how many words of it are taken.
func ArenaUsed(m *Machine) int { return m.memory.used }

// PhaseShares returns the shares of phases, d words each.
func PhaseShares(p *Phases) []uint64 { return p.shares }
