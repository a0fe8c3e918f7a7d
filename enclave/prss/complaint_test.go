package prss_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hpke"
	"errors"
	"fmt"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
)

func complaintKey(t testing.TB, seed byte) (private, public []byte) {
	t.Helper()
	private, public, err := prss.NewComplaintKey(mpctest.Random(uint64(seed)))
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

func TestAnAnswerOpensUnderItsKeyAndContextOnly(t *testing.T) {
	private, public := complaintKey(t, 1)
	other, _ := complaintKey(t, 2)
	c := prss.AnswerContext{Setup: mpctest.Epoch, Accused: 2, Accuser: 3, Set: 1}
	opening := bytes.Repeat([]byte{7}, prss.OpeningSize)
	sealed, err := prss.SealOpening(nil, public, c, opening)
	if err != nil || len(sealed) != prss.SealedSize {
		t.Fatal(len(sealed), err)
	}
	if got, err := prss.OpenAnswer(private, c, sealed); err != nil || !bytes.Equal(got, opening) {
		t.Fatalf("%x, %v", got, err)
	}
	for name, change := range map[string]func(*prss.AnswerContext){
		"set-up":  func(c *prss.AnswerContext) { c.Setup[0]++ },
		"accused": func(c *prss.AnswerContext) { c.Accused++ },
		"accuser": func(c *prss.AnswerContext) { c.Accuser++ },
		"set":     func(c *prss.AnswerContext) { c.Set++ },
		"swapped": func(c *prss.AnswerContext) { c.Accused, c.Accuser = c.Accuser, c.Accused },
	} {
		changed := c
		change(&changed)
		if _, err := prss.OpenAnswer(private, changed, sealed); !errors.Is(err, prss.ErrAnswer) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	if _, err := prss.OpenAnswer(other, c, sealed); !errors.Is(err, prss.ErrAnswer) {
		t.Errorf("another key: %v", err)
	}
	for i := range sealed {
		altered := bytes.Clone(sealed)
		altered[i] ^= 1
		if _, err := prss.OpenAnswer(private, c, altered); !errors.Is(err, prss.ErrAnswer) {
			t.Fatalf("byte %d altered: %v", i, err)
		}
	}
	for _, raw := range [][]byte{nil, sealed[1:], append(bytes.Clone(sealed), 0), make([]byte, prss.SealedSize)} {
		if _, err := prss.OpenAnswer(private, c, raw); !errors.Is(err, prss.ErrAnswer) {
			t.Errorf("%d bytes: %v", len(raw), err)
		}
	}
	if _, err := prss.OpenAnswer(private[1:], c, sealed); !errors.Is(err, prss.ErrEncoding) {
		t.Errorf("a short key: %v", err)
	}
}

func TestAnAnswerOfAnotherLengthIsRefusedThoughItOpens(t *testing.T) {
	private, public := complaintKey(t, 1)
	recipient, err := hpke.DHKEM(ecdh.X25519()).NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	c := prss.AnswerContext{Setup: mpctest.Epoch, Accused: 2, Accuser: 3, Set: 1}
	info := mpc.Hash("tkms/v1/prss/answer", c.Setup[:], mpc.Uint64(2), mpc.Uint64(3), mpc.Uint64(1))
	for size, want := range map[int]error{prss.OpeningSize: nil, prss.OpeningSize - 1: prss.ErrAnswer, prss.OpeningSize + 1: prss.ErrAnswer} {
		sealed, err := hpke.Seal(recipient, hpke.HKDFSHA256(), hpke.AES128GCM(), info[:], make([]byte, size))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := prss.OpenAnswer(private, c, sealed); !errors.Is(err, want) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestComplaintKeysComeFromTheirRandomnessAlone(t *testing.T) {
	private, public := complaintKey(t, 1)
	again, _ := complaintKey(t, 1)
	other, _ := complaintKey(t, 2)
	if !bytes.Equal(private, again) || bytes.Equal(private, other) {
		t.Error("not a function of the randomness")
	}
	if derived, err := prss.ComplaintPublicKey(private); err != nil || !bytes.Equal(derived, public) {
		t.Errorf("%x, %v", derived, err)
	}
	if _, err := prss.ComplaintPublicKey(private[1:]); !errors.Is(err, prss.ErrEncoding) {
		t.Error(err)
	}
	if _, _, err := prss.NewComplaintKey(bytes.NewReader(make([]byte, 31))); err == nil {
		t.Error("a key of too little randomness")
	}
}

func TestKeysThatNothingCanBeSealedToAreRefused(t *testing.T) {
	_, public := complaintKey(t, 1)
	if err := prss.CheckComplaintKey(public); err != nil {
		t.Fatal(err)
	}
	one := make([]byte, prss.ComplaintKeySize)
	one[0] = 1
	for _, key := range [][]byte{nil, public[1:], append(bytes.Clone(public), 0), make([]byte, prss.ComplaintKeySize), one} {
		if err := prss.CheckComplaintKey(key); !errors.Is(err, prss.ErrEncoding) {
			t.Errorf("%x: %v", key, err)
		}
		if _, err := prss.SealOpening(nil, key, prss.AnswerContext{}, make([]byte, prss.OpeningSize)); !errors.Is(err, prss.ErrEncoding) {
			t.Errorf("sealed to %x: %v", key, err)
		}
	}
	if _, err := prss.SealOpening(nil, public, prss.AnswerContext{}, make([]byte, prss.OpeningSize-1)); !errors.Is(err, prss.ErrEncoding) {
		t.Errorf("a short opening: %v", err)
	}
}

func TestAnAnswerIsTheOpeningOfACommitmentUnderTheRoot(t *testing.T) {
	for _, n := range []int{1, 4, 7, 10, 13} {
		c, err := prss.NewContribution(mpctest.Random(3), mpctest.Epoch, n, n, sharing.Threshold(n))
		if err != nil {
			t.Fatal(err)
		}
		sets, err := prss.SetsOf(n, sharing.Threshold(n), n)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(sets); i += 1 + len(sets)/7 {
			commitment, path, opening := c.Answer(i)
			if !merkle.Verify(c.Root(), commitment, i, len(sets), path) || !prss.CheckOpening(mpctest.Epoch, n, sets[i], opening, commitment) {
				t.Fatalf("n=%d: the answer for set %d proves nothing", n, i)
			}
			refused := func(what string, epoch mpc.Digest, accused int, set sharing.Parties, opening, commitment []byte) {
				if prss.CheckOpening(epoch, accused, set, opening, commitment) {
					t.Errorf("n=%d: another %s is accepted", n, what)
				}
			}
			flipped := append(bytes.Clone(opening[:len(opening)-1]), opening[len(opening)-1]^1)
			refused("set-up", mpc.Digest{}, n, sets[i], opening, commitment)
			refused("accused", mpctest.Epoch, n+1, sets[i], opening, commitment)
			refused("set", mpctest.Epoch, n, 0, opening, commitment)
			refused("opening", mpctest.Epoch, n, sets[i], flipped, commitment)
			refused("length of opening", mpctest.Epoch, n, sets[i], opening[1:], commitment)
			refused("commitment", mpctest.Epoch, n, sets[i], opening, make([]byte, 32))
			refused("length of commitment", mpctest.Epoch, n, sets[i], opening, commitment[1:])
		}
	}
	for _, party := range []int{0, 5} {
		if _, err := prss.SetsOf(4, 1, party); !errors.Is(err, prss.ErrParameters) {
			t.Errorf("party %d: %v", party, err)
		}
	}
}

func FuzzOpenAnswer(f *testing.F) {
	private, public := complaintKey(f, 1)
	c := prss.AnswerContext{Setup: mpctest.Epoch, Accused: 2, Accuser: 3, Set: 1}
	sealed, err := prss.SealOpening(nil, public, c, make([]byte, prss.OpeningSize))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(private, sealed)
	f.Add(public, make([]byte, prss.SealedSize))
	f.Fuzz(func(t *testing.T, private, sealed []byte) {
		first, err := prss.OpenAnswer(private, c, sealed)
		if err == nil && len(first) != prss.OpeningSize || err != nil && !errors.Is(err, prss.ErrAnswer) && !errors.Is(err, prss.ErrEncoding) {
			t.Fatalf("%d bytes, %v", len(first), err)
		}
		second, again := prss.OpenAnswer(private, c, sealed)
		if !bytes.Equal(first, second) || fmt.Sprint(err) != fmt.Sprint(again) {
			t.Fatal("opens differently the second time")
		}
		if public, err := prss.ComplaintPublicKey(private); err == nil && prss.CheckComplaintKey(public) != nil {
			t.Fatal("a private key whose public half is refused")
		}
	})
}
