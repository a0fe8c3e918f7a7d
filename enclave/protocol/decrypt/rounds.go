package decrypt

// Rounds returns the number of online rounds: for K=17, W=5 it is 4, 3 with a chain,
// one more with Lift, and 0 if n = 1. One more message, when the values are known, has
// the signed root of all that the party sent, and others may follow if somebody is wrong.
func (m *Machine) Rounds() int {
	if m.carrier == nil {
		return 0
	}
	return m.last() + 1
}

// last returns the round of the result, lifting that of what lifts the values, −1 if
// nothing does.
func (m *Machine) last() int {
	if m.lifter != nil {
		return m.carrier.levels() + 2
	}
	return m.carrier.levels() + 1
}

func (m *Machine) lifting() int {
	if m.lifter != nil {
		return m.last() - 1
	}
	return -1
}

// width returns the k of the ring that round r opens in.
func (m *Machine) width(r int) uint {
	switch {
	case r == 0:
		return m.shape.K
	case m.keeper != nil && r == m.last():
		return m.keeper.w
	}
	return m.shape.W
}

// openings returns the number of values that round r opens.
func (m *Machine) openings(r int) int {
	switch {
	case m.keeper != nil && r == m.last():
		return m.keeper.elements()
	case r == 0 || r == m.lifting() || r == m.last():
		return m.count
	}
	return m.count * m.carrier.openings(r-1)
}
