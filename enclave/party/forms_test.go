package party

import (
	"crypto/rand"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/committee"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/reencrypt"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/clientkey"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// clientKey puts the parties' sealed shares of a key together, which nobody but a test
// can do.
func (w *world) clientKey(id []byte) *tfhe.ClientKey {
	w.t.Helper()
	n := len(w.nodes) - 1
	code, err := sharing.New(n, sharing.Threshold(n), sharing.DegreeFor(n))
	require.NoError(w.t, err)
	out := tfhe.NewClientKey(w.set)
	for _, secret := range w.set.Secrets() {
		vectors := make([][]uint64, n+1)
		for i := 1; i <= n; i++ {
			vectors[i] = w.share(i, id).Part(secret)
		}
		bits := make([]uint64, w.set.Dimension(secret))
		require.Equal(w.t, -1, code.OpenIntegers(bits, code.T(), sharing.AllParties(n), vectors, 64))
		*out.Secret(secret) = bits
	}
	return out
}

// forms are the ways in which a coprocessor hands a value over.
var forms = map[string]func(k *tfhe.ClientKey, v clientkey.Value) ([]byte, error){
	"FheUint": func(k *tfhe.ClientKey, v clientkey.Value) ([]byte, error) {
		return clientkey.Encrypt(rand.Reader, k, v.Type, v.Value)
	},
	"CompressedCiphertextList": func(k *tfhe.ClientKey, v clientkey.Value) ([]byte, error) {
		return clientkey.EncryptCompressed(rand.Reader, k, v)
	},
	"SquashedNoiseFheUint": func(k *tfhe.ClientKey, v clientkey.Value) ([]byte, error) {
		return clientkey.EncryptSquashed(rand.Reader, k, v)
	},
	"CompressedSquashedNoiseCiphertextList": func(k *tfhe.ClientKey, v clientkey.Value) ([]byte, error) {
		return clientkey.EncryptCompressedSquashed(rand.Reader, k, v)
	},
}

func TestEveryFormOfACiphertextIsDecryptedForAllAndForAUser(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.set = smallSet
	w.activeEpoch()
	key := w.activeKey()
	secret, public, alice := w.clientKey(key), w.publicKey(key), newUser(t)
	values := []clientkey.Value{{Type: tfhe.EBool, Value: number(1)}, {Type: tfhe.EUint8, Value: number(0xa7)}, {Type: tfhe.EUint64, Value: number(1<<62 + 12345)}}
	var mixed [][]byte
	var want []*big.Int
	for name, encode := range forms {
		for _, v := range values {
			raw, err := encode(secret, v)
			require.NoError(t, err, name)
			require.LessOrEqual(t, int64(len(raw)), maxBytes(v.Type, w.set), name)
			handle := w.handle(v.Type, w.blobs.put(raw))
			w.requireValues(w.decrypt(key, handle), v.Value)
			id := w.userDecrypt(key, alice, handle)
			w.requireShares(id, 4)
			w.requireRead(alice, id, nil, v.Value)
			require.Equal(t, int64(len(raw)), w.at(1, id).CiphertextBytes, name)
		}
	}
	// All of them in one request, and a list that nothing was computed on.
	for name, encode := range forms {
		raw, err := encode(secret, values[1])
		require.NoError(t, err, name)
		mixed, want = append(mixed, w.handle(values[1].Type, w.blobs.put(raw))), append(want, values[1].Value)
	}
	mixed, want = append(mixed, w.encrypt(public, tfhe.EUint16, number(999))), append(want, number(999))
	w.requireValues(w.decrypt(key, mixed...), want...)
	w.requireOneAnswer()
	mixed[len(mixed)-1] = w.encryptUnpacked(public, tfhe.EUint16, number(999))
	id := w.userDecrypt(key, alice, mixed...)
	w.requireShares(id, 4)
	w.requireRead(alice, id, nil, want...)
}

// A party that is not there when items of a rare shape are made has them made for it.
func TestAPartyThatMissedItemsMadeOnDemandAnswers(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.set = smallSet
	w.activeEpoch()
	key := w.activeKey()
	secret, alice := w.clientKey(key), newUser(t)
	raw, err := clientkey.EncryptCompressed(rand.Reader, secret, clientkey.Value{Type: tfhe.EUint64, Value: number(42)})
	require.NoError(t, err)
	id := w.userDecrypt(key, alice, w.handle(tfhe.EUint64, w.blobs.put(raw)))
	w.requireShares(id, 4)
	w.stop(3)
	w.start(3)
	id = w.userDecrypt(key, alice, w.handle(tfhe.EUint64, w.blobs.put(raw)))
	w.requireShares(id, 4)
	w.requireRead(alice, id, nil, number(42))
}

func TestCiphertextsOfFormsThatTheKeySetHasNotAreRefused(t *testing.T) {
	code, err := sharing.New(4, 1, 4)
	require.NoError(t, err)
	s := &seat{committee: roundTrip(0), code: code}
	production := tfhe.Production()
	secret, err := clientkey.Generate(rand.Reader, production)
	require.NoError(t, err)
	few, err := s.prepare(tfhe.ProductionPKE(), emptyShare(t, code, tfhe.ProductionPKE()))
	require.NoError(t, err)
	require.Empty(t, few.floods)
	require.Len(t, few.shapes(), 1)
	for name, encode := range forms {
		raw, err := encode(secret, clientkey.Value{Type: tfhe.EUint4, Value: number(1)})
		require.NoError(t, err)
		c, err := tfhe.Decode(raw, tfhe.EUint4, production)
		require.NoError(t, err)
		if _, err = few.take(c, false); c.Key() == tfhe.ComputeKey {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, errRequest, name)
		}
	}
}

