package qbft_test

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/x/acl/acltest"
	"github.com/tkms-network/tkms/x/acl/qbft"
)

// besuGenesisExtra is the extraData of the QBFT genesis example in Besu's documentation.
var besuGenesisExtra = common.FromHex("0xf87aa00000000000000000000000000000000000000000000000000000000000000000f8549464a702e6263b7297a96638cac6ae65e6541f4169943923390ad55e90c237593b3b0e401f3b08a0318594aefdb9a738c9f433e5b6b212a6d62f6370c2f69294c7eeb9a4e00ce683cf93039b212648e01c6c6b78c080c0")

func TestBesusDocumentedExtraDataDecodesAndEncodesByteForByte(t *testing.T) {
	extra, err := qbft.DecodeExtraData(besuGenesisExtra)
	require.NoError(t, err)
	require.Equal(t, []common.Address{
		common.HexToAddress("0x64a702e6263b7297a96638cac6ae65e6541f4169"),
		common.HexToAddress("0x3923390ad55e90c237593b3b0e401f3b08a03185"),
		common.HexToAddress("0xaefdb9a738c9f433e5b6b212a6d62f6370c2f692"),
		common.HexToAddress("0xc7eeb9a4e00ce683cf93039b212648e01c6c6b78"),
	}, extra.Validators)
	require.Nil(t, extra.Vote)
	require.Zero(t, extra.Round)
	require.Empty(t, extra.Seals)
	require.Equal(t, besuGenesisExtra, extra.Encode())
}

// layout is the extraData layout written a second time, as go-ethereum's reflective RLP
// encoder sees it.
type layout struct {
	Vanity     []byte
	Validators []common.Address
	Vote       []rlp.RawValue
	Round      uint32
	Seals      [][]byte
}

func mustEncode(t testing.TB, value any) []byte {
	t.Helper()
	b, err := rlp.EncodeToBytes(value)
	require.NoError(t, err)
	return b
}

func TestBothHashesAgreeWithGoEthereumsHeaderEncoding(t *testing.T) {
	chain := acltest.New(31337, 4, "hashes")
	header := chain.Header(7, 1_700_000_000)
	decoded, err := qbft.DecodeHeader(acltest.Seal(header, 3, chain.Validators, chain.Validators[:3]))
	require.NoError(t, err)

	hash := func(round uint32) common.Hash {
		copied := types.CopyHeader(header)
		copied.Extra = mustEncode(t, layout{
			Vanity: make([]byte, 32), Validators: acltest.Addresses(chain.Validators),
			Vote: []rlp.RawValue{}, Round: round, Seals: [][]byte{},
		})
		return copied.Hash()
	}
	require.Equal(t, hash(3), decoded.CommitDigest())
	require.Equal(t, hash(0), decoded.BlockHash())
	require.Equal(t, header.Root, decoded.StateRoot)
	require.Equal(t, header.ParentHash, decoded.ParentHash)
	require.Equal(t, uint64(7), decoded.Height)
	require.Equal(t, uint64(1_700_000_000), decoded.Time)
}

func TestTheBlockHashDependsOnNeitherSealsNorRound(t *testing.T) {
	chain := acltest.New(31337, 4, "identity")
	header := chain.Header(7, 1_700_000_000)
	one, err := qbft.DecodeHeader(acltest.Seal(header, 0, chain.Validators, chain.Validators[:3]))
	require.NoError(t, err)
	other, err := qbft.DecodeHeader(acltest.Seal(header, 2, chain.Validators, chain.Validators[1:]))
	require.NoError(t, err)
	require.Equal(t, one.BlockHash(), other.BlockHash())
	require.NotEqual(t, one.CommitDigest(), other.CommitDigest())
}

func TestHeadersOfEveryForkDecodeAndEncodeByteForByte(t *testing.T) {
	chain := acltest.New(31337, 4, "forks")
	for name, trim := range map[string]func(*types.Header){
		"prague": func(*types.Header) {},
		"cancun": func(h *types.Header) { h.RequestsHash = nil },
		"shanghai": func(h *types.Header) {
			h.RequestsHash, h.ParentBeaconRoot, h.BlobGasUsed, h.ExcessBlobGas = nil, nil, nil, nil
		},
		"berlin": func(h *types.Header) {
			h.RequestsHash, h.ParentBeaconRoot, h.BlobGasUsed, h.ExcessBlobGas = nil, nil, nil, nil
			h.WithdrawalsHash, h.BaseFee = nil, nil
		},
		"later": func(h *types.Header) {
			slot := uint64(9)
			h.BlockAccessListHash, h.SlotNumber = &common.Hash{1}, &slot
		},
	} {
		t.Run(name, func(t *testing.T) {
			header := chain.Header(7, 1_700_000_000)
			trim(header)
			sealed := acltest.Seal(header, 1, chain.Validators, chain.Validators)
			decoded, err := qbft.DecodeHeader(sealed)
			require.NoError(t, err)
			require.Equal(t, sealed, decoded.Encode())
			set, err := qbft.NewValidatorSet(acltest.Addresses(chain.Validators))
			require.NoError(t, err)
			require.NoError(t, decoded.Verify(set))
		})
	}
}

