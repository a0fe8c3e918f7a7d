package handles

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
)

const hostChain = 31337

func handle(seed byte, t Type) []byte {
	h := bytes.Repeat([]byte{seed}, Size)
	binary.BigEndian.PutUint64(h[chainOffset:], hostChain)
	h[typeOffset], h[versionOffset] = byte(t), 0
	return h
}

func parse(t *testing.T, batch ...[]byte) []Handle {
	t.Helper()
	parsed, err := ParseBatch(hostChain, batch)
	require.NoError(t, err)
	return parsed
}

func TestEveryTypeHasItsBitsBlocksAndWords(t *testing.T) {
	for _, c := range []struct {
		t                   Type
		name                string
		bits, blocks, words int
	}{
		{0, "ebool", 1, 1, 1}, {1, "euint4", 4, 2, 1}, {2, "euint8", 8, 4, 1}, {3, "euint16", 16, 8, 1},
		{4, "euint32", 32, 16, 1}, {5, "euint64", 64, 32, 1}, {6, "euint128", 128, 64, 1},
		{7, "euint160", 160, 80, 1}, {8, "euint256", 256, 128, 1}, {11, "euint2048", 2048, 1024, 8},
	} {
		require.Equal(t, c.bits, c.t.Bits(), c.name)
		require.Equal(t, c.blocks, c.t.Blocks(), c.name)
		require.Equal(t, c.words, c.t.Words(), c.name)
		require.Equal(t, c.name, c.t.String())
		for _, name := range []string{c.name, c.name[1:]} {
			parsed, err := ParseType(name)
			require.NoError(t, err)
			require.Equal(t, c.t, parsed)
		}
	}
	address, err := ParseType("eaddress")
	require.NoError(t, err)
	require.Equal(t, Uint160, address)
	_, err = ParseType("euint12")
	require.ErrorIs(t, err, ErrType)
}

func TestExactlyTheListedTypesAreSupported(t *testing.T) {
	listed := Types()
	supported := 0
	for i := 0; i < 256; i++ {
		if Type(i).Supported() {
			require.Equal(t, listed[supported], Type(i))
			supported++
		}
	}
	require.Len(t, listed, supported)
}

func TestAHandleThatIsNotOneIsRefused(t *testing.T) {
	good := handle(7, Uint64)
	_, err := ParseBatch(hostChain, [][]byte{good})
	require.NoError(t, err)

	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	for name, c := range map[string]struct {
		batch [][]byte
		want  error
	}{
		"empty batch":     {nil, ErrEmpty},
		"short":           {[][]byte{good[:31]}, ErrLength},
		"long":            {[][]byte{append(bytes.Clone(good), 0)}, ErrLength},
		"nil":             {[][]byte{nil}, ErrLength},
		"version 1":       {[][]byte{change(31, 1)}, ErrVersion},
		"type 9":          {[][]byte{change(30, 9)}, ErrType},
		"type 255":        {[][]byte{change(30, 255)}, ErrType},
		"other chain":     {[][]byte{change(29, 0)}, ErrChain},
		"high chain byte": {[][]byte{change(22, 1)}, ErrChain},
		"twice":           {[][]byte{good, handle(8, Bool), good}, ErrDuplicate},
	} {
		_, err := ParseBatch(hostChain, c.batch)
		require.ErrorIs(t, err, c.want, name)
	}
}

func TestABatchKeepsTheCallersOrder(t *testing.T) {
	batch := parse(t, handle(9, Uint8), handle(1, Bool), handle(5, Uint2048))
	require.Equal(t, []Type{Uint8, Bool, Uint2048}, []Type{batch[0].Type(), batch[1].Type(), batch[2].Type()})
	require.EqualValues(t, 4+1+1024, Blocks(batch))
	require.Equal(t, 10*WordBytes, PlaintextBytes(batch))
}

