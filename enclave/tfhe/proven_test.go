package tfhe_test

import (
	"bytes"
	"encoding/binary"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/clientkey"
)

func TestValuesOfAProvenListDecryptOneByOne(t *testing.T) {
	for _, v := range []struct {
		file, key string
		types     []tfhe.Type
		values    []string
	}{
		{
			"node/proven_1_4.bin", "node/client_key.bin",
			[]tfhe.Type{tfhe.EUint64, tfhe.EUint8, tfhe.EUint160, tfhe.EBool},
			[]string{"81985529216486895", "200", "730750818665451459101842416358141509827966276148", "1"},
		},
		{"go/proven_1_7.bin", "go/client_key.bin", []tfhe.Type{tfhe.EUint8, tfhe.EBool}, []string{"99", "1"}},
	} {
		list, err := tfhe.UnmarshalProvenCompactCiphertextList(readVector(t, v.file), tfhe.Production())
		require.NoError(t, err)
		types, err := list.Types()
		require.NoError(t, err)
		require.Equal(t, v.types, types)
		parts, err := list.Split()
		require.NoError(t, err)
		require.Len(t, parts, len(v.types))
		k := readClientKey(t, v.key)
		for i, part := range parts {
			data, err := part.MarshalBinary()
			require.NoError(t, err)
			c, err := tfhe.Decode(data, v.types[i], tfhe.Production())
			require.NoError(t, err)
			require.True(t, c.CarryClean())
			got, err := clientkey.Decrypt(k, c)
			require.NoError(t, err)
			require.Equal(t, v.values[i], got.String(), "%s value %d", v.file, i)
		}
	}
}

func TestValuesThatShareACiphertextAreNotSplit(t *testing.T) {
	list, err := tfhe.UnmarshalProvenCompactCiphertextList(readVector(t, "node/proven_shared_1_4.bin"), tfhe.Production())
	require.NoError(t, err)
	types, err := list.Types()
	require.NoError(t, err)
	require.Equal(t, []tfhe.Type{tfhe.EUint8, tfhe.EBool, tfhe.EUint64}, types)
	_, err = list.Split()
	require.ErrorIs(t, err, tfhe.ErrSplit)
}

func TestAValueBeyondItsChunkOrItsListIsNotSplit(t *testing.T) {
	coins, p := seeded(20), tfhe.Test()
	k, err := clientkey.Generate(coins, p)
	require.NoError(t, err)
	pk, err := clientkey.PublicKey(coins, k)
	require.NoError(t, err)
	long, err := pk.Encrypt(coins, tfhe.EUint1024, big.NewInt(1), false) // two chunks of 256
	require.NoError(t, err)
	data := proven(t, marshal(t, long))
	list, err := tfhe.UnmarshalProvenCompactCiphertextList(data, p)
	require.NoError(t, err)
	_, err = list.Split()
	require.ErrorIs(t, err, tfhe.ErrSplit)

	// Two lists of four blocks hold a value of eight.
	short, err := pk.Encrypt(coins, tfhe.EUint8, big.NewInt(1), false)
	require.NoError(t, err)
	list, err = tfhe.UnmarshalProvenCompactCiphertextList(proven(t, marshal(t, short)), p)
	require.NoError(t, err)
	list.Lists = append(list.Lists, list.Lists[0])
	list.Values = []tfhe.ListValue{{Blocks: 4}, {Blocks: 4}}
	data = marshal(t, list)
	both, err := tfhe.UnmarshalProvenCompactCiphertextList(data, p)
	require.NoError(t, err)
	parts, err := both.Split()
	require.NoError(t, err)
	require.Equal(t, marshal(t, short), marshal(t, parts[1]))
	list.Values = []tfhe.ListValue{{Blocks: 8}}
	_, err = list.Split()
	require.ErrorIs(t, err, tfhe.ErrSplit)
	list.Values = []tfhe.ListValue{{Blocks: 3}, {Blocks: 4}}
	_, err = list.MarshalBinary()
	require.ErrorIs(t, err, tfhe.ErrMalformed)
}

