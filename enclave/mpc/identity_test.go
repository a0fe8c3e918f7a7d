package mpc

import (
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"
)

// order is that of the base point.
var order, _ = new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)

// littleEndian returns 32 bytes.
func littleEndian(x *big.Int) []byte {
	out := x.FillBytes(make([]byte, 32))
	slices.Reverse(out)
	return out
}

func fromLittleEndian(b []byte) *big.Int {
	b = slices.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

// challenge is k = H(R, A, M) modulo the order.
func challenge(r, a, message []byte) *big.Int {
	sum := sha512.Sum512(slices.Concat(r, a, message))
	return new(big.Int).Mod(fromLittleEndian(sum[:]), order)
}

// sign signs with the scalar a and the nonce r whatever public key is claimed.
func sign(t *testing.T, a, r *big.Int, public []byte, d Digest) []byte {
	t.Helper()
	var nonce scalar.Scalar
	if _, err := nonce.SetBytesModOrder(littleEndian(r)); err != nil {
		t.Fatal(err)
	}
	var point curve.EdwardsPoint
	var encoded curve.CompressedEdwardsY
	encoded.SetEdwardsPoint(point.MulBasepoint(curve.ED25519_BASEPOINT_TABLE, &nonce))
	s := new(big.Int).Mul(challenge(encoded[:], public, d[:]), a)
	return append(encoded[:], littleEndian(s.Add(s, r).Mod(s, order))...)
}

// verifier returns an identity that has public registered as party 2's.
func verifier(t *testing.T, public []byte) *Identity {
	t.Helper()
	own := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	id, err := NewIdentity(1, own, []ed25519.PublicKey{own.Public().(ed25519.PublicKey), public})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// judge compares Verify with crypto/ed25519 and returns what they say.
func judge(t *testing.T, id *Identity, public []byte, d Digest, signature []byte) bool {
	t.Helper()
	want := len(signature) == ed25519.SignatureSize && ed25519.Verify(public, d[:], signature)
	if got := id.Verify(2, d, signature); got != want {
		t.Errorf("key %x, digest %x, signature %x: %v, by crypto/ed25519 %v", public, d, signature, got, want)
	}
	return want
}

func TestSignaturesAreJudgedAsTheChainDoes(t *testing.T) {
	a, r := big.NewInt(0x1234567890abcdef), big.NewInt(0x0fedcba987654321)
	var scalarA scalar.Scalar
	if _, err := scalarA.SetBytesModOrder(littleEndian(a)); err != nil {
		t.Fatal(err)
	}
	var honest curve.EdwardsPoint
	honest.MulBasepoint(curve.ED25519_BASEPOINT_TABLE, &scalarA)

	keys := map[string]struct {
		public []byte
		secret *big.Int
	}{}
	add := func(name string, public []byte, secret *big.Int) {
		keys[name] = struct {
			public []byte
			secret *big.Int
		}{public, secret}
	}
	for i, torsion := range curve.EIGHT_TORSION {
		var small, mixed curve.CompressedEdwardsY
		small.SetEdwardsPoint(torsion)
		add("of small order "+string(rune('0'+i)), small[:], new(big.Int))
		var sum curve.EdwardsPoint
		mixed.SetEdwardsPoint(sum.Add(&honest, torsion))
		add("of mixed order "+string(rune('0'+i)), mixed[:], a)
	}
	for name, encoded := range map[string]string{
		"y = p":            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"y = p, x < 0":     "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"y = p + 1":        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"y = p + 1, x < 0": "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"y = 1, x < 0":     "0100000000000000000000000000000000000000000000000000000000000080",
		"y = −1, x < 0":    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	} {
		public, err := hex.DecodeString(encoded)
		if err != nil {
			t.Fatal(err)
		}
		add(name, public, new(big.Int))
	}
	for name, key := range keys {
		t.Run(name, func(t *testing.T) {
			id := verifier(t, key.public)
			accepted := 0
			for i := range 64 { // by chance some k are multiples of the torsion's order, others not
				d := Hash("test", []byte{byte(i)})
				signature := sign(t, key.secret, r, key.public, d)
				if judge(t, id, key.public, d, signature) {
					accepted++
				}
				s := fromLittleEndian(signature[32:])
				judge(t, id, key.public, d, append(slices.Clone(signature[:32]), littleEndian(s.Add(s, order))...))
			}
			if accepted == 0 {
				t.Error("no signature was accepted")
			}
		})
	}
}

func TestPointsOfSmallOrderAsNonceAreJudgedAsTheChainDoes(t *testing.T) {
	a := big.NewInt(0x1234567890abcdef)
	var scalarA scalar.Scalar
	if _, err := scalarA.SetBytesModOrder(littleEndian(a)); err != nil {
		t.Fatal(err)
	}
	var point curve.EdwardsPoint
	var public curve.CompressedEdwardsY
	public.SetEdwardsPoint(point.MulBasepoint(curve.ED25519_BASEPOINT_TABLE, &scalarA))
	id, d := verifier(t, public[:]), Hash("test")
	nonces := [][]byte{
		littleEndian(new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(18))), // y = p + 1: the identity, not canonical
	}
	for _, torsion := range curve.EIGHT_TORSION {
		var encoded curve.CompressedEdwardsY
		encoded.SetEdwardsPoint(torsion)
		nonces = append(nonces, slices.Clone(encoded[:]))
	}
	accepted := 0
	for _, nonce := range nonces {
		s := new(big.Int).Mul(challenge(nonce, public[:], d[:]), a)
		if judge(t, id, public[:], d, append(slices.Clone(nonce), littleEndian(s.Mod(s, order))...)) {
			accepted++
		}
	}
	if accepted != 1 {
		t.Errorf("%d of the nonces were accepted, not the identity alone", accepted)
	}
}

func TestEachFlippedBitOfASignatureIsRejected(t *testing.T) {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = 1
	key := ed25519.NewKeyFromSeed(seed)
	public := key.Public().(ed25519.PublicKey)
	id, d := verifier(t, public), Hash("test")
	signature := ed25519.Sign(key, d[:])
	if !judge(t, id, public, d, signature) {
		t.Fatal("a signature was rejected")
	}
	for bit := range 8 * len(signature) {
		flipped := slices.Clone(signature)
		flipped[bit/8] ^= 1 << (bit % 8)
		if judge(t, id, public, d, flipped) {
			t.Errorf("bit %d", bit)
		}
	}
	for _, other := range [][]byte{nil, signature[:63], append(slices.Clone(signature), 0)} {
		if judge(t, id, public, d, other) {
			t.Errorf("a signature of %d bytes", len(other))
		}
	}
	if id.Verify(1, d, signature) || id.Verify(0, d, signature) || id.Verify(3, d, signature) {
		t.Error("it is another party's, or nobody's")
	}
}

func TestAKeyThatIsNoPointVerifiesNothing(t *testing.T) {
	public := make([]byte, ed25519.PublicKeySize)
	public[0] = 2 // no x has this y
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	d := Hash("test")
	if judge(t, verifier(t, public), public, d, ed25519.Sign(key, d[:])) {
		t.Error("accepted")
	}
}

func TestAnIdentityNeedsKeysThatFit(t *testing.T) {
	own := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public := own.Public().(ed25519.PublicKey)
	other := make([]byte, ed25519.PublicKeySize)
	for name, err := range map[string]error{
		"party 0":        identityError(0, own, public),
		"party 2 of 1":   identityError(2, own, public),
		"a short secret": identityError(1, own[:31], public),
		"a short key":    identityError(1, own, public, other[:31]),
		"another key":    identityError(1, own, other),
	} {
		if !errors.Is(err, ErrIdentity) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func identityError(self int, key ed25519.PrivateKey, registered ...ed25519.PublicKey) error {
	_, err := NewIdentity(self, key, registered)
	return err
}
