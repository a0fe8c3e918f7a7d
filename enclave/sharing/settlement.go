package sharing

// settlement is how an opener finds out who is right: it is done as soon as the
// vectors of n−t parties lie, at every index, on polynomials of degree t.
type settlement struct {
	code  *Code
	have  Parties
	wrong Parties
	basis Parties
	done  bool
}

// opening is what a settlement is about.
type opening interface {
	// open opens the vectors of basis, checks those of rest against them and returns
	// the lowest index at which some differs, or −1. When the opening is done it only
	// checks.
	open(basis, rest Parties) int
	// liars returns who is wrong at an index, an error if that cannot be told yet.
	liars(index int) (Parties, error)
}

// add takes notice of a party's vector, the first that it sent.
func (s *settlement) add(party int, o opening) {
	s.have = s.have.With(party)
	if s.done {
		if o.open(s.basis, PartiesOf(party)) >= 0 {
			s.wrong = s.wrong.With(party)
		}
		return
	}
	wrong := s.wrong
	for {
		good := s.have.Without(wrong)
		if good.Count() < s.code.Quorum() {
			return
		}
		basis := take(good, s.code.t+1)
		off := o.open(basis, good.Without(basis))
		if off < 0 {
			s.wrong, s.basis, s.done = wrong, basis, true
			return
		}
		liars, err := o.liars(off)
		if err != nil {
			return // more points may settle it
		}
		wrong |= liars
	}
}

// Done reports whether the values are known.
func (s *settlement) Done() bool { return s.done }

// Wrong returns the parties known to have sent a wrong vector.
func (s *settlement) Wrong() Parties { return s.wrong }

// Have returns the parties whose vectors were taken.
func (s *settlement) Have() Parties { return s.have }
