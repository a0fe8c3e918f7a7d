package decrypt

// ArenaWords returns the session's working memory, nil after Release.
func (m *Machine) ArenaWords() []uint64 {
	if m.memory == nil {
		return nil
	}
	return m.memory.words
}
