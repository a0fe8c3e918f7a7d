package reencrypt_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"testing"

	"github.com/cloudflare/circl/kem/mlkem/mlkem512"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/tkms-network/tkms/enclave/reencrypt"
)

var (
	user = [20]byte{0x11, 19: 0x22}
	link = [32]byte{0x33, 31: 0x44}
)

const fheType = 5

func party(t testing.TB, seed byte) *ecdsa.PrivateKey {
	t.Helper()
	k, err := crypto.ToECDSA(bytes.Repeat([]byte{seed}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// share has every value that a coefficient can have.
func share() []uint64 {
	out := make([]uint64, 32)
	for i := range out {
		out[i] = uint64(i)
	}
	return out
}

// layout of a plaintext that has one digit a block.
func layout(t testing.TB, blocks, degree int) reencrypt.Layout {
	t.Helper()
	l, err := reencrypt.NewLayout(2*blocks, 1, degree)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// raw is what a client sees of a share of several parties.
func raw(share []uint64) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(share)/4))
	for _, x := range share {
		b = binary.LittleEndian.AppendUint64(b, 0)
		b = binary.LittleEndian.AppendUint64(b, x<<59)
	}
	return b
}

func signcrypted(t testing.TB, to *reencrypt.PublicKey) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	signer := party(t, 1)
	r := reencrypt.Recipient{Key: to, User: user, Link: link}
	out, err := r.Signcrypt(source(9), signer, fheType, layout(t, 32, 1), share())
	if err != nil {
		t.Fatal(err)
	}
	return out, signer
}

func TestTheUserOpensWhatAPartySent(t *testing.T) {
	alice := key(t, 1)
	for _, blocks := range []int{1, 4, 5, 32, 128, 1024} {
		l := layout(t, blocks, 1)
		r := reencrypt.Recipient{Key: alice.Public(), User: user, Link: link}
		in := make([]uint64, l.Coefficients())
		for i := range in {
			in[i] = uint64(i) % 32
		}
		sent, err := r.Signcrypt(source(2), party(t, 1), fheType, l, in)
		if err != nil {
			t.Fatal(err)
		}
		if len(sent) != l.SigncryptedSize() {
			t.Errorf("%d blocks: %d bytes, not %d", blocks, len(sent), l.SigncryptedSize())
		}
		got, err := alice.Open(sent, &party(t, 1).PublicKey, user, link, fheType)
		if err != nil || !bytes.Equal(got, raw(in)) {
			t.Errorf("%d blocks: %x, %v", blocks, got, err)
		}
	}
}

// A single party's answer is the value in bytes, the lowest first.
func TestASinglePartySendsTheValue(t *testing.T) {
	alice := key(t, 1)
	for _, c := range []struct {
		bits, packing int
		blocks        []uint64
		want          string
	}{
		{1, 1, []uint64{1}, "01"}, {4, 1, []uint64{1, 2}, "09"}, {16, 1, []uint64{1, 2, 3, 0, 0, 0, 0, 3}, "39c0"},
		{1, 2, []uint64{1}, "01"}, {16, 2, []uint64{9, 3, 0, 12}, "39c0"}, {160, 2, make([]uint64, 40), "0000000000000000000000000000000000000000"},
	} {
		l, err := reencrypt.NewLayout(c.bits, c.packing, 0)
		if err != nil {
			t.Fatal(err)
		}
		r := reencrypt.Recipient{Key: alice.Public(), User: user, Link: link}
		in := make([]uint64, l.Coefficients())
		copy(in, c.blocks)
		sent, err := r.Signcrypt(source(2), party(t, 1), fheType, l, in)
		if err != nil || len(sent) != l.SigncryptedSize() {
			t.Fatalf("%d bits, packing %d: %d bytes, %v", c.bits, c.packing, len(sent), err)
		}
		got, err := alice.Open(sent, &party(t, 1).PublicKey, user, link, fheType)
		if err != nil || hex.EncodeToString(got) != c.want {
			t.Errorf("%d bits, packing %d: %x, %v", c.bits, c.packing, got, err)
		}
		in[0] = 1 << (2 * c.packing)
		if _, err := r.Signcrypt(source(2), party(t, 1), fheType, l, in); !errors.Is(err, reencrypt.ErrShare) {
			t.Errorf("%d bits, packing %d: a carry: %v", c.bits, c.packing, err)
		}
	}
}