func TestAPlaintextOutsideItsTypeIsRefused(t *testing.T) {
	for _, typ := range Types() {
		batch := parse(t, handle(3, typ))
		limit := new(big.Int).Lsh(big.NewInt(1), uint(typ.Bits()))
		largest := new(big.Int).Sub(limit, big.NewInt(1))

		good, err := AppendValue(nil, typ, largest)
		require.NoError(t, err)
		require.NoError(t, CheckPlaintext(batch, good), typ)
		values, err := Values(batch, good)
		require.NoError(t, err)
		require.Zero(t, largest.Cmp(values[0]))

		_, err = AppendValue(nil, typ, limit)
		require.ErrorIs(t, err, ErrPlaintextRange)
		_, err = AppendValue(nil, typ, big.NewInt(-1))
		require.ErrorIs(t, err, ErrPlaintextRange)

		if typ.Bits() < 8*len(good) {
			over := make([]byte, len(good))
			limit.FillBytes(over)
			require.ErrorIs(t, CheckPlaintext(batch, over), ErrPlaintextRange, typ)
			top := make([]byte, len(good))
			top[0] = 0x80
			require.ErrorIs(t, CheckPlaintext(batch, top), ErrPlaintextRange, typ)
		}
		require.ErrorIs(t, CheckPlaintext(batch, good[1:]), ErrPlaintextLength)
		require.ErrorIs(t, CheckPlaintext(batch, append(bytes.Clone(good), 0)), ErrPlaintextLength)
		require.ErrorIs(t, CheckPlaintext(batch, nil), ErrPlaintextLength)
	}
	_, err := AppendValue(nil, Type(9), big.NewInt(0))
	require.ErrorIs(t, err, ErrType)
}

func TestAValueOutOfRangeIsFoundBehindAWideOne(t *testing.T) {
	batch := parse(t, handle(3, Uint2048), handle(4, Bool))
	plaintext := bytes.Repeat([]byte{0xff}, 8*WordBytes)
	plaintext = append(plaintext, make([]byte, WordBytes)...)
	require.NoError(t, CheckPlaintext(batch, plaintext))
	plaintext[len(plaintext)-1] = 2
	require.ErrorIs(t, CheckPlaintext(batch, plaintext), ErrPlaintextRange)
}

func FuzzParseBatch(f *testing.F) {
	f.Add(uint64(hostChain), handle(1, Bool))
	f.Add(uint64(hostChain), append(handle(1, Uint2048), handle(2, Uint8)...))
	f.Add(uint64(1), []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, chain uint64, raw []byte) {
		var batch [][]byte
		for rest := raw; len(rest) > 0; {
			n := min(Size, len(rest))
			batch = append(batch, rest[:n])
			rest = rest[n:]
		}
		parsed, err := ParseBatch(chain, batch)
		if err != nil {
			return
		}
		if len(parsed)*Size != len(raw) || len(parsed) == 0 {
			t.Fatal("a batch was accepted with bytes left over")
		}
		seen := map[Handle]bool{}
		for i, h := range parsed {
			if !bytes.Equal(h[:], batch[i]) || seen[h] || h.ChainID() != chain || h[31] != 0 || h.Type().Blocks() == 0 {
				t.Fatal("a handle was accepted that is none")
			}
			seen[h] = true
		}
		if err := CheckPlaintext(parsed, make([]byte, PlaintextBytes(parsed))); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzCheckPlaintext(f *testing.F) {
	f.Add([]byte{0, 8}, make([]byte, 64))
	f.Add([]byte{11}, bytes.Repeat([]byte{0xff}, 256))
	f.Fuzz(func(t *testing.T, types, plaintext []byte) {
		if len(types) > 64 {
			return
		}
		var batch []Handle
		for i, b := range types {
			h, err := Parse(handle(byte(i), Type(b)))
			if err != nil {
				return
			}
			batch = append(batch, h)
		}
		values, err := Values(batch, plaintext)
		if err != nil {
			if !errors.Is(err, ErrPlaintextLength) && !errors.Is(err, ErrPlaintextRange) {
				t.Fatal(err)
			}
			return
		}
		var again []byte
		for i, v := range values {
			if again, err = AppendValue(again, batch[i].Type(), v); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(again, plaintext) {
			t.Fatal("a plaintext was accepted that is not canonical")
		}
	})
}
