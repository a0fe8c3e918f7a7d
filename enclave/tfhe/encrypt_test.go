package tfhe_test

import (
	"bytes"
	"io"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/clientkey"
)

// randomValue returns a value of the type with its highest bit set, so that no
// block can be lost unseen.
func randomValue(t testing.TB, coins io.Reader, typ tfhe.Type) *big.Int {
	t.Helper()
	raw := make([]byte, (typ.Bits()+7)/8)
	_, err := io.ReadFull(coins, raw)
	require.NoError(t, err)
	v := new(big.Int).SetBytes(raw)
	v.Rsh(v, uint(8*len(raw)-typ.Bits()))
	return v.SetBit(v, typ.Bits()-1, 1)
}

func TestEveryTypeSurvivesEncryptionAndDecryption(t *testing.T) {
	for _, p := range []tfhe.Parameters{tfhe.Test(), tfhe.Production()} {
		coins := seeded(4)
		k, err := clientkey.Generate(coins, p)
		require.NoError(t, err)
		pk, err := clientkey.PublicKey(coins, k)
		require.NoError(t, err)
		for _, typ := range tfhe.Types() {
			value := randomValue(t, coins, typ)
			for _, packed := range []bool{false, true} {
				l, err := pk.Encrypt(coins, typ, value, packed)
				require.NoError(t, err)
				data, err := l.MarshalBinary()
				require.NoError(t, err)
				c, err := tfhe.Decode(data, typ, p)
				require.NoError(t, err)
				require.Equal(t, tfhe.PublicKeyEncryptionKey, c.Key())
				require.True(t, c.CarryClean())
				got, err := clientkey.Decrypt(k, c)
				require.NoError(t, err)
				require.Equal(t, value, got, "%v packed=%v", typ, packed)
			}
			if p.Insecure {
				data, err := clientkey.Encrypt(coins, k, typ, value)
				require.NoError(t, err)
				c, err := tfhe.Decode(data, typ, p)
				require.NoError(t, err)
				require.Equal(t, tfhe.ComputeKey, c.Key())
				got, err := clientkey.Decrypt(k, c)
				require.NoError(t, err)
				require.Equal(t, value, got, "%v", typ)
			}
		}
	}
}

func TestAListHasTheNoiseThatTheoryGivesIt(t *testing.T) {
	coins := seeded(5)
	k, err := clientkey.Generate(coins, tfhe.Production())
	require.NoError(t, err)
	pk, err := clientkey.PublicKey(coins, k)
	require.NoError(t, err)
	l, err := pk.Encrypt(coins, tfhe.EUint2048, big.NewInt(0), false)
	require.NoError(t, err)
	c, err := l.Ciphertext(0)
	require.NoError(t, err)
	var squares float64
	for i := range c.Len() {
		_, noise, err := clientkey.DecryptLWE(k, c, i)
		require.NoError(t, err)
		squares += float64(noise) * float64(noise)
	}
	// e*r + e1*s + e2 with binary r and s: (2048/2 + 2048/2 + 1) * 2^34.4. The
	// samples are correlated through the weights of r and s, hence the wide band.
	require.InEpsilon(t, 2049*float64(int64(1)<<35)/6, squares/float64(c.Len()), 0.35)
}

func TestEveryMaskAndBodyHasItsOwnNoise(t *testing.T) {
	// Under the public key (0, 0) a list is nothing but its noise.
	p := tfhe.Production()
	pk, err := tfhe.NewCompactPublicKey(p, make([]uint64, p.PKEDimension), make([]uint64, p.PKEDimension))
	require.NoError(t, err)
	l, err := pk.Encrypt(seeded(13), tfhe.EUint2048, big.NewInt(0), false)
	require.NoError(t, err)
	for name, words := range map[string]tfhe.Words{
		"masks": l.Data.Slice(0, p.PKEDimension), "bodies": l.Data.Slice(p.PKEDimension, l.Data.Len()),
	} {
		var most int64
		var squares float64
		for i := range words.Len() {
			e := int64(words.At(i))
			most = max(most, e, -e)
			squares += float64(e) * float64(e)
		}
		require.LessOrEqual(t, most, int64(1)<<17, name)
		require.InEpsilon(t, float64(int64(1)<<35)/6, squares/float64(words.Len()), 0.1, name)
	}
}

func TestMaskStreamsCarryIntoTheUpperCounter(t *testing.T) {
	seed := tfhe.PlainSeed([16]byte{1})
	seed.Block = tfhe.Counter{Lo: 1<<64 - 1}
	across := tfhe.ExpandMask(seed, 6)
	seed.Block = tfhe.Counter{Hi: 1}
	require.Equal(t, tfhe.ExpandMask(seed, 4), across[2:])
	seed.Byte = 8
	require.Equal(t, across[3:], tfhe.ExpandMask(seed, 3))
}

