package tfhe_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/clientkey"
)

// seeded returns reproducible coins for tests.
func seeded(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed}) }

// samples returns one small object of each kind, under the test parameters.
func samples(t testing.TB) map[string][]byte { return samplesOf(t, tfhe.Test()) }

func samplesOf(t testing.TB, p tfhe.Parameters) map[string][]byte {
	t.Helper()
	coins := seeded(1)
	out := map[string][]byte{}
	add := func(name string, m interface{ MarshalBinary() ([]byte, error) }, err error) {
		require.NoError(t, err)
		data, err := m.MarshalBinary()
		require.NoError(t, err)
		out[name] = data
	}
	k, err := clientkey.Generate(coins, p)
	add("client key", k, err)
	pk, err := clientkey.PublicKey(coins, k)
	add("public key", pk, err)
	compressed, err := clientkey.CompressedPublicKey(coins, k, tfhe.PlainSeed([16]byte{1, 2, 3}))
	add("compressed public key", compressed, err)
	xof, err := clientkey.CompressedPublicKey(coins, k, tfhe.XOFSeed([8]byte([]byte("TFHE_GEN")), []byte("sixteen byte key")))
	add("compressed public key, extendable seed", xof, err)
	list, err := pk.Encrypt(coins, tfhe.EUint8, big.NewInt(77), true)
	add("packed list", list, err)
	list, err = pk.Encrypt(coins, tfhe.EUint8, big.NewInt(77), false)
	add("list", list, err)
	out["proven list"] = proven(t, out["list"])
	for name, typ := range map[string]tfhe.Type{"FheBool": tfhe.EBool, "FheUint": tfhe.EUint8} {
		data, err := clientkey.Encrypt(coins, k, typ, big.NewInt(1))
		require.NoError(t, err)
		out[name] = data
		value := clientkey.Value{Type: typ, Value: big.NewInt(1)}
		out["squashed "+name], err = clientkey.EncryptSquashed(coins, k, value)
		require.NoError(t, err)
	}
	value := clientkey.Value{Type: tfhe.EUint8, Value: big.NewInt(77)}
	out["compressed list"], err = clientkey.EncryptCompressed(coins, k, value)
	require.NoError(t, err)
	out["compressed squashed list"], err = clientkey.EncryptCompressedSquashed(coins, k, value)
	require.NoError(t, err)
	return out
}

// proven makes a proven list of a list of one integer, with the proof of a vector.
func proven(t testing.TB, list []byte) []byte {
	t.Helper()
	const values, tag = 8 + 16, 12
	vector := readVector(t, "go/proven_1_7.bin")
	end := len(vector) - values - 8 - tag // of the proof: its values are an integer and a boolean
	body := list[bytes.Index(list, []byte("CiphertextList"))+len("CiphertextList")+8:]
	out := bytes.Clone(vector[:bytes.Index(vector, []byte("CiphertextList"))+len("CiphertextList")+12+8])
	out = append(out, body[:len(body)-values-tag]...)
	out = append(out, vector[end-proofSize:end]...)
	return append(out, body[len(body)-values-tag:]...)
}

// proofSize is the length of a proof.
const proofSize = 12 + 8*144 + 3*288 + 9

func TestSamplesRoundTripByteForByte(t *testing.T) {
	for name, data := range samples(t) {
		again, err := remarshal(data, tfhe.Test())
		require.NoError(t, err, name)
		require.True(t, bytes.Equal(data, again), name)
	}
}

func TestEveryTruncationIsRefused(t *testing.T) {
	for name, data := range samples(t) {
		for n := range data {
			_, err := remarshal(data[:n], tfhe.Test())
			require.Error(t, err, "%s cut to %d bytes", name, n)
		}
		_, err := remarshal(data[:len(data)-1], tfhe.Test())
		require.ErrorIs(t, err, tfhe.ErrTruncated, name)
	}
}

func TestTrailingBytesAreRefused(t *testing.T) {
	for name, data := range samples(t) {
		_, err := remarshal(append(bytes.Clone(data), 0), tfhe.Test())
		require.ErrorIs(t, err, tfhe.ErrTrailing, name)
	}
}