// What is lifted for a user must have a digit for it in the key's most common shape.
func TestEveryKeyIsPreparedForEveryForm(t *testing.T) {
	code, err := sharing.New(4, 1, 4)
	require.NoError(t, err)
	s := &seat{code: code}
	for _, name := range tfhe.Names() {
		p, err := tfhe.ByName(name)
		require.NoError(t, err)
		for _, micros := range []uint32{0, 50_000} {
			s.committee = roundTrip(micros)
			held, err := s.prepare(p, emptyShare(t, code, p))
			require.NoError(t, err)
			for kind, key := range held.keys {
				require.LessOrEqual(t, key.Shape().W, uint(reencrypt.Width))
				if held.lifts(key.Shape()) {
					require.Equal(t, uint(held.shape.DigitBits()[0]), key.Shape().W, "%s, %v", name, kind)
				}
				require.Equal(t, kind.Wide(), held.floods[kind] != nil)
			}
			require.NotContains(t, held.shapes()[1:], held.shape)
		}
	}
}

// roundTrip is a committee whose members measured so many microseconds.
func roundTrip(micros uint32) *committee.Committee {
	return &committee.Committee{Epoch: partiestypes.Epoch{RoundTripMicros: micros}}
}

// emptyShare is party 1's of a key of zeros.
func emptyShare(t *testing.T, code *sharing.Code, p tfhe.Parameters) *keygen.KeyShare {
	t.Helper()
	narrow, broad := map[tfhe.Secret][]uint64{}, map[tfhe.Secret][]wide.Word{}
	for _, s := range p.Secrets() {
		if words := p.Dimension(s) * code.Degree(); p.SecretWidth(s) > 64 {
			broad[s] = make([]wide.Word, words)
		} else {
			narrow[s] = make([]uint64, words)
		}
	}
	share, err := keygen.NewKeyShare(p, mpc.Digest{}, code, 1, narrow, broad)
	require.NoError(t, err)
	return share
}

func TestOnlyItemsOfRareShapesAreMadeOnDemand(t *testing.T) {
	code, err := sharing.New(4, 1, 4)
	require.NoError(t, err)
	for every, ahead := range map[uint64][]uint64{0: nil, 1: {0, 1, 2, 3, 4, 5, 6, 7}, 4: {0, 4}} {
		s := &seat{code: code, committee: roundTrip(0), party: &Party{cfg: Config{RareStockEvery: every}}}
		for _, name := range tfhe.Names() {
			p, err := tfhe.ByName(name)
			require.NoError(t, err)
			held, err := s.prepare(p, emptyShare(t, code, p))
			require.NoError(t, err)
			shapes := held.shapes()
			require.Nil(t, s.onDemand(shapes[0]))
			for _, shape := range shapes[1:] {
				onDemand := s.onDemand(shape)
				require.NotNil(t, onDemand, "%s: %v", name, shape)
				var got []uint64
				for number := range uint64(8) {
					if !onDemand(number) {
						got = append(got, number)
					}
				}
				require.Equal(t, ahead, got)
			}
		}
	}
}