func TestTheCoinsDecideTheCiphertext(t *testing.T) {
	k, err := clientkey.Generate(seeded(6), tfhe.Test())
	require.NoError(t, err)
	pk, err := clientkey.PublicKey(seeded(6), k)
	require.NoError(t, err)
	encrypt := func(coins io.Reader) []byte {
		l, err := pk.Encrypt(coins, tfhe.EUint8, big.NewInt(9), true)
		require.NoError(t, err)
		data, err := l.MarshalBinary()
		require.NoError(t, err)
		return data
	}
	require.True(t, bytes.Equal(encrypt(seeded(7)), encrypt(seeded(7))))
	require.False(t, bytes.Equal(encrypt(seeded(7)), encrypt(seeded(8))))
}

func TestEncryptionRefusesWhatDoesNotFit(t *testing.T) {
	k, err := clientkey.Generate(seeded(9), tfhe.Test())
	require.NoError(t, err)
	pk, err := clientkey.PublicKey(seeded(9), k)
	require.NoError(t, err)
	_, err = pk.Encrypt(seeded(9), tfhe.EBool, big.NewInt(2), true)
	require.ErrorIs(t, err, tfhe.ErrRange)
	_, err = pk.Encrypt(seeded(9), tfhe.EUint8, big.NewInt(-1), true)
	require.ErrorIs(t, err, tfhe.ErrRange)
	_, err = pk.Encrypt(seeded(9), 12, big.NewInt(0), true)
	require.ErrorIs(t, err, tfhe.ErrUnknownType)
	_, err = pk.Encrypt(bytes.NewReader(make([]byte, 100)), tfhe.EUint8, big.NewInt(0), true)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, err = tfhe.SampleNoise(seeded(9), 61, 1)
	require.ErrorIs(t, err, tfhe.ErrParameters)
}

func TestNoiseIsTUniform(t *testing.T) {
	// All 2^(3+2) words give the exact distribution of TUniform(3).
	raw := make([]byte, 0, 8*32)
	for r := range byte(32) {
		raw = append(raw, r, 0, 0, 0, 0, 0, 0, 0)
	}
	noise, err := tfhe.SampleNoise(bytes.NewReader(raw), 3, 32)
	require.NoError(t, err)
	count := map[int64]int{}
	for _, e := range noise {
		count[int64(e)]++
	}
	require.Len(t, count, 17)
	for e := int64(-7); e <= 7; e++ {
		require.Equal(t, 2, count[e])
	}
	require.Equal(t, 1, count[-8])
	require.Equal(t, 1, count[8])
}

func TestMasksOfAListAreNegacyclicShifts(t *testing.T) {
	coins, p := seeded(10), tfhe.Test()
	k, err := clientkey.Generate(coins, p)
	require.NoError(t, err)
	pk, err := clientkey.PublicKey(coins, k)
	require.NoError(t, err)
	l, err := pk.Encrypt(coins, tfhe.EUint1024, big.NewInt(1), false) // two chunks
	require.NoError(t, err)
	require.Equal(t, 512, l.Count)
	c, err := l.Ciphertext(0)
	require.NoError(t, err)
	n := c.Dimension()
	mask := make([]uint64, n)
	for _, i := range []int{0, 1, 255, 256, 511} {
		chunk := l.Data.Slice(i/n*n, (i/n+1)*n)
		body := l.Data.At(512/n*n + i)
		words, rotation, got := c.View(i)
		require.Equal(t, []byte(chunk), words)
		require.Equal(t, i%n, rotation)
		require.Equal(t, body, got)
		require.Equal(t, body, c.LWE(i, mask))
		for j := range n {
			if to := j + i%n; to < n {
				require.Equal(t, chunk.At(j), mask[to])
			} else {
				require.Equal(t, -chunk.At(j), mask[to-n])
			}
		}
	}
	require.Panics(t, func() { c.View(512) })
	require.Panics(t, func() { c.View(-1) })
	require.Panics(t, func() { c.LWE(0, mask[1:]) })
	require.Panics(t, func() { c.LWE(0, nil) })
}

