package mpc

import (
	"errors"
	"testing"

	"github.com/tkms-network/tkms/enclave/sharing"
)

func TestEveryFieldOfASessionChangesItsID(t *testing.T) {
	base := Session{
		ChainID: "tkms-1", Subject: []byte("request"), Ciphertexts: []Digest{{1}, {2}}, Parameters: "p",
		Epoch: 3, Attempt: 4, Protocol: "decrypt", Parties: sharing.AllParties(4), T: 1,
	}
	seen := map[Digest]string{base.ID(): "base"}
	for name, change := range map[string]func(*Session){
		"chain":       func(s *Session) { s.ChainID = "tkms-2" },
		"subject":     func(s *Session) { s.Subject = []byte("other") },
		"order":       func(s *Session) { s.Ciphertexts = []Digest{{2}, {1}} },
		"ciphertexts": func(s *Session) { s.Ciphertexts = s.Ciphertexts[:1] },
		"parameters":  func(s *Session) { s.Parameters = "q" },
		"epoch":       func(s *Session) { s.Epoch++ },
		"attempt":     func(s *Session) { s.Attempt++ },
		"protocol":    func(s *Session) { s.Protocol = "keygen" },
		"parties":     func(s *Session) { s.Parties = sharing.AllParties(7) },
		"t":           func(s *Session) { s.T = 0 },
		"items":       func(s *Session) { s.Items[0] = 1 },
	} {
		s := base
		change(&s)
		if other, ok := seen[s.ID()]; ok {
			t.Errorf("%s has the id of %s", name, other)
		}
		seen[s.ID()] = name
	}
}

func TestMovingABorderBetweenFieldsChangesTheHash(t *testing.T) {
	if Hash("a", []byte("bc")) == Hash("ab", []byte("c")) || Hash("a", []byte("b"), nil) == Hash("a", []byte("b")) {
		t.Fatal("collision")
	}
}

func TestOtherNumbersOfPartiesAreRefused(t *testing.T) {
	for _, c := range [][3]int{{0, 0, 1}, {2, 0, 1}, {5, 1, 1}, {16, 6, 1}, {7, 3, 1}, {19, 6, 1}, {4, 0, 1}, {4, -1, 1}, {4, 1, 5}, {4, 1, 0}} {
		if err := CheckParties(c[0], c[1], c[2]); !errors.Is(err, ErrParties) {
			t.Errorf("%v: %v", c, err)
		}
	}
	for _, n := range SupportedParties {
		for k := min(1, sharing.Threshold(n)); k <= sharing.Threshold(n); k++ {
			if err := CheckParties(n, k, n); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestCulpritsAreFoundThroughWrapping(t *testing.T) {
	base := errors.New("bad")
	err := errors.Join(errors.New("context"), &CulpritError{Culprits: sharing.PartiesOf(2, 3), Err: base})
	if Culprits(err) != sharing.PartiesOf(2, 3) || !errors.Is(err, base) || Culprits(base) != 0 {
		t.Fatal(err)
	}
}
