package tkmsclient_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/cloudflare/circl/kem/mlkem/mlkem512"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/reencrypt"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/testutil/answers"
	"github.com/tkms-network/tkms/testutil/tkmsclient"
	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"
)

// needNode skips without node-tkms, unless TKMS_INTEROP says that it must be there.
func needNode(t *testing.T) context.Context {
	t.Helper()
	if err := tkmsclient.Scripts.Available(); err != nil {
		if os.Getenv("TKMS_INTEROP") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func source(seed byte) io.Reader { return rand.NewChaCha8([32]byte{seed}) }

var (
	domain = eip712.Domain{Name: "Decryption", Version: "1", ChainID: 55815, VerifyingContract: common.HexToAddress("0x5ffdaAB0373E62E2ea2944776209aEf29E631A64")}
	alice  = [20]byte(common.HexToAddress("0x1F98431c8aD98523631AE4a59f267346ea31F984"))
)

func signers(t testing.TB, n int) []*ecdsa.PrivateKey {
	t.Helper()
	out := make([]*ecdsa.PrivateKey, n)
	for i := range out {
		k, err := crypto.ToECDSA(bytes.Repeat([]byte{byte(i + 1)}, 32))
		require.NoError(t, err)
		out[i] = k
	}
	return out
}

func addresses(keys []*ecdsa.PrivateKey) [][20]byte {
	var out [][20]byte
	for _, k := range keys {
		out = append(out, crypto.PubkeyToAddress(k.PublicKey))
	}
	return out
}

func handle(typ handles.Type, index byte) handles.Handle {
	h := handles.Handle{0xab, index, 30: byte(typ)}
	binary.BigEndian.PutUint64(h[22:], 31337)
	return h
}

// goKey is a key made here, in the form that the client reads too.
func goKey(t testing.TB, seed byte) (*reencrypt.PrivateKey, tkmsclient.Key) {
	t.Helper()
	k, err := reencrypt.GenerateKey(source(seed))
	require.NoError(t, err)
	_, private, err := mlkem512.GenerateKeyPair(source(seed))
	require.NoError(t, err)
	packed, err := private.MarshalBinary()
	require.NoError(t, err)
	return k, tkmsclient.Key{Public: k.Public().Bytes(), Private: append(binary.LittleEndian.AppendUint64(nil, uint64(len(packed))), packed...)}
}

// setting is a user decryption whose answers a test changes.
type setting struct {
	question answers.Question
	key      tkmsclient.Key
	n        int
	values   []*big.Int
	signers  []*ecdsa.PrivateKey
	shares   []answers.Shares
	answers  []answers.Answer
}

func newSetting(t testing.TB, key tkmsclient.Key, n int, types []handles.Type, values []*big.Int) *setting {
	return newPackedSetting(t, key, n, 1, types, values)
}

func newPackedSetting(t testing.TB, key tkmsclient.Key, n, packing int, types []handles.Type, values []*big.Int) *setting {
	t.Helper()
	public, err := reencrypt.ParsePublicKey(key.Public)
	require.NoError(t, err)
	s := &setting{question: answers.Question{Domain: domain, Key: public, User: alice, Packing: packing}, key: key, n: n, values: values, signers: signers(t, n)}
	for i, typ := range types {
		s.question.Handles = append(s.question.Handles, handle(typ, byte(i)))
	}
	s.shares, err = s.question.Deal(source(byte(n)), n, values)
	require.NoError(t, err)
	for i := range n {
		s.answers = append(s.answers, s.answer(t, i+1, s.shares[i]))
	}
	return s
}

func (s *setting) answer(t testing.TB, party int, shares answers.Shares) answers.Answer {
	t.Helper()
	a, err := s.question.Answer(source(byte(party)), s.signers[party-1], party, s.n, shares)
	require.NoError(t, err)
	return a
}

// lie replaces a party's answer by one with wrong shares and a good signature.
func (s *setting) lie(t testing.TB, party int) {
	t.Helper()
	wrong := make(answers.Shares, len(s.shares[party-1]))
	for h, share := range s.shares[party-1] {
		wrong[h] = slices.Clone(share)
		for i := range wrong[h] {
			wrong[h][i] = (wrong[h][i] + uint64(party+i)) % 32
		}
	}
	s.answers[party-1] = s.answer(t, party, wrong)
}

func (s *setting) request() tkmsclient.Request {
	return tkmsclient.Request{
		Signers: addresses(s.signers), User: alice, Key: s.key, Handles: s.question.Handles, Domain: domain, Answers: s.answers,
	}
}

// top is the largest value of a type but for one bit in the middle.
func top(typ handles.Type) *big.Int {
	v := new(big.Int).Lsh(big.NewInt(1), uint(typ.Bits()))
	v.Sub(v, big.NewInt(1))
	if typ.Bits() > 1 {
		v.SetBit(v, typ.Bits()/2, 0)
	}
	return v
}

// Of several parties the client reads no others.
var allTypes = []handles.Type{
	handles.Bool, handles.Uint8, handles.Uint16, handles.Uint32, handles.Uint64, handles.Uint128, handles.Uint160, handles.Uint256,
}

// check processes settings in one go: the first wanted of them succeed, the rest fail.
func check(t *testing.T, ctx context.Context, good, bad map[string]*setting) {
	t.Helper()
	var names []string
	var requests []tkmsclient.Request
	for _, m := range []map[string]*setting{good, bad} {
		for name, s := range m {
			names, requests = append(names, name), append(requests, s.request())
		}
	}
	results, err := tkmsclient.Process(ctx, requests...)
	require.NoError(t, err)
	for i, name := range names {
		s, wanted := good[name]
		if !wanted {
			require.ErrorIs(t, results[i].Err, tkmsclient.ErrRefused, "%s: %v", name, results[i].Values)
			continue
		}
		require.NoError(t, results[i].Err, name)
		require.Len(t, results[i].Values, len(s.values), name)
		for j, v := range results[i].Values {
			require.Equal(t, s.question.Handles[j].Type(), v.Type, name)
			require.Equal(t, s.values[j].String(), v.Value.String(), name)
		}
	}
}

func TestClientsReadEveryTypeFromEverySizeOfCommittee(t *testing.T) {
	ctx := needNode(t)
	_, key := goKey(t, 1)
	good := map[string]*setting{}
	for _, n := range []int{1, 4, 7, 10, 13} {
		for _, typ := range allTypes {
			good[fmt.Sprintf("n=%d, %s", n, typ)] = newSetting(t, key, n, []handles.Type{typ}, []*big.Int{top(typ)})
		}
	}
	for _, typ := range []handles.Type{handles.Uint4, handles.Uint2048} {
		good[fmt.Sprintf("n=1, %s", typ)] = newSetting(t, key, 1, []handles.Type{typ}, []*big.Int{top(typ)})
	}
	check(t, ctx, good, nil)
}

func TestClientsReadTwoDigitsABlock(t *testing.T) {
	ctx := needNode(t)
	_, key := goKey(t, 1)
	good := map[string]*setting{}
	for _, n := range []int{1, 4, 7} {
		for _, typ := range allTypes {
			good[fmt.Sprintf("n=%d, %s", n, typ)] = newPackedSetting(t, key, n, 2, []handles.Type{typ}, []*big.Int{top(typ)})
		}
	}
	check(t, ctx, good, nil)
}

func TestClientsReadSeveralHandlesWithTheirOwnKey(t *testing.T) {
	ctx := needNode(t)
	key, err := tkmsclient.Keygen(ctx)
	require.NoError(t, err)
	var values []*big.Int
	for _, typ := range allTypes {
		values = append(values, top(typ))
	}
	check(t, ctx, map[string]*setting{
		"all types": newSetting(t, key, 4, allTypes, values),
		"zeros":     newSetting(t, key, 7, []handles.Type{handles.Uint64, handles.Bool}, []*big.Int{new(big.Int), new(big.Int)}),
	}, nil)
}

func TestClientsMakeUpForTWrongOrMissingAnswersAndNoMore(t *testing.T) {
	ctx := needNode(t)
	_, key := goKey(t, 1)
	good, bad := map[string]*setting{}, map[string]*setting{}
	types, values := []handles.Type{handles.Uint64, handles.Uint8}, []*big.Int{big.NewInt(1 << 40), big.NewInt(200)}
	for _, n := range []int{4, 7, 10, 13} {
		tol := sharing.Threshold(n)
		add := func(m map[string]*setting, name string, change func(s *setting)) {
			s := newSetting(t, key, n, types, values)
			change(s)
			m[fmt.Sprintf("n=%d, %s", n, name)] = s
		}
		lie := func(count int) func(*setting) {
			return func(s *setting) {
				for i := range count {
					s.lie(t, i+1)
				}
			}
		}
		drop := func(count int) func(*setting) { return func(s *setting) { s.answers = s.answers[:n-count] } }
		forge := func(count int) func(*setting) {
			return func(s *setting) {
				for i := range count {
					s.answers[i].Signature[5] ^= 1
				}
			}
		}
		add(good, "t wrong", lie(tol))
		add(good, "t missing", drop(tol))
		add(good, "t forged", forge(tol))
		add(good, "t of another packing", func(s *setting) {
			other := newPackedSetting(t, key, n, 2, types, values)
			for i := range tol {
				s.answers[i] = other.answers[i]
			}
		})
		add(good, "another order", func(s *setting) { slices.Reverse(s.answers) })
		add(bad, "t+1 wrong", lie(tol+1))
		add(bad, "t+1 missing", drop(tol+1))
		add(bad, "t+1 forged", forge(tol+1))
		add(bad, "t wrong and one missing", func(s *setting) { lie(tol)(s); drop(1)(s) })
	}
	check(t, ctx, good, bad)
}

func TestClientsRefuseAnswersToOtherQuestions(t *testing.T) {
	ctx := needNode(t)
	_, key := goKey(t, 1)
	bad := map[string]*setting{}
	for name, change := range map[string]func(*answers.Question){
		"another user":     func(q *answers.Question) { q.User[0] ^= 1 },
		"another handle":   func(q *answers.Question) { q.Handles[0][0] ^= 1 },
		"another domain":   func(q *answers.Question) { q.Domain.ChainID++ },
		"another contract": func(q *answers.Question) { q.Domain.VerifyingContract[0] ^= 1 },
		"another key":      func(q *answers.Question) { k, _ := goKey(t, 2); q.Key = k.Public() },
	} {
		s := newSetting(t, key, 4, []handles.Type{handles.Uint64}, []*big.Int{big.NewInt(7)})
		other := *s
		other.question.Handles = slices.Clone(s.question.Handles)
		change(&other.question)
		for i := range s.answers {
			s.answers[i] = other.answer(t, i+1, s.shares[i])
		}
		bad[name] = s
	}
	check(t, ctx, nil, bad)
}

// signed is what a party encrypts of a share, put together from the format's description.
func signed(t testing.TB, signer *ecdsa.PrivateKey, publicKey, share []byte, link [32]byte) []byte {
	t.Helper()
	vector := func(b []byte) []byte { return append(binary.LittleEndian.AppendUint64(nil, uint64(len(b))), b...) }
	name := func(key []byte) []byte { return sha3.SumSHAKE256(append([]byte("SIGNCRYP"), vector(key)...), 32) }
	m := vector(share)
	m = append(m, byte(handles.Uint64), 0, 0, 0)
	m = append(m, vector(link[:])...)
	sum := sha256.Sum256(slices.Concat([]byte("USER_DEC"), m, alice[:], name(publicKey[69:])))
	signature, err := crypto.Sign(sum[:], signer)
	require.NoError(t, err)
	return slices.Concat(m, signature[:64], name(crypto.CompressPubkey(&signer.PublicKey)))
}

func TestWhatClientsEncryptIsOpened(t *testing.T) {
	ctx := needNode(t)
	private, key := goKey(t, 3)
	signer := signers(t, 1)[0]
	share, link := append([]byte{8, 0, 0, 0, 0, 0, 0, 0}, bytes.Repeat([]byte{0x5a}, 8*64)...), [32]byte{7}
	sealed, err := tkmsclient.Encrypt(ctx, key.Public, signed(t, signer, key.Public, share, link))
	require.NoError(t, err)
	got, err := private.Open(sealed, &signer.PublicKey, alice, link, uint32(handles.Uint64))
	require.NoError(t, err)
	require.Equal(t, share, got)
	sealed[len(sealed)-1] ^= 1
	_, err = private.Open(sealed, &signer.PublicKey, alice, link, uint32(handles.Uint64))
	require.ErrorIs(t, err, reencrypt.ErrOpen)
}
