package tfhe_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/clientkey"
)

func TestObjectsHaveTheSizesThatTFHErsGivesThem(t *testing.T) {
	size := func(p tfhe.Parameters, o tfhe.Object) int64 {
		l, err := p.Layout(o, [16]byte{1})
		require.NoError(t, err)
		return l.Size()
	}
	require.Equal(t, int64(511_395_873), size(tfhe.Production(), tfhe.ObjectServerKey))
	require.Equal(t, int64(511_412_577), size(tfhe.Production(), tfhe.ObjectXofKeySet))
	// TFHE-rs' own default configuration has no re-randomization, and four parts under
	// plain seeds, which are 16 bytes shorter.
	const reRandomization = 16_660
	require.Equal(t, int64(60_293_973+4*16+reRandomization), size(tfhe.ProductionCompute(), tfhe.ObjectServerKey))
	require.Equal(t, int64(7_229_473), size(tfhe.Test(), tfhe.ObjectServerKey))
	require.Equal(t, int64(7_231_841), size(tfhe.Test(), tfhe.ObjectXofKeySet))
}

// TestBodiesLieWhereTFHErsHasThem has the offsets of a production key set that
// TFHE-rs read, and wrote back as it was.
func TestBodiesLieWhereTFHErsHasThem(t *testing.T) {
	p := tfhe.Production()
	l, err := p.Layout(tfhe.ObjectXofKeySet, [16]byte{})
	require.NoError(t, err)
	for c, want := range map[tfhe.Component]struct{ offset, words int64 }{
		tfhe.ComponentPublicKey:            {141 + 8, 2048},
		tfhe.ComponentKeySwitch:            {16_805 + 8, 8192},
		tfhe.ComponentBootstrap:            {82_517 + 8, 3_760_128},
		tfhe.ComponentCasting:              {30_163_790 + 8, 8192},
		tfhe.ComponentCompression:          {30_229_516 + 8, 1_572_864},
		tfhe.ComponentDecompression:        {42_812_649 + 8, 4_194_304},
		tfhe.ComponentSquashing:            {76_367_310 + 8, 16_920_576},
		tfhe.ComponentSquashingCompression: {347_096_771 + 8, 8_388_608},
		tfhe.ComponentReRandomization:      {481_314_708 + 8, 2048},
		tfhe.ComponentOPRF:                 {481_331_369 + 8, 3_760_128},
	} {
		at, ok := l.Offset(c)
		require.True(t, ok)
		require.Equal(t, want.offset, at, "%v", c)
		part, ok := p.Part(c)
		require.True(t, ok)
		require.Equal(t, want.words, int64(part.Rows())*int64(part.BodyWords()), "%v", c)
	}
	_, ok := l.Offset(99)
	require.False(t, ok)
}

func TestASetHasTheSecretsOfItsComponents(t *testing.T) {
	count := func(p tfhe.Parameters) (bits int) {
		for _, s := range p.Secrets() {
			bits += p.Dimension(s)
		}
		return bits
	}
	p := tfhe.Production()
	require.Equal(t, 2048+2048+918+1024+4096+6144+918, count(p))
	require.Equal(t, uint(128), p.SecretWidth(tfhe.SecretSmall), "its bits are in the squashing key")
	require.Equal(t, uint(64), p.SecretWidth(tfhe.SecretOPRF))
	compute := tfhe.ProductionCompute()
	require.Equal(t, 2048+2048+918+918, count(compute))
	require.Equal(t, uint(64), compute.SecretWidth(tfhe.SecretSmall))
	require.Equal(t, []tfhe.Secret{tfhe.SecretPKE, tfhe.SecretCompute, tfhe.SecretSmall}, tfhe.ProductionPKE().Secrets())
	require.Len(t, tfhe.ProductionPKE().Parts(), 1)
	require.Len(t, p.Parts(), 10)

	// Products of two secret bits, and exact and 128-bit noise, of a production set.
	products, narrow, wideNoise, masks := 0, 0, 0, 0
	for _, part := range p.Parts() {
		if part.Kind == tfhe.PartGGSW {
			products += part.Inputs * part.Polynomials * part.Degree
		}
		bits := part.Rows() * part.BodyWords() * int(part.Noise+2)
		if part.Width == 64 {
			narrow += bits
		} else {
			wideNoise += bits
		}
		masks += part.Rows() * part.MaskWords() * int(part.Width/8)
	}
	require.Equal(t, 9_617_408, products)
	require.Equal(t, 294_203_392, narrow)
	require.Equal(t, 583_401_472, wideNoise)
	require.Equal(t, 1_611_169_792, masks)
}

