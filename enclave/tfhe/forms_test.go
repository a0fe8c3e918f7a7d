package tfhe_test

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/clientkey"
)

func TestEveryTypeSurvivesEveryFormOfACoprocessor(t *testing.T) {
	coins := seeded(30)
	for _, p := range []tfhe.Parameters{tfhe.Test(), tfhe.Production()} {
		k, err := clientkey.Generate(coins, p)
		require.NoError(t, err)
		for _, typ := range tfhe.Types() {
			if !p.Insecure && typ != tfhe.EBool && typ != tfhe.EUint64 {
				continue
			}
			v := clientkey.Value{Type: typ, Value: randomValue(t, coins, typ)}
			data := map[tfhe.KeyKind][]byte{}
			data[tfhe.SquashingKey], err = clientkey.EncryptSquashed(coins, k, v)
			require.NoError(t, err)
			data[tfhe.CompressionKey], err = clientkey.EncryptCompressed(coins, k, v)
			require.NoError(t, err)
			data[tfhe.SquashingCompressionKey], err = clientkey.EncryptCompressedSquashed(coins, k, v)
			require.NoError(t, err)
			for key, data := range data {
				c, err := tfhe.Decode(data, typ, p)
				require.NoError(t, err)
				require.Equal(t, key, c.Key())
				require.Equal(t, key != tfhe.CompressionKey, c.Wide())
				require.True(t, c.CarryClean())
				require.Equal(t, p.Dimension(key.Secret()), c.Dimension())
				got, err := clientkey.Decrypt(k, c)
				require.NoError(t, err)
				require.Equal(t, v.Value, got, "%v under %v", typ, key)
			}
		}
	}
}

func TestAListOfManyValuesGivesEachItsOwn(t *testing.T) {
	coins, p := seeded(31), tfhe.Test()
	k, err := clientkey.Generate(coins, p)
	require.NoError(t, err)
	var values []clientkey.Value
	for _, typ := range []tfhe.Type{tfhe.EBool, tfhe.EUint64, tfhe.EBool, tfhe.EUint160, tfhe.EUint4} {
		values = append(values, clientkey.Value{Type: typ, Value: randomValue(t, coins, typ)})
	}
	compressed, err := clientkey.EncryptCompressed(coins, k, values...)
	require.NoError(t, err)
	squashed, err := clientkey.EncryptCompressedSquashed(coins, k, values...)
	require.NoError(t, err)
	for _, data := range [][]byte{compressed, squashed} {
		all, err := tfhe.DecodeAny(data, p)
		require.NoError(t, err)
		require.Len(t, all, len(values))
		for i, c := range all {
			require.Equal(t, values[i].Type, c.Type())
			got, err := clientkey.Decrypt(k, c)
			require.NoError(t, err)
			require.Equal(t, values[i].Value, got)
			require.Panics(t, func() { c.Outline().View(0) })
			plaintexts := make([]uint64, c.Len())
			for i := range plaintexts {
				plaintexts[i], _, err = clientkey.DecryptLWE(k, c, i)
				require.NoError(t, err)
			}
			got, err = c.Outline().Recompose(plaintexts)
			require.NoError(t, err)
			require.Equal(t, values[i].Value, got)
		}
		_, err = tfhe.Decode(data, tfhe.EBool, p)
		require.ErrorIs(t, err, tfhe.ErrType)
	}
}

func TestViewsOfOneGLWEShareTheirMask(t *testing.T) {
	coins, p := seeded(32), tfhe.Test()
	k, err := clientkey.Generate(coins, p)
	require.NoError(t, err)
	data, err := clientkey.EncryptCompressed(coins, k, clientkey.Value{Type: tfhe.EUint256, Value: big.NewInt(1)})
	require.NoError(t, err)
	c, err := tfhe.Decode(data, tfhe.EUint256, p)
	require.NoError(t, err)
	require.Equal(t, 128, c.Polynomial())
	first, rotation, _ := c.View(0)
	require.Zero(t, rotation)
	require.Len(t, first, 8*c.Dimension())
	last, rotation, _ := c.View(63)
	require.Equal(t, 63, rotation)
	require.Same(t, &first[0], &last[0])
	next, rotation, _ := c.View(64)
	require.Zero(t, rotation)
	require.NotSame(t, &first[0], &next[0])
	for i := range c.Dimension() {
		require.Zero(t, tfhe.Words(first).At(i)<<12, "12 bits at the top")
	}
	require.Panics(t, func() { c.ViewWide(0) })
	require.Panics(t, func() { c.View(128) })
	require.Panics(t, func() { c.LWE(0, nil) })
}

func TestWhatALibraryUnpackedIsUnderTheKeyOfLists(t *testing.T) {
	coins, p := seeded(33), tfhe.Test()
	// A dimension of its own tells the keys apart.
	p.SquashingCompression.GLWEDimension = 3
	k, err := clientkey.Generate(coins, p)
	require.NoError(t, err)
	v := clientkey.Value{Type: tfhe.EUint8, Value: big.NewInt(0xb7)}
	data, err := clientkey.EncryptCompressedSquashed(coins, k, v)
	require.NoError(t, err)
	list, err := tfhe.Decode(data, v.Type, p)
	require.NoError(t, err)
	var blocks []tfhe.SquashedBlock
	for i := range list.Len() {
		words := make([]wide.Word, list.Dimension())
		body := list.LWEWide(i, words)
		blocks = append(blocks, tfhe.SquashedBlock{Data: tfhe.NewWideWords(append(words, body)), Degree: 15})
	}
	f := tfhe.NewSquashedNoiseFheUint(p, blocks, v.Type.Blocks(p))
	_, err = f.MarshalBinary()
	require.ErrorIs(t, err, tfhe.ErrParameters, "not a block of the squashing key")
	f.Unpacked = true
	c, err := tfhe.Decode(marshal(t, f), v.Type, p)
	require.NoError(t, err)
	require.Equal(t, tfhe.SquashingCompressionKey, c.Key())
	got, err := clientkey.Decrypt(k, c)
	require.NoError(t, err)
	require.Equal(t, v.Value, got)
}