func marshal(t *testing.T, m interface{ MarshalBinary() ([]byte, error) }) []byte {
	t.Helper()
	data, err := m.MarshalBinary()
	require.NoError(t, err)
	return data
}

func TestProofsAreReadForTheirForm(t *testing.T) {
	data := samples(t)["proven list"]
	proof := len(data) - 24 - 12 - proofSize
	point := proof + 12 // the first point is over the extension field
	u32 := func(b []byte, i int, v uint32) { binary.LittleEndian.PutUint32(b[i:], v) }
	u64 := func(b []byte, i int, v uint64) { binary.LittleEndian.PutUint64(b[i:], v) }
	for name, c := range map[string]struct {
		change func(b []byte)
		reason error
	}{
		"scheme V1":            {func(b []byte) { u32(b, proof+4, 0) }, tfhe.ErrParameters},
		"tag of release 1.4":   {func(b []byte) { u32(b, proof+8, 2) }, tfhe.ErrVersion},
		"expansion kind alone": {func(b []byte) { u32(b, proof-8, 0) }, tfhe.ErrVersion},
		"unknown expansion":    {func(b []byte) { u32(b, proof-8, 2) }, tfhe.ErrVersion},
		"point at infinity":    {func(b []byte) { u32(b, point+4, 0) }, tfhe.ErrParameters},
		"compressed point":     {func(b []byte) { u32(b, point+4, 1) }, tfhe.ErrParameters},
		"six words":            {func(b []byte) { u64(b, point+16, 6) }, tfhe.ErrMalformed},
		"enormous coordinate":  {func(b []byte) { u64(b, point+16, 1<<60) }, tfhe.ErrTruncated},
		"unreduced coordinate": {func(b []byte) { u64(b, point+24+48, 1<<62-1) }, tfhe.ErrMalformed},
		"the field's order": {func(b []byte) {
			modulus, _ := new(big.Int).SetString("172824703542857155980071276579495962243492693522789898437834836356385656662277472896902502740297183690175962001546428467344062165330603", 10)
			modulus.FillBytes(b[point+24 : point+24+56])
			for i, j := point+24, point+24+55; i < j; i, j = i+1, j-1 {
				b[i], b[j] = b[j], b[i]
			}
		}, tfhe.ErrMalformed},
		"compute load fields": {func(b []byte) { b[proof+proofSize-9] = 1 }, tfhe.ErrMalformed},
		"another hash":        {func(b []byte) { u32(b, proof+proofSize-4, 1) }, tfhe.ErrParameters},
	} {
		changed := bytes.Clone(data)
		c.change(changed)
		_, err := tfhe.UnmarshalProvenCompactCiphertextList(changed, tfhe.Test())
		require.ErrorIs(t, err, c.reason, name)
	}
	list, err := tfhe.UnmarshalProvenCompactCiphertextList(data, tfhe.Test())
	require.NoError(t, err)
	list.Lists[0].Proof = append(bytes.Clone(list.Lists[0].Proof), 0)
	_, err = list.MarshalBinary()
	require.ErrorIs(t, err, tfhe.ErrTrailing)
}

func TestReleasesDifferInTheTagThatChanged(t *testing.T) {
	data := readVector(t, "node/compact_pk.bin")
	pk, err := tfhe.UnmarshalCompactPublicKey(data, tfhe.Production())
	require.NoError(t, err)
	older, err := pk.MarshalRelease(tfhe.Release1_4)
	require.NoError(t, err)
	want := bytes.Clone(data)
	want[len(want)-28] = 0
	require.True(t, bytes.Equal(want, older))
	_, err = tfhe.UnmarshalCompactPublicKey(older, tfhe.Production())
	require.ErrorIs(t, err, tfhe.ErrVersion, "one key has one encoding here")
}