func TestRowsComeInTheOrderOfTheObject(t *testing.T) {
	squashing, ok := tfhe.Production().Part(tfhe.ComponentSquashing)
	require.True(t, ok)
	row := func(r int) [3]int {
		bit, level, poly := squashing.Row(r)
		return [3]int{bit, level, poly}
	}
	require.Equal(t, [3]int{0, 3, 0}, row(0))
	require.Equal(t, [3]int{0, 3, 2}, row(2))
	require.Equal(t, [3]int{0, 2, 0}, row(3))
	require.Equal(t, [3]int{1, 1, 1}, row(9+7))
	require.Equal(t, [3]int{917, 1, 2}, row(squashing.Rows()-1))
	require.Equal(t, uint(128-24*3), squashing.Exponent(3))
	require.Panics(t, func() { squashing.Row(-1) })
	require.Panics(t, func() { squashing.Row(squashing.Rows()) })
	pk, ok := tfhe.Production().Part(tfhe.ComponentPublicKey)
	require.True(t, ok)
	require.Equal(t, 1, pk.Rows())
}

func TestAllComponentsShareOneStreamOfMasks(t *testing.T) {
	odd := tfhe.Test()
	odd.LWEDimension = 33 // masks of the key switch end within a block of the cipher
	for _, p := range []tfhe.Parameters{tfhe.Test(), odd} {
		seed, words := [16]byte{9}, 0
		for _, part := range p.Parts() {
			words += part.Rows() * part.MaskWords() * int(part.Width/64)
		}
		stream := tfhe.ExpandMask(tfhe.KeySetSeed(seed), words)
		for _, part := range p.Parts() {
			masks, err := p.Masks(seed, part.Component)
			require.NoError(t, err)
			n := part.MaskWords()
			if part.Width == 64 {
				row := make([]uint64, n)
				for r := range part.Rows() {
					masks.Row(r, row)
					require.Equal(t, stream[r*n:(r+1)*n], row, "%v row %d", part.Component, r)
				}
				stream = stream[part.Rows()*n:]
				require.Panics(t, func() { masks.RowWide(0, make([]wide.Word, n)) })
				require.Panics(t, func() { masks.Row(part.Rows(), row) })
				require.Panics(t, func() { masks.Row(0, make([]uint64, n+1)) })
				continue
			}
			all := make([]wide.Word, part.Rows()*n)
			masks.RowWide(0, all)
			for i, w := range all {
				require.Equal(t, wide.Word{Lo: stream[2*i], Hi: stream[2*i+1]}, w)
			}
			stream = stream[2*len(all):]
		}
		require.Empty(t, stream)
	}
	_, err := tfhe.ProductionPKE().Masks([16]byte{}, tfhe.ComponentBootstrap)
	require.ErrorIs(t, err, tfhe.ErrParameters)
}

func TestTheMaskOfThePublicKeyIsTheSameInEverySet(t *testing.T) {
	want := tfhe.ExpandMask(tfhe.KeySetSeed([16]byte{4}), 2048)
	for _, p := range []tfhe.Parameters{tfhe.Production(), tfhe.ProductionCompute(), tfhe.ProductionPKE()} {
		masks, err := p.Masks([16]byte{4}, tfhe.ComponentPublicKey)
		require.NoError(t, err)
		got := make([]uint64, 2048)
		masks.Row(0, got)
		require.Equal(t, want, got)
	}
}

// tiny is a set whose objects have few bytes that are not the skeleton's.
func tiny() tfhe.Parameters {
	p := tfhe.Test()
	p.LWEDimension, p.PolynomialSize, p.PKEDimension = 1, 2, 2
	p.Compression.PolynomialSize, p.Squashing.PolynomialSize, p.SquashingCompression.PolynomialSize = 2, 2, 2
	p.Compression.LWEsPerGLWE, p.SquashingCompression.LWEsPerGLWE = 2, 2
	return p
}

// buffer is a file in memory.
type buffer []byte

func (b buffer) WriteAt(p []byte, at int64) (int, error) { return copy(b[at:], p), nil }