func TestABooleanOfGreatDegreeIsNotClean(t *testing.T) {
	coins, p := seeded(34), tfhe.Test()
	k, err := clientkey.Generate(coins, p)
	require.NoError(t, err)
	data, err := clientkey.EncryptSquashed(coins, k, clientkey.Value{Type: tfhe.EBool, Value: big.NewInt(1)})
	require.NoError(t, err)
	f, err := tfhe.UnmarshalSquashedNoiseFheBool(data, p)
	require.NoError(t, err)
	f.Block.Degree = 4
	c, err := tfhe.Decode(marshal(t, f), tfhe.EBool, p)
	require.NoError(t, err)
	require.False(t, c.CarryClean())
	for plaintext, want := range map[uint64]int64{0: 0, 1: 1, 4: 1, 16: 0} {
		v, err := c.Recompose([]uint64{plaintext})
		require.NoError(t, err)
		require.Equal(t, want, v.Int64(), "plaintext %d", plaintext)
	}
}

func TestFormsOfAnotherSetAreRefused(t *testing.T) {
	none := tfhe.Test()
	none.Compression, none.Squashing = tfhe.CompressionParameters{}, tfhe.SquashingParameters{}
	none.SquashingCompression = tfhe.SquashingCompressionParameters{}
	for name, data := range samples(t) {
		if !bytes.Contains(data, []byte("Squashed")) && !bytes.Contains(data, []byte("CompressedCiphertext")) {
			continue
		}
		_, err := tfhe.Decode(data, tfhe.EUint8, none)
		require.ErrorIs(t, err, tfhe.ErrParameters, name)
	}
	_, err := tfhe.NewCompressedCiphertextList(tfhe.Test(), nil, [][]uint64{make([]uint64, 2*128)})
	require.ErrorIs(t, err, tfhe.ErrParameters)
	_, err = tfhe.NewCompressedSquashedNoiseCiphertextList(tfhe.Test(), nil, [][]wide.Word{make([]wide.Word, 2*256+33)})
	require.ErrorIs(t, err, tfhe.ErrParameters)
}

func TestACompressedListThatDoesNotAddUpIsNotWritten(t *testing.T) {
	p := tfhe.Test()
	value := []tfhe.ListValue{{Blocks: 4}}
	glwe := func(bodies int) []uint64 { return make([]uint64, 2*128+bodies) }
	for name, c := range map[string]struct {
		values []tfhe.ListValue
		glwes  [][]uint64
		change func(l *tfhe.CompressedCiphertextList)
	}{
		"nothing":                    {nil, nil, nil},
		"a GLWE that is not full":    {value, [][]uint64{glwe(1), glwe(3)}, nil},
		"a block too few":            {value, [][]uint64{glwe(3)}, nil},
		"a block too many":           {value, [][]uint64{glwe(5)}, nil},
		"values without blocks":      {[]tfhe.ListValue{{Blocks: 0}, {Blocks: 4}}, [][]uint64{glwe(4)}, nil},
		"metadata of another number": {value, [][]uint64{glwe(4)}, func(l *tfhe.CompressedCiphertextList) { l.Metadata = nil }},
		"more bodies than packed":    {value, [][]uint64{glwe(4)}, func(l *tfhe.CompressedCiphertextList) { l.GLWEs[0].Bodies++ }},
		"half a word": {value, [][]uint64{glwe(4)}, func(l *tfhe.CompressedCiphertextList) {
			l.GLWEs[0].Packed = l.GLWEs[0].Packed[:len(l.GLWEs[0].Packed)-4]
		}},
	} {
		l, err := tfhe.NewCompressedCiphertextList(p, c.values, c.glwes)
		require.NoError(t, err)
		if c.change != nil {
			c.change(l)
		}
		_, err = l.MarshalBinary()
		require.ErrorIs(t, err, tfhe.ErrMalformed, name)
	}
	l, err := tfhe.NewCompressedCiphertextList(p, value, [][]uint64{glwe(4)})
	require.NoError(t, err)
	_, err = l.MarshalBinary()
	require.NoError(t, err)
}

func TestCompressionRoundsToTheNearest(t *testing.T) {
	p := tfhe.Test()
	words := make([]uint64, 2*128+1)
	words[0] = 5<<52 - 1<<51 // halfway goes up
	words[127] = 7<<52 + 1<<51 - 1
	words[256] = 1<<64 - 1 // wraps around
	l, err := tfhe.NewCompressedCiphertextList(p, []tfhe.ListValue{{Boolean: true, Blocks: 1}}, [][]uint64{words})
	require.NoError(t, err)
	c, err := tfhe.Decode(marshal(t, l), tfhe.EBool, p)
	require.NoError(t, err)
	mask := make([]uint64, c.Dimension())
	require.Zero(t, c.LWE(0, mask))
	want := make([]uint64, c.Dimension())
	want[0], want[1] = 5<<52, (1<<12-7)<<52 // the LWE ciphertext at coefficient 0
	require.Equal(t, want, mask)
}
