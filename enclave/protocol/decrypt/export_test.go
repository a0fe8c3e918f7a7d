package decrypt

// ArenaWords returns the working memory of a session.
func ArenaWords(m *Machine) []uint64 { return m.memory.words }
