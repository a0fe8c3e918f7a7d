package reencrypt_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tkms-network/tkms/enclave/reencrypt"
)

// source is a reproducible stream of random bytes.
func source(seed byte) io.Reader { return rand.NewChaCha8([32]byte{seed}) }

func key(t testing.TB, seed byte) *reencrypt.PrivateKey {
	t.Helper()
	k, err := reencrypt.GenerateKey(source(seed))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestAPublicKeyIsReadAsItIsWritten(t *testing.T) {
	data := key(t, 1).Public().Bytes()
	if len(data) != 869 || reencrypt.PublicKeySize != 869 {
		t.Fatalf("%d bytes, PublicKeySize %d", len(data), reencrypt.PublicKeySize)
	}
	k, err := reencrypt.ParsePublicKey(data)
	if err != nil || !bytes.Equal(k.Bytes(), data) {
		t.Fatal(err)
	}
	data[868] ^= 1
	if bytes.Equal(k.Bytes(), data) {
		t.Error("the key aliases what it was read from")
	}
	k.Bytes()[0] ^= 1
	if _, err := reencrypt.ParsePublicKey(k.Bytes()); err != nil {
		t.Error("Bytes hands out the key itself")
	}
}

func TestAKeyOfAnotherLengthOrFormIsRefused(t *testing.T) {
	good := key(t, 1).Public().Bytes()
	cases := map[string][]byte{
		"nothing": nil, "short": good[:868], "long": append(bytes.Clone(good), 0),
		"without its prefix": good[69:], "as long as a raw ML-KEM-768 key": make([]byte, 1184),
	}
	for i := range 69 {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		cases[fmt.Sprintf("byte %d of the prefix", i)] = bad
	}
	// Coefficients are 12 bits each and below 3329.
	for _, at := range []int{0, 383, 511} {
		for _, value := range []uint16{3329, 4095} {
			bad := bytes.Clone(good)
			c := bad[69+at/2*3:]
			if at%2 == 0 {
				c[0], c[1] = byte(value), c[1]&0xf0|byte(value>>8)
			} else {
				c[1], c[2] = c[1]&0x0f|byte(value<<4), byte(value>>4)
			}
			cases[fmt.Sprintf("coefficient %d is %d", at, value)] = bad
		}
	}
	for name, data := range cases {
		if _, err := reencrypt.ParsePublicKey(data); !errors.Is(err, reencrypt.ErrPublicKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPrivateKeyIsNotShownAndCanBeErased(t *testing.T) {
	k := key(t, 2)
	seed := make([]byte, 64)
	_, _ = io.ReadFull(source(2), seed)
	shown, err := json.Marshal(struct{ Key *reencrypt.PrivateKey }{k})
	if err != nil || string(shown) != `{"Key":"redacted"}` {
		t.Errorf("%s, %v", shown, err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, v := range []any{k, struct{ K *reencrypt.PrivateKey }{k}} {
			text := fmt.Sprintf(verb, v)
			if strings.Contains(text, fmt.Sprintf("%x", seed[:8])) || strings.Contains(text, fmt.Sprint(seed[:4])[1:8]) {
				t.Errorf("%s shows %s", verb, text)
			}
		}
	}
	signcrypted, signer := signcrypted(t, k.Public())
	if _, err := k.Open(signcrypted, &signer.PublicKey, user, link, fheType); err != nil {
		t.Fatal(err)
	}
	k.Zero()
	if _, err := k.Open(signcrypted, &signer.PublicKey, user, link, fheType); !errors.Is(err, reencrypt.ErrOpen) {
		t.Errorf("an erased key opens: %v", err)
	}
}

func TestAKeyNeedsAllItsRandomness(t *testing.T) {
	if _, err := reencrypt.GenerateKey(bytes.NewReader(make([]byte, 63))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}

func FuzzParsePublicKey(f *testing.F) {
	f.Add(key(f, 1).Public().Bytes())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := reencrypt.ParsePublicKey(data)
		if err == nil && !bytes.Equal(k.Bytes(), data) {
			t.Fatal("a key has two encodings")
		}
	})
}
