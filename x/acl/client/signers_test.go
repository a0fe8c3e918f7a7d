package client_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/x/acl/acltest"
	"github.com/tkms-network/tkms/x/acl/client"
	"github.com/tkms-network/tkms/x/acl/qbft"
	"github.com/tkms-network/tkms/x/acl/slots"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
)

// committee are the signing addresses of n new parties.
func committee(n int) []common.Address { return acltest.Addresses(acltest.Keys(n, "parties")) }

func words(signers []common.Address) [][20]byte {
	out := make([][20]byte, len(signers))
	for i, s := range signers {
		out[i] = s
	}
	return out
}

// TestTheSlotsAreThoseOfThePublishedVerifier has the unmodified contract of @fhevm/host-contracts 0.10.0 define one
// context after another, larger and smaller ones, and reads its storage by proof.
func TestTheSlotsAreThoseOfThePublishedVerifier(t *testing.T) {
	f := setUp(t)
	var before []common.Address
	for _, key := range f.KMS {
		before = append(before, crypto.PubkeyToAddress(key.PublicKey))
	}
	current, threshold := before, uint32(3)
	check := func() {
		evidence, err := f.node.GatherSigners(f.Context, f.Record, words(current), threshold)
		require.NoError(t, err)
		require.Equal(t, f.Chain.Head().Number.Uint64(), evidence.Height)
		require.Equal(t, f.Chain.Head().Time, evidence.Time)
		require.False(t, evidence.NewValidators)

		reversed := slices.Clone(current)
		slices.Reverse(reversed)
		for name, other := range map[string][]common.Address{
			"one fewer": current[1:], "one more": append(slices.Clone(current), common.Address{1}), "reversed": reversed,
		} {
			_, err := f.node.GatherSigners(f.Context, f.Record, words(other), threshold)
			require.ErrorIs(t, err, client.ErrOtherSigners, name)
			require.ErrorIs(t, err, acltypes.ErrOtherSigners, name)
		}
		_, err = f.node.GatherSigners(f.Context, f.Record, words(current), threshold+1)
		require.ErrorIs(t, err, client.ErrOtherSigners, "another threshold")
	}
	check()
	for _, n := range []int{7, 16, 4} {
		earlier, wanted := current, threshold
		current, threshold = committee(n), uint32(2*((n-1)/3)+1)
		_, err := f.node.GatherSigners(f.Context, f.Record, words(current), threshold)
		require.ErrorIs(t, err, client.ErrOtherSigners, "before the owner defines them")
		require.NoError(t, f.Chain.SetKMSContext(f.Context, current, uint64(threshold)))
		check()
		_, err = f.node.GatherSigners(f.Context, f.Record, words(earlier), wanted)
		require.ErrorIs(t, err, client.ErrOtherSigners, "after it, those before")
	}
}

func TestEvidenceOfSignersThatTKMSWouldRefuseIsNotReturned(t *testing.T) {
	f := setUp(t)
	signers := committee(4)
	require.NoError(t, f.Chain.SetKMSContext(f.Context, signers, 3))
	for name, c := range map[string]struct {
		change func(*acltypes.HostChain)
		want   error
	}{
		"no verifier":                {func(r *acltypes.HostChain) { r.Verifier = nil }, client.ErrNoVerifier},
		"a layout that is not known": {func(r *acltypes.HostChain) { r.VerifierLayout = "fhevm-9" }, slots.ErrUnknownLayout},
		"other code than the registered": {func(r *acltypes.HostChain) {
			r.Verifier = &acltypes.Contract{Address: r.Verifier.Address, CodeHash: make([]byte, 32)}
		}, client.ErrBadAnswer},
		"another contract": {func(r *acltypes.HostChain) { r.Verifier = &acltypes.Contract{Address: r.Acl.Address} }, client.ErrOtherSigners},
		"no such contract": {func(r *acltypes.HostChain) { r.Verifier = &acltypes.Contract{Address: make([]byte, 20)} }, client.ErrBadAnswer},
	} {
		record := *f.Record
		c.change(&record)
		_, err := f.node.GatherSigners(f.Context, &record, words(signers), 3)
		require.ErrorIs(t, err, c.want, name)
	}
	for name, c := range map[string]struct {
		from, to string
		want     error
	}{
		"another state root":    {f.Chain.Head().Root.Hex(), common.Hash{1}.Hex(), qbft.ErrStranger},
		"no storage proof":      {`"storageProof":[`, `"storageProof":[],"other":[`, client.ErrBadAnswer},
		"a storage proof short": {`"proof":["`, `"proof":["0x80","`, client.ErrBadAnswer},
	} {
		liar := f.dial(f.Proxy(func(_, body []byte) []byte { return bytes.ReplaceAll(body, []byte(c.from), []byte(c.to)) }))
		_, err := liar.GatherSigners(f.Context, f.Record, words(signers), 3)
		require.ErrorIs(t, err, c.want, name)
	}
}