func TestVotesDecodeAndEncodeByteForByte(t *testing.T) {
	for _, vote := range []*qbft.Vote{nil, {Recipient: common.Address{1}, Add: true}, {Recipient: common.Address{2}}} {
		encoded := qbft.ExtraData{Vote: vote, Round: 1<<31 - 1}.Encode()
		decoded, err := qbft.DecodeExtraData(encoded)
		require.NoError(t, err)
		require.Equal(t, vote, decoded.Vote)
		require.Equal(t, encoded, decoded.Encode())
	}
}

func TestMalformedExtraDataIsRefused(t *testing.T) {
	valid := func() []any {
		return []any{make([]byte, 32), []common.Address{{1}, {2}}, []any{}, uint64(0), [][]byte{make([]byte, 65)}}
	}
	_, err := qbft.DecodeExtraData(mustEncode(t, valid()))
	require.NoError(t, err)

	many := make([]common.Address, qbft.MaxValidators+1)
	seals := make([][]byte, qbft.MaxValidators+1)
	for i := range many {
		many[i] = common.BigToAddress(big.NewInt(int64(i + 1)))
		seals[i] = make([]byte, 65)
	}
	for name, change := range map[string]func(items []any) []any{
		"vanity too short":    func(x []any) []any { x[0] = make([]byte, 31); return x },
		"vanity too long":     func(x []any) []any { x[0] = make([]byte, 33); return x },
		"vanity a list":       func(x []any) []any { x[0] = []any{}; return x },
		"address too short":   func(x []any) []any { x[1] = [][]byte{make([]byte, 19)}; return x },
		"validators a string": func(x []any) []any { x[1] = make([]byte, 20); return x },
		"duplicate validator": func(x []any) []any { x[1] = []common.Address{{1}, {2}, {1}}; return x },
		"zero validator":      func(x []any) []any { x[1] = []common.Address{{1}, {}}; return x },
		"too many validators": func(x []any) []any { x[1] = many; return x },
		"half a vote":         func(x []any) []any { x[2] = []any{common.Address{1}}; return x },
		"vote of three":       func(x []any) []any { x[2] = []any{common.Address{1}, []byte{}, []byte{}}; return x },
		"vote as null":        func(x []any) []any { x[2] = []byte{}; return x },
		"vote type zero byte": func(x []any) []any { x[2] = []any{common.Address{1}, []byte{0}}; return x },
		"vote type unknown":   func(x []any) []any { x[2] = []any{common.Address{1}, []byte{1}}; return x },
		"vote type too long":  func(x []any) []any { x[2] = []any{common.Address{1}, []byte{0xff, 0xff}}; return x },
		"vote for nobody":     func(x []any) []any { x[2] = []any{[]byte{}, []byte{0xff}}; return x },
		"round too large":     func(x []any) []any { x[3] = uint64(1 << 31); return x },
		"round with zeros":    func(x []any) []any { x[3] = []byte{0, 1}; return x },
		"round a list":        func(x []any) []any { x[3] = []any{}; return x },
		"seal too short":      func(x []any) []any { x[4] = [][]byte{make([]byte, 64)}; return x },
		"seal too long":       func(x []any) []any { x[4] = [][]byte{make([]byte, 66)}; return x },
		"too many seals":      func(x []any) []any { x[4] = seals; return x },
		"four items":          func(x []any) []any { return x[:4] },
		"six items":           func(x []any) []any { return append(x, []any{}) },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := qbft.DecodeExtraData(mustEncode(t, change(valid())))
			require.ErrorIs(t, err, qbft.ErrMalformed)
		})
	}
	t.Run("trailing byte", func(t *testing.T) {
		_, err := qbft.DecodeExtraData(append(mustEncode(t, valid()), 0))
		require.ErrorIs(t, err, qbft.ErrMalformed)
	})
	t.Run("empty", func(t *testing.T) {
		_, err := qbft.DecodeExtraData(nil)
		require.ErrorIs(t, err, qbft.ErrMalformed)
	})
	t.Run("length with more bytes than it needs", func(t *testing.T) {
		_, err := qbft.DecodeExtraData([]byte{0xf8, 0x01, 0x80})
		require.ErrorIs(t, err, qbft.ErrMalformed)
	})
}

