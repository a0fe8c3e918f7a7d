package attest

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func sampleBinding() Binding {
	return Binding{
		ChainID: "tkms-1", Party: "tkms1alice", Committee: "main", Type: DevNitro,
		TLSKeyHash: bytes.Repeat([]byte{1}, 32), SigningKey: bytes.Repeat([]byte{2}, 33), SessionKey: bytes.Repeat([]byte{3}, 32),
		EncryptionKey: bytes.Repeat([]byte{4}, 32), SealPolicyHash: bytes.Repeat([]byte{5}, 32),
		TrustedHeight: 1, TrustedHash: bytes.Repeat([]byte{6}, 32), RecentHeight: 9, RecentHash: bytes.Repeat([]byte{7}, 32),
	}
}

func TestEveryFieldChangesTheDigest(t *testing.T) {
	seen := map[string]string{}
	note := func(name string, b Binding) {
		digest := b.Digest()
		key := hex.EncodeToString(digest[:])
		require.Empty(t, seen[key], "%s and %s share a digest", name, seen[key])
		seen[key] = name
	}
	note("original", sampleBinding())
	for name, change := range map[string]func(*Binding){
		"chain": func(b *Binding) { b.ChainID = "tkms-2" }, "party": func(b *Binding) { b.Party = "tkms1bob" },
		"committee": func(b *Binding) { b.Committee = "other" }, "type": func(b *Binding) { b.Type = Nitro },
		"tls": func(b *Binding) { b.TLSKeyHash[0]++ }, "signing": func(b *Binding) { b.SigningKey[0]++ },
		"session": func(b *Binding) { b.SessionKey[0]++ }, "encryption": func(b *Binding) { b.EncryptionKey[0]++ },
		"seal": func(b *Binding) { b.SealPolicyHash[0]++ }, "trusted height": func(b *Binding) { b.TrustedHeight++ },
		"trusted hash": func(b *Binding) { b.TrustedHash[0]++ }, "recent height": func(b *Binding) { b.RecentHeight++ },
		"recent hash": func(b *Binding) { b.RecentHash[0]++ },
		"a byte moved from one field to the next": func(b *Binding) {
			b.ChainID, b.Party = "tkms-1t", "kms1alice"
		},
	} {
		b := sampleBinding()
		change(&b)
		note(name, b)
	}
}

func TestTheBindingDigestIsFrozen(t *testing.T) {
	// Computed independently from Digest's description with Python's hashlib; a
	// change breaks every registration.
	b := sampleBinding()
	digest := b.Digest()
	require.Equal(t, "33fd3b5579f438c6a5e4690d07ef5b0f220bc6c69a392d39229142756581aed9f915c98188cf9d4b7c0f9c46c01d86cc84b2c0be4cc2bdfc7edb8b41c1ad1088", hex.EncodeToString(digest[:]))
}

func TestAFailureHidesItsReasonFromTheErrorText(t *testing.T) {
	err := Refuse("secret %d", 42)
	wrapped := fmt.Errorf("registering: %w", err)
	require.ErrorIs(t, wrapped, ErrAttestation)
	require.Equal(t, ErrAttestation.Error(), err.Error())
	require.Equal(t, "secret 42", Reason(wrapped))
	require.Empty(t, Reason(errors.New("other")))
}

type fixedVerifier struct{ userData []byte }

func (fixedVerifier) Type() Type { return DevNitro }

func (f fixedVerifier) Verify([]byte, Policy, time.Time) (*Claims, error) {
	return &Claims{UserData: f.userData}, nil
}

func TestADocumentForAnotherBindingIsRefused(t *testing.T) {
	b := sampleBinding()
	digest := b.Digest()
	_, err := Verify(fixedVerifier{digest[:]}, nil, Policy{}, &b, time.Time{})
	require.NoError(t, err)
	_, err = Verify(fixedVerifier{digest[:63]}, nil, Policy{}, &b, time.Time{})
	require.ErrorIs(t, err, ErrAttestation)
	_, err = Verify(fixedVerifier{append(digest[:], 0)}, nil, Policy{}, &b, time.Time{})
	require.ErrorIs(t, err, ErrAttestation)
	other := sampleBinding()
	other.Party = "tkms1mallory"
	_, err = Verify(fixedVerifier{digest[:]}, nil, Policy{}, &other, time.Time{})
	require.ErrorIs(t, err, ErrAttestation)
	other = sampleBinding()
	other.Type = Nitro
	digest = other.Digest()
	_, err = Verify(fixedVerifier{digest[:]}, nil, Policy{}, &other, time.Time{})
	require.ErrorIs(t, err, ErrAttestation, "the type in the binding is the verifier's")
}