// tinyObject returns an object of the tiny set with random bodies.
func tinyObject(t testing.TB, o tfhe.Object, seed [16]byte) (buffer, *tfhe.Layout) {
	t.Helper()
	l, err := tiny().Layout(o, seed)
	require.NoError(t, err)
	b := make(buffer, l.Size())
	_, err = rand.Read(b)
	require.NoError(t, err)
	require.NoError(t, l.WriteSkeleton(b))
	return b, l
}

func open(b []byte, p tfhe.Parameters) (*tfhe.KeySet, error) {
	return tfhe.OpenKeySet(bytes.NewReader(b), int64(len(b)), p)
}

func TestNothingButBodiesAndSeedMayDiffer(t *testing.T) {
	for _, o := range []tfhe.Object{tfhe.ObjectXofKeySet, tfhe.ObjectServerKey} {
		b, l := tinyObject(t, o, [16]byte{0: 5, 15: 6})
		set, err := open(b, tiny())
		require.NoError(t, err)
		require.Equal(t, [16]byte{0: 5, 15: 6}, set.Seed())
		body := make([]bool, len(b))
		for _, part := range tiny().Parts() {
			at, ok := l.Offset(part.Component)
			require.Equal(t, ok, set.Has(part.Component))
			if ok {
				for i := range part.Rows() * part.BodyWords() * int(part.Width/8) {
					body[int(at)+i] = true
				}
			}
		}
		for i := range b {
			changed := bytes.Clone(b)
			changed[i] ^= 0x40
			_, err := open(changed, tiny())
			if body[i] {
				require.NoError(t, err, "body at %d", i)
			} else {
				// One copy of the seed alone does not change it either.
				require.Error(t, err, "%v changed at %d", o, i)
			}
		}
		for n := range b {
			_, err := open(b[:n], tiny())
			require.Error(t, err, "cut to %d bytes", n)
		}
		_, err = open(b[:len(b)-1], tiny())
		require.ErrorIs(t, err, tfhe.ErrTruncated)
		_, err = open(append(bytes.Clone(b), 0), tiny())
		require.ErrorIs(t, err, tfhe.ErrTrailing)
		for _, p := range []tfhe.Parameters{tfhe.Test(), tfhe.Production(), tfhe.ProductionCompute(), tfhe.ProductionPKE()} {
			_, err = open(b, p)
			require.Error(t, err, p.Name)
		}
		other := tiny()
		other.Squashing.Noise++
		_, err = open(b, other)
		require.NoError(t, err, "noise bounds of the server key are not in it")
		other.Compression.StorageLog++
		_, err = open(b, other)
		require.ErrorIs(t, err, tfhe.ErrParameters)
	}
	_, err := open(readVector(t, "node/compact_pk.bin"), tfhe.Production())
	require.ErrorIs(t, err, tfhe.ErrKind)
	_, err = open([]byte("no header"), tfhe.Production())
	require.Error(t, err)
}

func TestBodiesAreReadRowByRow(t *testing.T) {
	b, l := tinyObject(t, tfhe.ObjectServerKey, [16]byte{})
	set, err := open(b, tiny())
	require.NoError(t, err)
	at, _ := l.Offset(tfhe.ComponentBootstrap)
	row := make([]uint64, 2)
	require.NoError(t, set.Body(tfhe.ComponentBootstrap, 1, row))
	require.Equal(t, tfhe.Words(b[at+16:at+32]).Uint64s(), row)
	at, _ = l.Offset(tfhe.ComponentSquashing)
	rows := make([]wide.Word, 4)
	require.NoError(t, set.BodyWide(tfhe.ComponentSquashing, 1, rows))
	require.Equal(t, tfhe.NewWideWords(rows), tfhe.WideWords(b[at+32:at+96]))

	require.ErrorIs(t, set.Body(tfhe.ComponentPublicKey, 0, row), tfhe.ErrParameters, "a server key has none")
	_, err = set.CompactPublicKey()
	require.ErrorIs(t, err, tfhe.ErrParameters)
	require.ErrorIs(t, set.Body(tfhe.ComponentSquashing, 0, row), tfhe.ErrParameters)
	require.ErrorIs(t, set.BodyWide(tfhe.ComponentBootstrap, 0, rows), tfhe.ErrParameters)
	require.Panics(t, func() { _ = set.Body(tfhe.ComponentBootstrap, 2, row) })
	require.Panics(t, func() { _ = set.Body(tfhe.ComponentBootstrap, 0, make([]uint64, 3)) })

	b = b[:at]
	short, err := tfhe.OpenKeySet(&failing{bytes.NewReader(b), math.MaxInt64}, int64(len(b)), tiny())
	require.ErrorIs(t, err, tfhe.ErrTruncated)
	require.Nil(t, short)
}