func TestMalformedHeadersAreRefused(t *testing.T) {
	chain := acltest.New(31337, 4, "malformed")
	var fields []rlp.RawValue
	require.NoError(t, rlp.DecodeBytes(chain.Sealed(7, 1_700_000_000), &fields))
	encode := func(change func(f []rlp.RawValue) []rlp.RawValue) []byte {
		return mustEncode(t, change(append([]rlp.RawValue(nil), fields...)))
	}
	set := func(i int, value any) func(f []rlp.RawValue) []rlp.RawValue {
		return func(f []rlp.RawValue) []rlp.RawValue { f[i] = mustEncode(t, value); return f }
	}
	for name, change := range map[string]func(f []rlp.RawValue) []rlp.RawValue{
		"parent hash short":     set(0, make([]byte, 31)),
		"ommers hash long":      set(1, make([]byte, 33)),
		"coinbase short":        set(2, make([]byte, 19)),
		"state root short":      set(3, make([]byte, 31)),
		"state root a list":     set(3, []any{}),
		"transaction root long": set(4, make([]byte, 33)),
		"receipt root short":    set(5, make([]byte, 31)),
		"bloom short":           set(6, make([]byte, 255)),
		"difficulty 9 bytes":    set(7, bytes.Repeat([]byte{1}, 9)),
		"number with zeros":     set(8, []byte{0, 7}),
		"number 9 bytes":        set(8, bytes.Repeat([]byte{1}, 9)),
		"gas limit a list":      set(9, []any{}),
		"gas used with zeros":   set(10, []byte{0}),
		"time with zeros":       set(11, []byte{0, 0}),
		"extra a list":          set(12, []any{}),
		"extra empty":           set(12, []byte{}),
		"mix hash short":        set(13, make([]byte, 31)),
		"nonce short":           set(14, make([]byte, 7)),
		"base fee 33 bytes":     set(15, bytes.Repeat([]byte{1}, 33)),
		"appended list":         func(f []rlp.RawValue) []rlp.RawValue { return append(f, mustEncode(t, []any{})) },
		"14 fields":             func(f []rlp.RawValue) []rlp.RawValue { return f[:14] },
		"25 fields": func(f []rlp.RawValue) []rlp.RawValue {
			for len(f) < 25 {
				f = append(f, mustEncode(t, uint64(1)))
			}
			return f
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := qbft.DecodeHeader(encode(change))
			require.ErrorIs(t, err, qbft.ErrMalformed)
		})
	}
	t.Run("trailing byte", func(t *testing.T) {
		_, err := qbft.DecodeHeader(append(chain.Sealed(7, 1), 0))
		require.ErrorIs(t, err, qbft.ErrMalformed)
	})
	t.Run("cut off anywhere", func(t *testing.T) {
		whole := chain.Sealed(7, 1)
		for n := range whole {
			_, err := qbft.DecodeHeader(whole[:n])
			require.ErrorIs(t, err, qbft.ErrMalformed, "first %d bytes", n)
		}
	})
	t.Run("too large", func(t *testing.T) {
		_, err := qbft.DecodeHeader(make([]byte, qbft.MaxHeaderSize+1))
		require.ErrorIs(t, err, qbft.ErrMalformed)
		require.ErrorContains(t, err, "want at most 16384", "for its size, before anything is copied")
	})
}

func TestDecodingKeepsNoReferenceToTheInput(t *testing.T) {
	chain := acltest.New(31337, 4, "aliasing")
	sealed := chain.Sealed(7, 1_700_000_000)
	original := bytes.Clone(sealed)
	decoded, err := qbft.DecodeHeader(sealed)
	require.NoError(t, err)
	clear(sealed)
	require.Equal(t, original, decoded.Encode())
}

func FuzzDecodeHeader(f *testing.F) {
	chain := acltest.New(31337, 4, "fuzz")
	f.Add(chain.Sealed(7, 1_700_000_000))
	f.Add(acltest.Seal(chain.Header(1, 2), 9, acltest.Keys(1, "x"), nil))
	set, err := qbft.NewValidatorSet(acltest.Addresses(chain.Validators))
	require.NoError(f, err)
	genuine, err := qbft.DecodeHeader(chain.Sealed(7, 1_700_000_000))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := qbft.DecodeHeader(b)
		if err != nil {
			require.ErrorIs(t, err, qbft.ErrMalformed)
			return
		}
		require.Equal(t, b, h.Encode())
		require.Equal(t, crypto.Keccak256Hash(b) == h.CommitDigest(), len(h.Extra.Seals) == 0)
		if h.Verify(set) == nil {
			require.Equal(t, genuine.BlockHash(), h.BlockHash(), "a block that nobody sealed")
		}
	})
}

func FuzzDecodeExtraData(f *testing.F) {
	f.Add(besuGenesisExtra)
	f.Add(qbft.ExtraData{Vote: &qbft.Vote{Add: true}, Seals: make([]qbft.Seal, 2)}.Encode())
	f.Add(qbft.ExtraData{Vote: &qbft.Vote{}, Round: 5}.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		extra, err := qbft.DecodeExtraData(b)
		if err != nil {
			require.ErrorIs(t, err, qbft.ErrMalformed)
			return
		}
		require.Equal(t, b, extra.Encode())
	})
}
