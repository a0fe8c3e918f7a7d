package keeper_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"
)

// BenchmarkVerifyPublicDecryption verifies one handle under four validators: with seals, and with a header
// whose seals were checked before.
func BenchmarkVerifyPublicDecryption(b *testing.B) {
	f := newFixture(b)
	proof := f.fresh(20, f.one)
	handles := words(f.one)
	b.Run("new header", func(b *testing.B) {
		for b.Loop() {
			ctx, _ := f.ctx.CacheContext()
			_, err := f.keeper.VerifyPublicDecryption(ctx, 31337, proof, handles, nil)
			require.NoError(b, err)
		}
	})
	_, err := f.keeper.VerifyPublicDecryption(f.ctx, 31337, proof, handles, nil)
	require.NoError(b, err)
	b.Run("known header", func(b *testing.B) {
		for b.Loop() {
			_, err := f.keeper.VerifyPublicDecryption(f.ctx, 31337, proof, handles, nil)
			require.NoError(b, err)
		}
	})
	b.Run("eight handles", func(b *testing.B) {
		var many []common.Hash
		for i := range uint64(8) {
			h := f.chain.Handle(100+i, 5)
			f.chain.Allow(h)
			f.chain.Bind(h, digestOf("many"))
			many = append(many, h)
		}
		proof := f.fresh(21, many...)
		for b.Loop() {
			ctx, _ := f.ctx.CacheContext()
			_, err := f.keeper.VerifyPublicDecryption(ctx, 31337, proof, words(many...), nil)
			require.NoError(b, err)
		}
	})
}
