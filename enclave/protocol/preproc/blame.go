package preproc

import (
	"crypto/ed25519"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// maxEvidenceParties bounds n for which WrongVector is made: above it there are so
// many sets that it would be too large for a chain.
const maxEvidenceParties = 10

// blame is the search for who made the agreed vectors fail.
//
// Every party of E claims what the streams of its sets gave for the failing index.
// Of the n−t members of a set at most t are corrupt and at least n−2t ≥ t+1 are
// honest and in E, so that for each set the true words come to be claimed by t+1
// members and no others ever are, whatever liars claim, to whomever. The words of
// all sets are all shares of the index, so all honest parties compare the same
// shares with the same agreed vectors and find the same culprits; and since the
// right shares open to what they should, they find one.
type blame struct {
	place
	recipe recipe
	run    int // that of the section's first opening
	// claimed has, by set and words, the signatures of those who claim them.
	claimed map[sharing.Parties]map[string]map[int][]byte
	parsed  sharing.Parties

	seeds *seeds // where randomness was dealt
}

// claim is what is said about the words of sets: which index they are of.
type claim struct {
	session, echo mpc.Digest
	batch         uint32
	run, element  int
	recipe        recipe
}

// digest is what party i signs about the words of a set.
func (c claim) digest(i int, set sharing.Parties, words []byte) mpc.Digest {
	return mpc.Hash("tkms/v1/preproc/claim", c.session[:], mpc.Uint64(uint64(c.batch)), c.echo[:], mpc.Uint64(uint64(c.run)),
		mpc.Uint64(uint64(c.element)), c.recipe.encode(), mpc.Uint64(uint64(i)), mpc.Uint64(uint64(set)), words)
}

func (m *Machine) claim() claim {
	return claim{m.Session, *m.agreement.Echo(), m.Batch, m.blame.run, m.blame.item, m.blame.recipe}
}

// accuse begins the search and returns what the own party has to say: for each set that
// it is in the packed words and a signature, or its seeds. It reveals the index, and is
// called for vectors that n−t parties agreed on and that fail, once.
func (m *Machine) accuse(at place) (mpc.Message, error) {
	b := &blame{place: at, recipe: recipeOf(m.Sections, at), claimed: map[sharing.Parties]map[string]map[int][]byte{}}
	for _, s := range m.Sections[:at.section] {
		b.run += s.openings()
	}
	if m.Sections[at.section].bulk() {
		b.run += at.opening // a packed opening is on its own
	}
	m.blame = b
	switch source := m.Source.(type) {
	case Dealt:
		return m.showSeeds(source)
	case *prss.Source:
		return m.showWords(source)
	}
	return mpc.Message{}, fmt.Errorf("%w: blame of %T", ErrConfig, m.Source)
}

// showWords returns the own claims about the words of all sets.
func (m *Machine) showWords(source *prss.Source) (mpc.Message, error) {
	b, at := m.blame, m.blame.place
	sets, err := prss.SharingSets(m.code, m.self)
	if err != nil {
		return mpc.Message{}, err
	}
	packed := make([][]byte, len(sets))
	draws := b.recipe.draws()
	for a, address := range sources(m.Sections, at) {
		words, err := drawnWords(source, address, draws[a].layout)
		if err != nil {
			return mpc.Message{}, err
		}
		for q := range sets {
			packed[q] = wide.AppendPacked(packed[q], words[q], address.K)
		}
	}
	var payload []byte
	for q, set := range sets {
		payload = append(payload, packed[q]...)
		payload = append(payload, m.Identity.Sign(m.claim().digest(m.self, set, packed[q]))...)
	}
	m.claims[m.self] = payload
	return mpc.Message{Round: roundClaim, Payload: payload}, nil
}

// drawnWords returns what an item takes from each set's stream, over a ring of any k.
func drawnWords(source *prss.Source, a prss.Address, l prss.Layout) ([][]wide.Word, error) {
	if a.K > 64 {
		return source.WideWords(a, l)
	}
	words, err := source.Words(a, l)
	out := make([][]wide.Word, len(words))
	for q, v := range words {
		out[q] = make([]wide.Word, len(v))
		for i, x := range v {
			out[q][i].Lo = x
		}
	}
	return out, err
}

// maxClaimLen is the most that a party's claims about any index take.
func (m *Machine) maxClaimLen() int {
	if m.dealt() {
		return m.From.Count() * maxItems * maxSeed
	}
	longest := 0
	for a, s := range m.Sections {
		if s.openings() > 0 {
			longest = max(longest, recipeOf(m.Sections, place{section: a}).wordsLen(m.code))
		}
	}
	return m.ownSets() * (longest + ed25519.SignatureSize)
}

// ownSets is the number of sets that every party is in.
func (m *Machine) ownSets() int {
	sets, err := prss.SharingSets(m.code, m.self)
	if err != nil {
		return 0 // the source's keys are of these sets
	}
	return len(sets)
}

// dealt reports whether the randomness was dealt.
func (m *Machine) dealt() bool {
	_, ok := m.Source.(Dealt)
	return ok
}

// takeClaim keeps a party's claims until the own verdict says what they have to be
// about: the first, or two where randomness was dealt.
func (m *Machine) takeClaim(from int, payload []byte) {
	if m.claimed[from] > 1 || m.claimed[from] > 0 && !m.dealt() {
		return
	}
	if len(payload) == 0 || len(payload) > m.maxClaimLen() {
		m.wrong = m.wrong.With(from)
		return
	}
	m.claimed[from]++
	m.claims[from] = append([]byte(nil), payload...)
}

// parseClaims counts the claims that are not counted yet.
func (m *Machine) parseClaims() error {
	b := m.blame
	size := b.recipe.wordsLen(m.code)
	for _, i := range m.From.Without(b.parsed).List() {
		if m.claims[i] == nil {
			continue
		}
		b.parsed = b.parsed.With(i)
		sets, err := prss.SharingSets(m.code, i)
		if err != nil {
			return err
		}
		payload := m.claims[i]
		if len(payload) != len(sets)*(size+ed25519.SignatureSize) {
			m.wrong = m.wrong.With(i)
			continue
		}
		for _, set := range sets {
			words, signature := payload[:size], payload[size:size+ed25519.SignatureSize]
			payload = payload[size+ed25519.SignatureSize:]
			if !m.Identity.Verify(i, m.claim().digest(i, set, words), signature) {
				m.wrong = m.wrong.With(i)
				continue
			}
			if b.claimed[set] == nil {
				b.claimed[set] = map[string]map[int][]byte{}
			}
			if b.claimed[set][string(words)] == nil {
				b.claimed[set][string(words)] = map[int][]byte{}
			}
			b.claimed[set][string(words)][i] = signature
		}
	}
	return nil
}

// settled returns the words of a set that t+1 members claim alike, and whose
// claims they are; no words if there are none yet.
func (m *Machine) settled(set sharing.Parties) (words []byte, signers map[int][]byte) {
	for words, signers := range m.blame.claimed[set] {
		if len(signers) > m.code.T() { // of two such values one would be without an honest claim
			return []byte(words), signers
		}
	}
	return nil, nil
}

// conclude returns a CulpritError once the claims suffice.
func (m *Machine) conclude() error {
	if err := m.parseClaims(); err != nil {
		return err
	}
	words := map[int][][]byte{}
	for _, j := range m.From.List() {
		sets, err := prss.SharingSets(m.code, j)
		if err != nil {
			return err
		}
		words[j] = make([][]byte, len(sets))
		for q, set := range sets {
			if words[j][q], _ = m.settled(set); words[j][q] == nil {
				return nil
			}
		}
	}
	culprits, err := m.compare(func(j int) ([]wide.Elem, error) { return m.blame.recipe.openings(m.code, j, words[j]) }, m.prove)
	if err != nil {
		return err
	}
	return m.bad(culprits)
}

// compare returns the members of E that sent other shares of the failing index than the
// right ones, and calls found with each one's first such opening.
func (m *Machine) compare(right func(party int) ([]wide.Elem, error), found func(party, opening int)) (culprits sharing.Parties, err error) {
	b := m.blame
	for _, j := range m.From.List() {
		list, err := right(j)
		if err != nil {
			return 0, err
		}
		for q, want := range list {
			sent, err := m.sent(j, b.run+q, b.item)
			if err != nil {
				return 0, err
			}
			if sent != want {
				culprits = culprits.With(j)
				found(j, q)
				break
			}
		}
	}
	return culprits, nil
}

// bad is the error of a batch that culprits spoilt.
func (m *Machine) bad(culprits sharing.Parties) error {
	b := m.blame
	return &mpc.CulpritError{Culprits: culprits, Err: fmt.Errorf("%w: section %d, opening %d, item %d", ErrBatchBad, b.section, b.opening, b.item)}
}

// sent returns the element that party j sent.
func (m *Machine) sent(j, run, item int) (wide.Elem, error) {
	vector := m.agreement.Vector(j)
	for i := range run {
		vector = vector[m.layout.Bytes(i):]
	}
	words := make([]wide.Word, m.layout.Runs[run].Count*m.layout.Degree)
	if err := wide.Unpack(words, vector[:m.layout.Bytes(run)], m.layout.Runs[run].K); err != nil {
		return wide.Elem{}, err
	}
	return m.code.WideRing().At(words, item), nil
}

// prove makes evidence against party j, whose share of opening q is wrong.
func (m *Machine) prove(j, q int) {
	b := m.blame
	if m.code.N() > maxEvidenceParties || m.agreement.Convicted().Has(j) {
		return
	}
	sets, err := prss.SharingSets(m.code, j)
	if err != nil {
		return // they were just asked for
	}
	share, err := transcript.NewShare(m.layout, m.leaves(m.agreement.Vector(j)), j, m.agreement.Signature(j), b.run+q, b.item)
	if err != nil {
		return // there is such a share: it was just read
	}
	e := &WrongVector{Batch: m.Batch, Echo: *m.agreement.Echo(), Layout: m.layout, Run: b.run, Opening: q, Element: b.item, Wrong: share, recipe: b.recipe}
	for _, set := range sets {
		words, signers := m.settled(set)
		c := Claim{Words: words}
		for _, i := range m.From.List() {
			if signature, ok := signers[i]; ok && len(c.Signers) <= m.code.T() {
				c.Signers = append(c.Signers, Signer{Party: i, Signature: [ed25519.SignatureSize]byte(signature)})
			}
		}
		e.Claims = append(e.Claims, c)
	}
	m.evidence = append(m.evidence, e)
}
