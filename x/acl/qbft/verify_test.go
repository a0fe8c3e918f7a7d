package qbft_test

import (
	"crypto/ecdsa"
	"math/big"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/x/acl/acltest"
	"github.com/tkms-network/tkms/x/acl/qbft"
)

func setOf(t testing.TB, keys []*ecdsa.PrivateKey) qbft.ValidatorSet {
	t.Helper()
	set, err := qbft.NewValidatorSet(acltest.Addresses(keys))
	require.NoError(t, err)
	return set
}

func decode(t testing.TB, b []byte) *qbft.Header {
	t.Helper()
	h, err := qbft.DecodeHeader(b)
	require.NoError(t, err)
	return h
}

func TestTheQuorumIsTwoThirdsRoundedUp(t *testing.T) {
	for n, want := range map[int]int{1: 1, 2: 2, 3: 2, 4: 3, 5: 4, 6: 4, 7: 5, 9: 6, 10: 7, 100: 67, 128: 86} {
		require.Equal(t, want, setOf(t, acltest.Keys(n, "quorum")).Quorum(), "n = %d", n)
	}
	require.Positive(t, qbft.ValidatorSet{}.Quorum(), "nobody must not be a quorum of nobody")
}

func TestInvalidValidatorSetsAreRefused(t *testing.T) {
	for name, list := range map[string][]common.Address{
		"empty":     {},
		"duplicate": {{1}, {2}, {1}},
		"zero":      {{1}, {}},
		"too many":  acltest.Addresses(acltest.Keys(qbft.MaxValidators+1, "many")),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := qbft.NewValidatorSet(list)
			require.ErrorIs(t, err, qbft.ErrInvalidSet)
		})
	}
	_, err := qbft.ValidatorSetFromBytes([][]byte{make([]byte, 19)})
	require.ErrorIs(t, err, qbft.ErrInvalidSet)
	_, err = qbft.ValidatorSetFromBytes(make([][]byte, qbft.MaxValidators+1))
	require.ErrorIs(t, err, qbft.ErrInvalidSet)
	set, err := qbft.ValidatorSetFromBytes([][]byte{common.Address{2}.Bytes(), common.Address{1}.Bytes()})
	require.NoError(t, err)
	require.Equal(t, [][]byte{common.Address{1}.Bytes(), common.Address{2}.Bytes()}, set.Bytes())
}