func TestWhatIsAcceptedAfterAChangedByteIsWrittenBackAsItWas(t *testing.T) {
	for name, data := range samples(t) {
		accepted, step := 0, 1
		if len(data) > 8000 {
			step = 3 // every field has a byte that is changed
		}
		for i := 0; i < len(data); i += step {
			for _, flip := range []byte{0x01, 0x80} {
				changed := bytes.Clone(data)
				changed[i] ^= flip
				again, err := remarshal(changed, tfhe.Test())
				if err != nil {
					continue
				}
				accepted++
				require.True(t, bytes.Equal(changed, again), "%s changed at %d", name, i)
			}
		}
		require.Less(t, accepted, 2*len(data), name)
	}
}

func TestEveryObjectOfAnotherParameterSetIsRefused(t *testing.T) {
	for name, data := range samples(t) {
		_, err := remarshal(data, tfhe.Production())
		require.Error(t, err, name)
		require.True(t, errors.Is(err, tfhe.ErrParameters) || errors.Is(err, tfhe.ErrMalformed) || errors.Is(err, tfhe.ErrTruncated), "%s: %v", name, err)
	}
	for _, change := range []func(*tfhe.Parameters){
		func(p *tfhe.Parameters) { p.PKENoise++ },
		func(p *tfhe.Parameters) { p.MessageModulus = 8 },
		func(p *tfhe.Parameters) { p.CarryModulus = 8 },
		func(p *tfhe.Parameters) { p.ZKScheme = 1 },
		func(p *tfhe.Parameters) { p.PKEDimension = 128 },
	} {
		p := tfhe.Test()
		change(&p)
		for _, name := range []string{"client key", "public key", "compressed public key"} {
			_, err := remarshal(samples(t)[name], p)
			require.ErrorIs(t, err, tfhe.ErrParameters, name)
		}
	}
}

// at returns the offset in data of the place after mark.
func at(t *testing.T, data []byte, mark string) int {
	t.Helper()
	i := bytes.Index(data, []byte(mark))
	require.GreaterOrEqual(t, i, 0)
	return i + len(mark)
}