func TestCarriesAreAddedUpInIntegersAndDroppedInLists(t *testing.T) {
	coins, p := seeded(11), tfhe.Test()
	k, err := clientkey.Generate(coins, p)
	require.NoError(t, err)
	recompose := func(data []byte, typ tfhe.Type, values ...uint64) int64 {
		c, err := tfhe.Decode(data, typ, p)
		require.NoError(t, err)
		v, err := c.Recompose(values)
		require.NoError(t, err)
		outlined, err := c.Outline().Recompose(values)
		require.NoError(t, err)
		require.Equal(t, v, outlined)
		_, err = c.Recompose(append(values, 0))
		require.ErrorIs(t, err, tfhe.ErrMalformed)
		return v.Int64()
	}
	radix, err := clientkey.Encrypt(coins, k, tfhe.EUint4, big.NewInt(0))
	require.NoError(t, err)
	require.Equal(t, int64(7+4*1), recompose(radix, tfhe.EUint4, 7, 1))
	require.Equal(t, int64((15+4*15)%16), recompose(radix, tfhe.EUint4, 15, 15))
	require.Equal(t, int64(2), recompose(radix, tfhe.EUint4, 16+2, 16), "the padding bit does not count")
	boolean, err := clientkey.Encrypt(coins, k, tfhe.EBool, big.NewInt(0))
	require.NoError(t, err)
	require.Equal(t, int64(0), recompose(boolean, tfhe.EBool, 16))
	require.Equal(t, int64(1), recompose(boolean, tfhe.EBool, 2))

	pk, err := clientkey.PublicKey(coins, k)
	require.NoError(t, err)
	list := func(typ tfhe.Type, packed bool) []byte {
		l, err := pk.Encrypt(coins, typ, big.NewInt(0), packed)
		require.NoError(t, err)
		data, err := l.MarshalBinary()
		require.NoError(t, err)
		return data
	}
	require.Equal(t, int64(3+4*1), recompose(list(tfhe.EUint4, false), tfhe.EUint4, 7, 5))
	require.Equal(t, int64(14), recompose(list(tfhe.EUint4, true), tfhe.EUint4, 16+14))
	require.Equal(t, int64(0), recompose(list(tfhe.EBool, true), tfhe.EBool, 4))
	require.Equal(t, int64(1), recompose(list(tfhe.EBool, true), tfhe.EBool, 3))
}

func TestOnlyCleanCiphertextsAreCalledCarryClean(t *testing.T) {
	coins, p := seeded(12), tfhe.Test()
	k, err := clientkey.Generate(coins, p)
	require.NoError(t, err)
	b, err := clientkey.EncryptBlock(coins, k, 1)
	require.NoError(t, err)
	dirty := b
	dirty.Degree = 4
	for want, blocks := range map[bool][]tfhe.Block{true: {b, b}, false: {b, dirty}} {
		data, err := tfhe.NewFheUint(p, blocks).MarshalBinary()
		require.NoError(t, err)
		c, err := tfhe.Decode(data, tfhe.EUint4, p)
		require.NoError(t, err)
		require.Equal(t, want, c.CarryClean())
	}
	// ebool, euint4, …: the boolean and all that follow share LWE ciphertexts.
	for name, want := range map[string]bool{"node/list_packed.bin": false, "node/list_unpacked.bin": true} {
		all, err := tfhe.DecodeAny(readVector(t, name), tfhe.Production())
		require.NoError(t, err)
		for _, c := range all {
			require.Equal(t, want, c.CarryClean(), "%s %v", name, c.Type())
		}
	}
}

func TestParameterSetsAreFoundByName(t *testing.T) {
	for _, name := range tfhe.Names() {
		p, err := tfhe.ByName(name)
		require.NoError(t, err)
		require.Equal(t, name, p.Name)
		require.Equal(t, name == tfhe.NameTest, p.Insecure)
		require.Equal(t, uint(5), p.WindowBits())
		require.Equal(t, uint64(1)<<59, p.Delta())
	}
	_, err := tfhe.ByName("V1_8")
	require.ErrorIs(t, err, tfhe.ErrUnknownParameters)
}

func TestRoundingLeavesHalfOfTheMarginToTheNoise(t *testing.T) {
	for _, name := range tfhe.Names() {
		p, err := tfhe.ByName(name)
		require.NoError(t, err)
		for _, kind := range tfhe.KeyKinds() {
			k, w := p.Switch(kind)
			n := p.Dimension(kind.Secret())
			switch {
			case n == 0:
				require.Zero(t, k, "%s has no %v key", name, kind)
				require.Zero(t, w)
			case kind == tfhe.CompressionKey:
				require.Equal(t, [2]uint{12, 3}, [2]uint{k, w}, "as the words come")
			default:
				require.Equal(t, uint(5), w)
				require.LessOrEqual(t, n/2, 1<<(k-w-2), "%s %v", name, kind)
				require.Greater(t, n, 1<<(k-w-3), "%s %v: K is needlessly great", name, kind)
			}
		}
	}
	k, w := tfhe.Production().Switch(99)
	require.Zero(t, k+w)
}

func BenchmarkEncrypt(b *testing.B) {
	pk, err := tfhe.UnmarshalCompactPublicKey(readVector(b, "node/compact_pk.bin"), tfhe.Production())
	require.NoError(b, err)
	coins := seeded(1)
	for b.Loop() {
		_, err := pk.Encrypt(coins, tfhe.EUint64, big.NewInt(5), true)
		require.NoError(b, err)
	}
}