func TestNobodyElseOpensItAndNothingElseIsOpened(t *testing.T) {
	alice, bob := key(t, 1), key(t, 2)
	sent, signer := signcrypted(t, alice.Public())
	other := party(t, 2)
	open := func(k *reencrypt.PrivateKey, s *ecdsa.PrivateKey, u [20]byte, l [32]byte, typ uint32) error {
		_, err := k.Open(sent, &s.PublicKey, u, l, typ)
		return err
	}
	if err := open(alice, signer, user, link, fheType); err != nil {
		t.Fatal(err)
	}
	otherUser, otherLink := user, link
	otherUser[0] ^= 1
	otherLink[31] ^= 1
	for name, err := range map[string]error{
		"another's key":   open(bob, signer, user, link, fheType),
		"another signer":  open(alice, other, user, link, fheType),
		"another user":    open(alice, signer, otherUser, link, fheType),
		"another request": open(alice, signer, user, otherLink, fheType),
		"another type":    open(alice, signer, user, link, fheType+1),
	} {
		if !errors.Is(err, reencrypt.ErrOpen) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryBitAndTheLengthOfWhatWasSentCount(t *testing.T) {
	alice := key(t, 1)
	sent, signer := signcrypted(t, alice.Public())
	for i := range sent {
		bad := bytes.Clone(sent)
		bad[i] ^= 1 << (i % 8)
		if _, err := alice.Open(bad, &signer.PublicKey, user, link, fheType); !errors.Is(err, reencrypt.ErrOpen) {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
	for _, bad := range [][]byte{nil, sent[:len(sent)-1], sent[:700], sent[:11], append(bytes.Clone(sent), 0)} {
		if _, err := alice.Open(bad, &signer.PublicKey, user, link, fheType); !errors.Is(err, reencrypt.ErrOpen) {
			t.Errorf("%d bytes: %v", len(bad), err)
		}
	}
}

func gcm(t testing.TB, key []byte) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return aead
}

func shake(b []byte) []byte { return sha3.SumSHAKE256(b, 32) }

// seal encrypts any plaintext to a user, as a lying party may.
func seal(t testing.TB, to *reencrypt.PublicKey, plain []byte) []byte {
	t.Helper()
	var k mlkem512.PublicKey
	if err := k.Unpack(to.Bytes()[69:]); err != nil {
		t.Fatal(err)
	}
	encapsulated, secret := make([]byte, mlkem512.CiphertextSize), make([]byte, mlkem512.SharedKeySize)
	k.EncapsulateTo(encapsulated, secret, make([]byte, 32))
	out := append(make([]byte, 12), 0, 3, 0, 0, 0, 0, 0, 0)
	out = append(out, encapsulated...)
	out = binary.LittleEndian.AppendUint64(out, uint64(len(plain)+16))
	return gcm(t, secret).Seal(out, make([]byte, 12), plain, nil)
}

// sign appends a good signature over a message of any form.
func sign(t testing.TB, to *reencrypt.PublicKey, message []byte) []byte {
	t.Helper()
	signer := party(t, 1)
	h := sha256.New()
	h.Write([]byte("USER_DEC"))
	h.Write(message)
	h.Write(user[:])
	h.Write(shake(append([]byte("SIGNCRYP\x20\x03\x00\x00\x00\x00\x00\x00"), to.Bytes()[69:]...)))
	signature, err := crypto.Sign(h.Sum(nil), signer)
	if err != nil {
		t.Fatal(err)
	}
	name := shake(append([]byte("SIGNCRYP\x21\x00\x00\x00\x00\x00\x00\x00"), crypto.CompressPubkey(&signer.PublicKey)...))
	return append(append(bytes.Clone(message), signature[:64]...), name...)
}

// message is what a party signs, with the lengths that it states.
func message(size uint64, share []byte, typ uint32, linkSize uint64, link []byte) []byte {
	b := append(binary.LittleEndian.AppendUint64(nil, size), share...)
	b = binary.LittleEndian.AppendUint32(b, typ)
	b = binary.LittleEndian.AppendUint64(b, linkSize)
	return append(b, link...)
}

func TestWhatALyingPartySignsIsReadStrictly(t *testing.T) {
	alice := key(t, 1)
	sent := raw(share())
	size := uint64(len(sent))
	good := message(size, sent, fheType, 32, link[:])
	open := func(plain []byte) error {
		_, err := alice.Open(seal(t, alice.Public(), plain), &party(t, 1).PublicKey, user, link, fheType)
		return err
	}
	if err := open(sign(t, alice.Public(), good)); err != nil {
		t.Fatalf("the format is another: %v", err)
	}
	for name, m := range map[string][]byte{
		"nothing":              {},
		"a size too low":       message(size-1, sent, fheType, 32, link[:]),
		"a size too high":      message(size+1, sent, fheType, 32, link[:]),
		"a size that wraps":    message(1<<63, sent, fheType, 32, link[:]),
		"a size of everything": message(1<<64-1, sent, fheType, 32, link[:]),
		"a type too high":      message(size, sent, fheType+1, 32, link[:]),
		"a short link":         message(size, sent, fheType, 31, link[:31]),
		"a long link":          message(size, sent, fheType, 33, append(bytes.Clone(link[:]), 0)),
		"another link":         message(size, sent, fheType, 32, make([]byte, 32)),
		"bytes after":          append(bytes.Clone(good), 0),
		"a link that is huge":  message(size, sent, fheType, 1<<63, link[:]),
	} {
		if err := open(sign(t, alice.Public(), m)); !errors.Is(err, reencrypt.ErrOpen) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for length := range 97 { // too short for a signature and a name
		if err := open(make([]byte, length)); !errors.Is(err, reencrypt.ErrOpen) {
			t.Errorf("%d bytes: %v", length, err)
		}
	}
	highS := sign(t, alice.Public(), good)
	s := highS[len(highS)-64 : len(highS)-32]
	order := crypto.S256().Params().N.FillBytes(make([]byte, 32))
	borrow := 0
	for i := 31; i >= 0; i-- {
		d := int(order[i]) - int(s[i]) - borrow
		borrow = 0
		if d < 0 {
			d, borrow = d+256, 1
		}
		s[i] = byte(d)
	}
	if err := open(highS); !errors.Is(err, reencrypt.ErrOpen) {
		t.Errorf("a signature has two encodings: %v", err)
	}
}

func TestOnlySharesThatClientsCanReadAreSent(t *testing.T) {
	r := reencrypt.Recipient{Key: key(t, 1).Public(), User: user, Link: link}
	for _, bad := range [][]uint64{nil, make([]uint64, 7), make([]uint64, 9), {7: 32}, {1 << 63, 7: 0}} {
		if _, err := r.Signcrypt(source(1), party(t, 1), fheType, layout(t, 8, 1), bad); !errors.Is(err, reencrypt.ErrShare) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if _, err := r.Signcrypt(source(1), party(t, 1), fheType, reencrypt.Layout{}, nil); !errors.Is(err, reencrypt.ErrShare) {
		t.Errorf("no layout: %v", err)
	}
	for size := range 44 {
		_, err := r.Signcrypt(bytes.NewReader(make([]byte, size)), party(t, 1), fheType, layout(t, 32, 1), share())
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%d random bytes: %v", size, err)
		}
	}
}

func TestASigncryptedShareIsFrozen(t *testing.T) {
	sent, _ := signcrypted(t, key(t, 1).Public())
	sum := sha256.Sum256(sent)
	// The published client read such bytes (testutil/tkmsclient).
	if got := hex.EncodeToString(sum[:]); got != "291c230c726997762bf91135e2fe5f307bbb4a9146d00640e2fbaadf05031cd9" {
		t.Errorf("%s", got)
	}
}

func FuzzOpen(f *testing.F) {
	alice := key(f, 1)
	sent, signer := signcrypted(f, alice.Public())
	f.Add(sent)
	f.Add(sent[:800])
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := alice.Open(data, &signer.PublicKey, user, link, fheType); (err == nil) != bytes.Equal(data, sent) {
			t.Fatalf("%v", err)
		}
	})
}

// FuzzOpenMessage feeds what is inside, signed.
func FuzzOpenMessage(f *testing.F) {
	alice := key(f, 1)
	f.Add(message(520, raw(share()), fheType, 32, link[:]))
	f.Add(message(0, nil, fheType, 32, link[:]))
	f.Fuzz(func(t *testing.T, m []byte) {
		got, err := alice.Open(seal(t, alice.Public(), sign(t, alice.Public(), m)), &party(t, 1).PublicKey, user, link, fheType)
		if err == nil && !bytes.Equal(m, message(uint64(len(got)), got, fheType, 32, link[:])) {
			t.Fatal("a message has two encodings")
		}
	})
}

func BenchmarkSigncrypt(b *testing.B) {
	r := reencrypt.Recipient{Key: key(b, 1).Public(), User: user, Link: link}
	random, signer := source(1), party(b, 1)
	for b.Loop() {
		if _, err := r.Signcrypt(random, signer, fheType, layout(b, 32, 1), share()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	alice := key(b, 1)
	sent, signer := signcrypted(b, alice.Public())
	for b.Loop() {
		if _, err := alice.Open(sent, &signer.PublicKey, user, link, fheType); err != nil {
			b.Fatal(err)
		}
	}
}