func TestMalformedFieldsAreRefusedWithTheirReason(t *testing.T) {
	s := samples(t)
	const n = 256
	u32 := func(b []byte, i int, v uint32) { binary.LittleEndian.PutUint32(b[i:], v) }
	u64 := func(b []byte, i int, v uint64) { binary.LittleEndian.PutUint64(b[i:], v) }
	boolStart := at(t, s["FheBool"], "high_level_api::FheBool")
	boolMeta := boolStart + 12 + 4 + 4 + 8 + 8*(n+1) // after the block's words
	listStart := at(t, s["list"], "high_level_api::CompactCiphertextList")
	listMeta := listStart + 16 + 8 + 8*(n+4)
	uintStart := at(t, s["FheUint"], "high_level_api::FheUint")
	glwe := at(t, s["compressed list"], "high_level_api::CompressedCiphertextList") + 12 + 8
	glweMeta := glwe + 8 + 8 + 8*49 // 2*128+4 coefficients of 12 bits
	listEnd := glweMeta + 12 + 8 + 36 + 28
	wideMeta := at(t, s["compressed squashed list"], "CompressedSquashedNoiseCiphertextList") + 12 + 8 + 8 + 8 + 16*(2*n+2)
	wideEnd := wideMeta + 12 + 8 + 36 + 28
	squashed := at(t, s["squashed FheUint"], "high_level_api::SquashedNoiseFheUint")
	squashedEnd := squashed + 12 + 8 + 2*(8+8+16*(2*n+1)+28+36)
	squashedBool := at(t, s["squashed FheBool"], "high_level_api::SquashedNoiseFheBool") + 12
	for _, c := range []struct {
		name, object string
		change       func(b []byte)
		reason       error
	}{
		{"header version", "FheBool", func(b []byte) { b[8] = '9' }, tfhe.ErrHeader},
		{"unversioned mode", "FheBool", func(b []byte) { u32(b, 11, 1) }, tfhe.ErrHeader},
		{"versioning version", "FheBool", func(b []byte) { b[23] = '9' }, tfhe.ErrHeader},
		{"another name", "FheBool", func(b []byte) { b[boolStart-1] = 'x' }, tfhe.ErrKind},
		{"newer version", "FheBool", func(b []byte) { u32(b, boolStart, 3) }, tfhe.ErrVersion},
		{"older version", "FheBool", func(b []byte) { u32(b, boolStart, 1) }, tfhe.ErrVersion},
		{"another dimension", "FheBool", func(b []byte) { u64(b, boolStart+20, n) }, tfhe.ErrParameters},
		{"enormous dimension", "FheBool", func(b []byte) { u64(b, boolStart+20, 1<<61) }, tfhe.ErrTruncated},
		{"modulus that is not native", "FheBool", func(b []byte) { u64(b, boolMeta+4, 1) }, tfhe.ErrParameters},
		{"modulus of 32 bits", "FheBool", func(b []byte) { u64(b, boolMeta+20, 32) }, tfhe.ErrParameters},
		{"boolean of degree 2", "FheBool", func(b []byte) { u64(b, boolMeta+32, 2) }, tfhe.ErrMalformed},
		{"noise level unknown", "FheBool", func(b []byte) { u64(b, boolMeta+44, 1<<64-1) }, tfhe.ErrMalformed},
		{"noise level above the most", "FheBool", func(b []byte) { u64(b, boolMeta+44, 6) }, tfhe.ErrMalformed},
		{"message modulus", "FheBool", func(b []byte) { u64(b, boolMeta+56, 2) }, tfhe.ErrParameters},
		{"carry modulus", "FheBool", func(b []byte) { u64(b, boolMeta+68, 2) }, tfhe.ErrParameters},
		{"atomic pattern", "FheBool", func(b []byte) { u32(b, boolMeta+80, 1) }, tfhe.ErrParameters},
		{"bootstrap order", "FheBool", func(b []byte) { u32(b, boolMeta+88, 1) }, tfhe.ErrParameters},
		{"tag beyond the end", "FheBool", func(b []byte) { u64(b, len(b)-20, 1<<63) }, tfhe.ErrTruncated},
		{"enormous number of blocks", "FheUint", func(b []byte) { u64(b, uintStart+12, 1<<60) }, tfhe.ErrTruncated},
		{"no ciphertexts", "list", func(b []byte) { u64(b, listMeta+16, 0) }, tfhe.ErrMalformed},
		{"more ciphertexts than words", "list", func(b []byte) { u64(b, listMeta+16, 5) }, tfhe.ErrMalformed},
		{"number of ciphertexts that overflows", "list", func(b []byte) { u64(b, listMeta+16, 1<<63+4) }, tfhe.ErrMalformed},
		{"LWE size", "list", func(b []byte) { u64(b, listMeta+4, n) }, tfhe.ErrParameters},
		{"degree between", "list", func(b []byte) { u64(b, listMeta+24+28+4, 7) }, tfhe.ErrMalformed},
		{"degree of the other packing", "list", func(b []byte) { u64(b, listMeta+24+28+4, 15) }, tfhe.ErrMalformed},
		{"no casting", "list", func(b []byte) { u32(b, listMeta+24+28+12+24+4, 1) }, tfhe.ErrParameters},
		{"enormous number of values", "list", func(b []byte) { u64(b, listMeta+96, 1<<62) }, tfhe.ErrTruncated},
		{"signed value", "list", func(b []byte) { u32(b, listMeta+108, 1) }, tfhe.ErrType},
		{"string", "list", func(b []byte) { u32(b, listMeta+108, 3) }, tfhe.ErrType},
		{"unknown kind of value", "list", func(b []byte) { u32(b, listMeta+108, 4) }, tfhe.ErrMalformed},
		{"value of no blocks", "list", func(b []byte) { u64(b, listMeta+112, 0) }, tfhe.ErrMalformed},
		{"value of fewer blocks than ciphertexts", "list", func(b []byte) { u64(b, listMeta+112, 2) }, tfhe.ErrMalformed},
		{"value of enormously many blocks", "list", func(b []byte) { u64(b, listMeta+112, 1<<63) }, tfhe.ErrMalformed},
		{"key word that is no bit", "client key", func(b []byte) { b[99] = 2 }, tfhe.ErrMalformed},
		{"noise distribution", "public key", func(b []byte) { u32(b, len(b)-92, 0) }, tfhe.ErrParameters},
		{"option flag", "client key", func(b []byte) { b[len(b)-12-8*32-8-20-1] = 2 }, tfhe.ErrMalformed},
		{"seed that starts beyond its block", "compressed public key", func(b []byte) {
			u64(b, at(t, b, "CompressedCompactPublicKey")+24+8+8*n+76, 16)
		}, tfhe.ErrMalformed},
		{"no GLWE ciphertexts", "compressed list", func(b []byte) { u64(b, glwe-8, 0) }, tfhe.ErrMalformed},
		{"enormous number of GLWE ciphertexts", "compressed list", func(b []byte) { u64(b, glwe-8, 1<<60) }, tfhe.ErrTruncated},
		{"enormous number of coefficients", "compressed list", func(b []byte) { u64(b, glwe+8, 1<<61) }, tfhe.ErrTruncated},
		{"bits beyond the last coefficient", "compressed list", func(b []byte) { b[glweMeta-1] = 1 }, tfhe.ErrMalformed},
		{"storage modulus", "compressed list", func(b []byte) { u64(b, glweMeta+4, 13) }, tfhe.ErrParameters},
		{"coefficients that do not add up", "compressed list", func(b []byte) { u64(b, glweMeta+12, 2*128+5) }, tfhe.ErrMalformed},
		{"GLWE dimension", "compressed list", func(b []byte) { u64(b, glweMeta+24, 1) }, tfhe.ErrParameters},
		{"polynomial size", "compressed list", func(b []byte) { u64(b, glweMeta+36, 256) }, tfhe.ErrParameters},
		{"no bodies", "compressed list", func(b []byte) { u64(b, glweMeta+48, 0) }, tfhe.ErrMalformed},
		{"more bodies than fit", "compressed list", func(b []byte) { u64(b, glweMeta+48, 65) }, tfhe.ErrMalformed},
		{"bodies that overflow", "compressed list", func(b []byte) { u64(b, glweMeta+48, 1<<64-252) }, tfhe.ErrMalformed},
		{"modulus of 128 bits", "compressed list", func(b []byte) { u64(b, glweMeta+76, 128) }, tfhe.ErrParameters},
		{"no metadata", "compressed list", func(b []byte) { b[listEnd] = 0 }, tfhe.ErrMalformed},
		{"LWEs per GLWE", "compressed list", func(b []byte) { u64(b, listEnd+1+4+28+24+16+4, 65) }, tfhe.ErrParameters},
		{"value of fewer blocks than packed", "compressed list", func(b []byte) { u64(b, len(b)-12-8-12-8, 3) }, tfhe.ErrMalformed},
		{"value of more blocks than packed", "compressed list", func(b []byte) { u64(b, len(b)-12-8-12-8, 5) }, tfhe.ErrMalformed},
		{"metadata for no value", "compressed list", func(b []byte) { u64(b, len(b)-12-8, 0) }, tfhe.ErrMalformed},
		{"modulus of 64 bits", "compressed squashed list", func(b []byte) { u64(b, wideMeta+76, 64) }, tfhe.ErrParameters},
		{"squashed value of more blocks than packed", "compressed squashed list", func(b []byte) { u64(b, len(b)-12-8, 5) }, tfhe.ErrMalformed},
		{"squashed value of fewer blocks than packed", "compressed squashed list", func(b []byte) { u64(b, len(b)-12-8, 2) }, tfhe.ErrMalformed},
		{"squashed LWEs per GLWE", "compressed squashed list", func(b []byte) { u64(b, wideEnd+1+4+24+4, 33) }, tfhe.ErrParameters},
		{"fewer digits than blocks", "squashed FheUint", func(b []byte) { u64(b, squashedEnd, 2) }, tfhe.ErrMalformed},
		{"more digits than blocks", "squashed FheUint", func(b []byte) { u64(b, squashedEnd, 5) }, tfhe.ErrMalformed},
		{"unknown state", "squashed FheUint", func(b []byte) { u32(b, squashedEnd+12, 2) }, tfhe.ErrMalformed},
		{"squashed block of another dimension", "squashed FheBool", func(b []byte) { u64(b, squashedBool+8, 2*n) }, tfhe.ErrParameters},
		{"enormous squashed block", "squashed FheBool", func(b []byte) { u64(b, squashedBool+8, 1<<60) }, tfhe.ErrTruncated},
		{"squashed degree", "squashed FheBool", func(b []byte) { u64(b, squashedBool+16+16*(2*n+1)+28+4, 16) }, tfhe.ErrMalformed},
		{"unknown kind of seed", "compressed public key", func(b []byte) {
			u32(b, at(t, b, "CompressedCompactPublicKey")+24+8+8*n+12+12, 2)
		}, tfhe.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bytes.Clone(s[c.object])
			c.change(b)
			_, err := remarshal(b, tfhe.Test())
			require.ErrorIs(t, err, c.reason)
		})
	}
}

