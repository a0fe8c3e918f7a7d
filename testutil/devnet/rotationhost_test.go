package devnet

import (
	"crypto/ecdsa"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/x/kms/eip712"
)

// signers returns the keys and addresses of named ones.
func signers(t *testing.T, names ...string) (keys []*ecdsa.PrivateKey, addresses []common.Address) {
	t.Helper()
	for _, name := range names {
		key, err := crypto.ToECDSA(crypto.Keccak256([]byte(name)))
		require.NoError(t, err)
		keys, addresses = append(keys, key), append(addresses, crypto.PubkeyToAddress(key.PublicKey))
	}
	return keys, addresses
}

// certified has keys certify the signers of an epoch.
func certified(t *testing.T, epoch uint64, list []common.Address, threshold uint32, keys ...*ecdsa.PrivateKey) step {
	t.Helper()
	s := step{Epoch: epoch, Signers: list, Threshold: threshold}
	raw := make([][20]byte, len(list))
	for i, a := range list {
		raw[i] = a
	}
	for _, key := range keys {
		signature, err := eip712.Sign(eip712.EpochVerification("tkms-1", epoch, raw, threshold), key)
		require.NoError(t, err)
		s.Vouchers = append(s.Vouchers, voucher{signature})
	}
	return s
}

func TestTheOwnerFollowsWhomTheVerifiersSignersCertified(t *testing.T) {
	keys, now := signers(t, "alice", "bob", "carol", "dave")
	nextKeys, next := signers(t, "erin", "frank", "alice", "grace")
	_, last := signers(t, "heidi")
	due := handover{Network: "tkms-1", Epoch: 3, Steps: []step{certified(t, 2, next, 3, keys[0], keys[1], keys[3]), certified(t, 3, last, 1, nextKeys[:3]...)}}
	got, threshold, err := due.follow(now, 3)
	require.NoError(t, err)
	require.Equal(t, last, got)
	require.EqualValues(t, 1, threshold)
}

func TestTheOwnerFollowsNobodyElse(t *testing.T) {
	keys, now := signers(t, "alice", "bob", "carol", "dave")
	strangers, next := signers(t, "mallory", "oscar", "trent", "victor")
	good := certified(t, 2, next, 3, keys[:3]...)
	for name, s := range map[string]step{
		"too few":           certified(t, 2, next, 3, keys[:2]...),
		"one of them twice": certified(t, 2, next, 3, keys[0], keys[1], keys[1]),
		"strangers":         certified(t, 2, next, 3, strangers...),
		"other signers":     {Epoch: 2, Signers: now, Threshold: 3, Vouchers: good.Vouchers},
		"another threshold": {Epoch: 2, Signers: next, Threshold: 1, Vouchers: good.Vouchers},
		"another epoch":     {Epoch: 3, Signers: next, Threshold: 3, Vouchers: good.Vouchers},
		"no signature":      {Epoch: 2, Signers: next, Threshold: 3, Vouchers: []voucher{{}, {make([]byte, 65)}}},
	} {
		due := handover{Network: "tkms-1", Epoch: 2, Steps: []step{s}}
		_, _, err := due.follow(now, 3)
		require.ErrorIs(t, err, ErrNotCertified, name)
	}
	due := handover{Network: "tkms-2", Epoch: 2, Steps: []step{good}}
	_, _, err := due.follow(now, 3)
	require.ErrorIs(t, err, ErrNotCertified, "another chain")
}
