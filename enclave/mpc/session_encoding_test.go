package mpc

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/sharing"
)

func someSession() Session {
	return Session{
		ChainID: "tkms-1", Subject: []byte("request"), Ciphertexts: []Digest{{1}, {2}}, Parameters: "production",
		Epoch: 3, Attempt: 4, Protocol: "decrypt/compute", Parties: sharing.AllParties(7), T: 2, Items: Digest{5},
	}
}

func TestASessionIsReadAsItWasWritten(t *testing.T) {
	bare := Session{Subject: []byte{}, Parties: sharing.PartiesOf(1)}
	bare.Subject = nil
	for _, s := range []Session{someSession(), bare} {
		raw, err := s.MarshalBinary()
		require.NoError(t, err)
		got, err := UnmarshalSession(raw)
		require.NoError(t, err)
		require.Equal(t, s, got)
		for length := range raw {
			_, err := UnmarshalSession(raw[:length])
			require.ErrorIs(t, err, ErrSession, length)
		}
		_, err = UnmarshalSession(append(raw, 0))
		require.ErrorIs(t, err, ErrSession)
	}
}

func TestASessionOutsideItsBoundsHasNoEncoding(t *testing.T) {
	for name, change := range map[string]func(*Session){
		"long text":        func(s *Session) { s.Parameters = strings.Repeat("x", maxText+1) },
		"control":          func(s *Session) { s.Protocol = "a\n" },
		"not ascii":        func(s *Session) { s.ChainID = "tkms-é" },
		"long subject":     func(s *Session) { s.Subject = make([]byte, maxSubject+1) },
		"many ciphertexts": func(s *Session) { s.Ciphertexts = make([]Digest, maxCiphertexts+1) },
		"nobody":           func(s *Session) { s.Parties = 0 },
		"party 0":          func(s *Session) { s.Parties |= 1 },
		"t":                func(s *Session) { s.T = -1 },
	} {
		s := someSession()
		change(&s)
		_, err := s.MarshalBinary()
		require.ErrorIs(t, err, ErrSession, name)
	}
}

func FuzzSession(f *testing.F) {
	raw, err := someSession().MarshalBinary()
	require.NoError(f, err)
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := UnmarshalSession(raw)
		if err != nil {
			require.ErrorIs(t, err, ErrSession)
			return
		}
		again, err := s.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, raw, again)
	})
}