func TestBlocksThatFitNoTypeAreRefused(t *testing.T) {
	coins, p := seeded(2), tfhe.Test()
	k, err := clientkey.Generate(coins, p)
	require.NoError(t, err)
	for _, n := range []int{0, 1, 3, 5, 127, 129} {
		blocks := make([]tfhe.Block, n)
		for i := range blocks {
			blocks[i], err = clientkey.EncryptBlock(coins, k, 1)
			require.NoError(t, err)
		}
		data, err := tfhe.NewFheUint(p, blocks).MarshalBinary()
		require.NoError(t, err)
		for _, typ := range tfhe.Types() {
			_, err = tfhe.Decode(data, typ, p)
			require.ErrorIs(t, err, tfhe.ErrType, "%d blocks as %v", n, typ)
		}
	}
}

func TestNothingIsWrittenThatCannotBeRead(t *testing.T) {
	p := tfhe.Test()
	k, err := clientkey.Generate(seeded(3), p)
	require.NoError(t, err)
	b, err := clientkey.EncryptBlock(seeded(3), k, 1)
	require.NoError(t, err)
	b.NoiseLevel = 6
	_, err = tfhe.NewFheUint(p, []tfhe.Block{b}).MarshalBinary()
	require.ErrorIs(t, err, tfhe.ErrMalformed)
	b.NoiseLevel, b.Data = 1, b.Data[8:]
	_, err = tfhe.NewFheUint(p, []tfhe.Block{b}).MarshalBinary()
	require.ErrorIs(t, err, tfhe.ErrParameters)
	k.PKE[5] = 2
	_, err = k.MarshalBinary()
	require.ErrorIs(t, err, tfhe.ErrMalformed)
	_, err = tfhe.NewCompactPublicKey(p, make([]uint64, 3), make([]uint64, p.PKEDimension))
	require.ErrorIs(t, err, tfhe.ErrParameters)
	_, err = tfhe.NewCompressedCompactPublicKey(p, tfhe.Seed{}, make([]uint64, 3))
	require.ErrorIs(t, err, tfhe.ErrParameters)
	for _, seed := range []tfhe.Seed{{XOF: []byte{}}, {XOF: make([]byte, 2000)}, {Byte: 16}} {
		pk, err := tfhe.NewCompressedCompactPublicKey(p, seed, make([]uint64, p.PKEDimension))
		require.NoError(t, err)
		_, err = pk.MarshalBinary()
		require.ErrorIs(t, err, tfhe.ErrMalformed)
	}
	f := tfhe.NewFheUint(p, nil)
	f.Tag = make([]byte, 5000)
	_, err = f.MarshalBinary()
	require.ErrorIs(t, err, tfhe.ErrMalformed)
}

