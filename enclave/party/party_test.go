package party

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/tfhe"
)

func TestPartiesSetUpGenerateAndDecrypt(t *testing.T) {
	for _, n := range []int{1, 4} {
		w := newWorld(t, n, nil)
		w.activeEpoch()
		key := w.activeKey()
		require.True(t, w.key(key).Material.TestDecryptionOk)
		public := w.publicKey(key)
		one := w.decrypt(key, w.encrypt(public, tfhe.EUint8, number(200)))
		several := w.decrypt(key, w.encrypt(public, tfhe.EBool, number(1)), w.encrypt(public, tfhe.EUint64, number(1<<40+3)), w.encrypt(public, tfhe.EUint4, number(9)))
		w.requireValues(one, number(200))
		w.requireValues(several, number(1), number(1<<40+3), number(9))
		w.requireOneAnswer()
	}
}