var errDisk = errors.New("disk")

// failing fails after some reads.
type failing struct {
	io.ReaderAt
	reads int
}

func (f *failing) ReadAt(p []byte, at int64) (int, error) {
	if f.reads--; f.reads < 0 {
		return 0, errDisk
	}
	return f.ReaderAt.ReadAt(p, at)
}

func (f *failing) WriteAt([]byte, int64) (int, error) { return 0, errDisk }

func TestErrorsOfTheFileArePassedOn(t *testing.T) {
	b, l := tinyObject(t, tfhe.ObjectXofKeySet, [16]byte{})
	require.ErrorIs(t, l.WriteSkeleton(&failing{}), errDisk)
	var err error
	for reads := 0; ; reads++ {
		var set *tfhe.KeySet
		f := &failing{bytes.NewReader(b), reads}
		if set, err = tfhe.OpenKeySet(f, int64(len(b)), tiny()); err == nil {
			require.ErrorIs(t, set.Body(tfhe.ComponentBootstrap, 0, make([]uint64, 2)), errDisk)
			return
		}
		require.ErrorIs(t, err, errDisk)
		require.Less(t, reads, 100)
	}
}

func TestASetWithoutAServerKeyHasNoObjects(t *testing.T) {
	for _, o := range []tfhe.Object{tfhe.ObjectXofKeySet, tfhe.ObjectServerKey} {
		_, err := tfhe.ProductionPKE().Layout(o, [16]byte{})
		require.ErrorIs(t, err, tfhe.ErrParameters)
	}
	_, err := tfhe.Test().Layout(7, [16]byte{})
	require.ErrorIs(t, err, tfhe.ErrKind)
	require.Equal(t, "CompressedXofKeySet", tfhe.ObjectXofKeySet.String())
	require.Equal(t, "CompressedServerKey", tfhe.ObjectServerKey.String())
}

func TestThePublicKeyOfAKeySetEncrypts(t *testing.T) {
	p := tfhe.Test()
	k, err := clientkey.Generate(seeded(40), p)
	require.NoError(t, err)
	l, err := p.Layout(tfhe.ObjectXofKeySet, [16]byte{2})
	require.NoError(t, err)
	b := make(buffer, l.Size())
	require.NoError(t, clientkey.WriteKeySet(seeded(41), k, [16]byte{2}, tfhe.ObjectXofKeySet, b))
	set, err := open(b, p)
	require.NoError(t, err)
	pk, err := set.CompactPublicKey()
	require.NoError(t, err)
	value := randomValue(t, seeded(42), tfhe.EUint64)
	list, err := pk.Encrypt(seeded(43), tfhe.EUint64, value, true)
	require.NoError(t, err)
	c, err := list.Ciphertext(0)
	require.NoError(t, err)
	got, err := clientkey.Decrypt(k, c)
	require.NoError(t, err)
	require.Equal(t, value, got)
}

func FuzzOpenKeySet(f *testing.F) {
	for _, o := range []tfhe.Object{tfhe.ObjectXofKeySet, tfhe.ObjectServerKey} {
		b, _ := tinyObject(f, o, [16]byte{1})
		f.Add([]byte(b))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := open(data, tiny())
		if err != nil {
			return
		}
		// Whatever was accepted has every row.
		for _, part := range tiny().Parts() {
			if set.Has(part.Component) && part.Width == 64 {
				if err := set.Body(part.Component, 0, make([]uint64, part.Rows()*part.BodyWords())); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func BenchmarkMasks(b *testing.B) {
	p := tfhe.Production()
	masks, err := p.Masks([16]byte{}, tfhe.ComponentBootstrap)
	require.NoError(b, err)
	row := make([]uint64, 2048)
	b.SetBytes(8 * 2048)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		masks.Row(i%1836, row)
	}
}

func BenchmarkWideMasks(b *testing.B) {
	p := tfhe.Production()
	masks, err := p.Masks([16]byte{}, tfhe.ComponentSquashing)
	require.NoError(b, err)
	row := make([]wide.Word, 4096)
	b.SetBytes(16 * 4096)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		masks.RowWide(i%8262, row)
	}
}