func TestAListThatDoesNotAddUpIsNotWritten(t *testing.T) {
	p := tfhe.Test()
	k, err := clientkey.Generate(seeded(3), p)
	require.NoError(t, err)
	pk, err := clientkey.PublicKey(seeded(3), k)
	require.NoError(t, err)
	for name, change := range map[string]func(*tfhe.CompactCiphertextList){
		"empty":        func(l *tfhe.CompactCiphertextList) { l.Data, l.Count, l.Values = nil, 0, nil },
		"a word short": func(l *tfhe.CompactCiphertextList) { l.Data = l.Data[8:] },
		"a word long":  func(l *tfhe.CompactCiphertextList) { l.Data = append(l.Data, make([]byte, 8)...) },
		"a value without blocks": func(l *tfhe.CompactCiphertextList) {
			l.Values = []tfhe.ListValue{{Blocks: 0}, {Blocks: 4}}
		},
		"blocks that add up by overflow": func(l *tfhe.CompactCiphertextList) {
			l.Values = []tfhe.ListValue{{Blocks: math.MinInt64}, {Blocks: math.MinInt64 + 4}}
		},
		"more blocks": func(l *tfhe.CompactCiphertextList) { l.Values = append(l.Values, tfhe.ListValue{Boolean: true}) },
	} {
		l, err := pk.Encrypt(seeded(3), tfhe.EUint8, big.NewInt(1), false)
		require.NoError(t, err)
		change(l)
		_, err = l.MarshalBinary()
		require.ErrorIs(t, err, tfhe.ErrMalformed, name)
	}
}