func TestHeadersAreAcceptedOnlyWithAQuorumOfTheTrustedSet(t *testing.T) {
	chain := acltest.New(31337, 4, "verify")
	v := chain.Validators
	strangers := acltest.Keys(4, "strangers")
	header := chain.Header(7, 1_700_000_000)
	trusted := setOf(t, v)

	tampered := func(change func(h *qbft.Header)) []byte {
		h := decode(t, acltest.Seal(header, 0, v, v[:3]))
		change(h)
		return h.Encode()
	}
	n := crypto.S256().Params().N

	for _, c := range []struct {
		name   string
		sealed []byte
		want   error
	}{
		{"sealed by all", acltest.Seal(header, 0, v, v), nil},
		{"sealed by exactly a quorum", acltest.Seal(header, 0, v, v[1:]), nil},
		{"sealed in a later round", acltest.Seal(header, 5, v, v[:3]), nil},
		{"seals in any order", acltest.Seal(header, 0, v, []*ecdsa.PrivateKey{v[3], v[0], v[2]}), nil},
		{"validators listed in any order", acltest.Seal(header, 0, []*ecdsa.PrivateKey{v[3], v[0], v[2], v[1]}, v), nil},
		{"no validators listed, chosen by a contract", acltest.Seal(header, 0, nil, v[:3]), nil},
		{"one seal short of a quorum", acltest.Seal(header, 0, v, v[:2]), qbft.ErrNoQuorum},
		{"no seals", acltest.Seal(header, 0, v, nil), qbft.ErrNoQuorum},
		{"one validator sealing thrice", acltest.Seal(header, 0, v, []*ecdsa.PrivateKey{v[0], v[0], v[0]}), qbft.ErrBadSeal},
		{"strangers sealing the trusted list", acltest.Seal(header, 0, v, strangers), qbft.ErrStranger},
		{"strangers sealing their own list", acltest.Seal(header, 0, strangers, strangers), qbft.ErrStranger},
		{"a quorum and one stranger", acltest.Seal(header, 0, v, append(slices.Clone(v[:3]), strangers[0])), qbft.ErrStranger},
		{"more seals than validators", acltest.Seal(header, 0, v, append(slices.Clone(v), v...)), qbft.ErrStranger},
		{"another list carried", acltest.Seal(header, 0, strangers, v), qbft.ErrForeignSet},
		{"a shorter list carried", acltest.Seal(header, 0, v[:3], v[:3]), qbft.ErrForeignSet},
		{"round changed after sealing", tampered(func(h *qbft.Header) { h.Extra.Round = 1 }), qbft.ErrStranger},
		{"vote added after sealing", tampered(func(h *qbft.Header) { h.Extra.Vote = &qbft.Vote{} }), qbft.ErrStranger},
		{"vanity changed after sealing", tampered(func(h *qbft.Header) { h.Extra.Vanity[0] = 1 }), qbft.ErrStranger},
		{"v of 27", tampered(func(h *qbft.Header) { h.Extra.Seals[0][64] += 27 }), qbft.ErrBadSeal},
		{"v of 2", tampered(func(h *qbft.Header) { h.Extra.Seals[0][64] += 2 }), qbft.ErrBadSeal},
		{"r of zero", tampered(func(h *qbft.Header) { clear(h.Extra.Seals[0][:32]) }), qbft.ErrBadSeal},
		{"s of zero", tampered(func(h *qbft.Header) { clear(h.Extra.Seals[0][32:64]) }), qbft.ErrBadSeal},
		{"r of the group order", tampered(func(h *qbft.Header) { n.FillBytes(h.Extra.Seals[0][:32]) }), qbft.ErrBadSeal},
		{"high s", tampered(func(h *qbft.Header) {
			seal := &h.Extra.Seals[0]
			s := new(big.Int).SetBytes(seal[32:64])
			s.Sub(n, s).FillBytes(seal[32:64])
			seal[64] ^= 1
		}), qbft.ErrBadSeal},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := decode(t, c.sealed).Verify(trusted)
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestEveryChangedBitOfASealedHeaderIsNoticed(t *testing.T) {
	chain := acltest.New(31337, 4, "bits")
	trusted := setOf(t, chain.Validators)
	sealed := chain.Sealed(7, 1_700_000_000)
	for bit := range len(sealed) * 8 {
		sealed[bit/8] ^= 1 << (bit % 8)
		if h, err := qbft.DecodeHeader(sealed); err == nil {
			require.Error(t, h.Verify(trusted), "bit %d", bit)
		}
		sealed[bit/8] ^= 1 << (bit % 8)
	}
	require.NoError(t, decode(t, sealed).Verify(trusted))
}

func TestTheZeroValidatorSetAcceptsNothing(t *testing.T) {
	chain := acltest.New(31337, 4, "zero")
	header := chain.Header(7, 1)
	require.Error(t, decode(t, acltest.Seal(header, 0, nil, nil)).Verify(qbft.ValidatorSet{}))
	require.Error(t, decode(t, chain.Sealed(7, 1)).Verify(qbft.ValidatorSet{}))
}

func TestANewSetSucceedsOnlyWithItsQuorumAndMoreThanAThirdOfTheOld(t *testing.T) {
	chain := acltest.New(31337, 4, "succession")
	old := chain.Validators
	fresh := acltest.Keys(8, "fresh")
	header := chain.Header(8, 1_700_000_001)
	join := func(lists ...[]*ecdsa.PrivateKey) []*ecdsa.PrivateKey { return slices.Concat(lists...) }

	for _, c := range []struct {
		name             string
		carried, sealers []*ecdsa.PrivateKey
		want             error
	}{
		{"one validator added", join(old, fresh[:1]), join(old[:3], fresh[:1]), nil},
		{"one validator removed", old[:3], old[:2], nil},
		{"two of four replaced, both old ones sealing", join(old[:2], fresh[:2]), join(old[:2], fresh[:1]), nil},
		{"two of four replaced, one old one sealing", join(old[:2], fresh[:2]), join(old[:1], fresh[:2]), qbft.ErrNoSuccession},
		{"three of four replaced", join(old[:1], fresh[:3]), join(old[:1], fresh[:3]), qbft.ErrNoSuccession},
		{"all replaced", fresh[:4], fresh[:4], qbft.ErrNoSuccession},
		{"old validators sealing a list without them", fresh[:4], old, qbft.ErrStranger},
		{"a new list without its quorum", join(old, fresh[:1]), old[:3], qbft.ErrNoQuorum},
		{"a large new list that few old ones seal", join(old[:2], fresh), join(old[:2], fresh[:4]), qbft.ErrNoQuorum},
		{"the trusted list", old, old, qbft.ErrNoSuccession},
		{"the trusted list in another order", []*ecdsa.PrivateKey{old[1], old[0], old[3], old[2]}, old, qbft.ErrNoSuccession},
		{"no list", nil, old, qbft.ErrNoSuccession},
		{"one old validator sealing twice", join(old[:2], fresh[:2]), join(old[:1], old[:1], fresh[:1]), qbft.ErrBadSeal},
	} {
		t.Run(c.name, func(t *testing.T) {
			next, err := decode(t, acltest.Seal(header, 0, c.carried, c.sealers)).VerifySuccession(setOf(t, old))
			if c.want == nil {
				require.NoError(t, err)
				require.True(t, next.Equal(setOf(t, c.carried)))
				return
			}
			require.ErrorIs(t, err, c.want)
			require.Zero(t, next.Len())
		})
	}
}

func TestExactlyAThirdOfTheOldSetIsNotEnough(t *testing.T) {
	old := acltest.Keys(3, "third")
	carried := append(slices.Clone(old[:1]), acltest.Keys(1, "newcomer")...)
	header := acltest.New(31337, 3, "third").Header(8, 1)
	_, err := decode(t, acltest.Seal(header, 0, carried, carried)).VerifySuccession(setOf(t, old))
	require.ErrorIs(t, err, qbft.ErrNoSuccession)
}

func TestAForkIsTwoSealedBlocksOfOneHeight(t *testing.T) {
	chain := acltest.New(31337, 4, "fork")
	v := chain.Validators
	trusted := setOf(t, v)
	a, b, later := chain.Header(7, 1_700_000_000), chain.Header(7, 1_700_000_001), chain.Header(8, 1_700_000_001)
	newcomer := acltest.Keys(1, "newcomer")
	grown := append(slices.Clone(v), newcomer...)
	strangers := acltest.Keys(4, "strangers")

	for _, c := range []struct {
		name        string
		first, last []byte
		want        error
	}{
		{"two blocks of one height", acltest.Seal(a, 0, v, v[:3]), acltest.Seal(b, 0, v, v[1:]), nil},
		{"one carrying a set that may succeed", acltest.Seal(a, 0, v, v[:3]), acltest.Seal(b, 0, grown, grown), nil},
		{"the same header twice", acltest.Seal(a, 0, v, v[:3]), acltest.Seal(a, 0, v, v[:3]), qbft.ErrNoFork},
		{"the same block with other seals", acltest.Seal(a, 0, v, v[:3]), acltest.Seal(a, 0, v, v[1:]), qbft.ErrNoFork},
		{"the same block of another round", acltest.Seal(a, 0, v, v[:3]), acltest.Seal(a, 1, v, v[1:]), qbft.ErrNoFork},
		{"two heights", acltest.Seal(a, 0, v, v[:3]), acltest.Seal(later, 0, v, v[1:]), qbft.ErrNoFork},
		{"one below quorum", acltest.Seal(a, 0, v, v[:3]), acltest.Seal(b, 0, v, v[:2]), qbft.ErrNoQuorum},
		{"the other below quorum", acltest.Seal(a, 0, v, v[:2]), acltest.Seal(b, 0, v, v[:3]), qbft.ErrNoQuorum},
		{"one by strangers", acltest.Seal(a, 0, v, v[:3]), acltest.Seal(b, 0, strangers, strangers), qbft.ErrNoSuccession},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := qbft.VerifyFork(decode(t, c.first), decode(t, c.last), trusted)
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestChainsThatShareAQuorumCanCross(t *testing.T) {
	keys := acltest.Keys(8, "cross")
	a := setOf(t, keys[:4])
	require.True(t, a.CanCross(a))
	require.False(t, a.CanCross(setOf(t, keys[4:])))
	require.False(t, a.CanCross(setOf(t, keys[2:6])), "two shared of four")
	require.True(t, a.CanCross(setOf(t, keys[1:5])), "three shared of four")
	require.True(t, setOf(t, keys).CanCross(setOf(t, keys[:1])), "the smaller set's quorum counts")
}