// fuzzKind takes samples of a few words: longer ones take too long to minimize.
func fuzzKind(f *testing.F, names ...string) {
	s := samplesOf(f, tiny())
	for _, name := range names {
		f.Add(s[name])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		again, err := remarshal(data, tiny())
		if err == nil && !bytes.Equal(data, again) {
			t.Fatal("accepted bytes are not written back as they were")
		}
	})
}

func FuzzClientKey(f *testing.F) { fuzzKind(f, "client key") }

func FuzzCompactPublicKey(f *testing.F) { fuzzKind(f, "public key") }

func FuzzCompressedCompactPublicKey(f *testing.F) {
	fuzzKind(f, "compressed public key", "compressed public key, extendable seed")
}

func FuzzCompactCiphertextList(f *testing.F) { fuzzKind(f, "list", "packed list") }

func FuzzProvenCompactCiphertextList(f *testing.F) { fuzzKind(f, "proven list") }

func FuzzFheBool(f *testing.F) { fuzzKind(f, "FheBool") }

func FuzzFheUint(f *testing.F) { fuzzKind(f, "FheUint") }

func FuzzCompressedCiphertextList(f *testing.F) { fuzzKind(f, "compressed list") }

func FuzzSquashedNoiseFheBool(f *testing.F) { fuzzKind(f, "squashed FheBool") }

func FuzzSquashedNoiseFheUint(f *testing.F) { fuzzKind(f, "squashed FheUint") }

func FuzzCompressedSquashedNoiseCiphertextList(f *testing.F) { fuzzKind(f, "compressed squashed list") }

func FuzzDecode(f *testing.F) {
	p := tiny()
	for _, data := range samplesOf(f, p) {
		f.Add(data, byte(tfhe.EUint8))
	}
	f.Fuzz(func(t *testing.T, data []byte, typ byte) {
		c, err := tfhe.Decode(data, tfhe.Type(typ), p)
		if err != nil {
			return
		}
		// Whatever was accepted can be used without a panic.
		mask, wideMask := make([]uint64, c.Dimension()), make([]wide.Word, c.Dimension())
		values := make([]uint64, c.Len())
		for i := range values {
			if c.Wide() {
				values[i] = c.LWEWide(i, wideMask).Hi
			} else {
				values[i] = c.LWE(i, mask) >> (64 - p.SwitchBits)
			}
		}
		v, err := c.Recompose(values)
		if err != nil || !c.Type().Fits(v) {
			t.Fatalf("recomposed %v as %v: %v", v, c.Type(), err)
		}
	})
}
