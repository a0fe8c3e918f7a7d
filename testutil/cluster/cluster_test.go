package cluster_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/clientkey"
	"github.com/tkms-network/tkms/testutil/cluster"
	"github.com/tkms-network/tkms/testutil/fault"
	"github.com/tkms-network/tkms/testutil/tfhers"
)

const vectors = "../../enclave/tfhe/testdata"

// timeLimited ends what hangs; a loaded machine may be slow.
func timeLimited(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func start(t testing.TB, key *tfhe.ClientKey, n int, faults map[int]fault.Kind) *cluster.Cluster {
	t.Helper()
	c, err := cluster.New(timeLimited(t), cluster.Config{Parties: n, Faults: faults}, key, rand.Reader)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

type vector struct {
	File   string      `json:"file"`
	Key    string      `json:"key"`
	Values [][2]string `json:"values"`
}

// vectorsByKey returns the vectors of each client key.
func vectorsByKey(t testing.TB) map[string][]vector {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(vectors, "meta.json"))
	require.NoError(t, err)
	var all []vector
	require.NoError(t, json.Unmarshal(data, &all))
	out := map[string][]vector{}
	for _, v := range all {
		out[v.Key] = append(out[v.Key], v)
	}
	require.Len(t, out, 2)
	return out
}

func readClientKey(t testing.TB, file string) *tfhe.ClientKey {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(vectors, file))
	require.NoError(t, err)
	k, err := tfhe.UnmarshalClientKey(data, tfhe.Production())
	require.NoError(t, err)
	return k
}

func TestThePartiesDecryptEveryVector(t *testing.T) {
	for _, n := range []int{1, 4, 7} {
		for keyFile, list := range vectorsByKey(t) {
			c := start(t, readClientKey(t, keyFile), n, nil)
			for _, v := range list {
				data, err := os.ReadFile(filepath.Join(vectors, v.File))
				require.NoError(t, err)
				all, err := tfhe.DecodeAny(data, tfhe.Production())
				require.NoError(t, err)
				require.Len(t, all, len(v.Values))
				for i, ciphertext := range all {
					r, err := c.Decrypt(timeLimited(t), ciphertext)
					require.NoError(t, err)
					require.Equal(t, v.Values[i][1], r.Value.String(), "n=%d %s value %d", n, v.File, i)
					for _, phase := range []cluster.Phase{r.Offline, r.Online} {
						require.Equal(t, sharing.AllParties(n), phase.Agreed)
						require.Zero(t, phase.Culprits|phase.Suspects)
					}
				}
			}
		}
	}
}

func TestEveryTypeIsDecryptedUnderBothKeys(t *testing.T) {
	p := tfhe.Test()
	key, err := clientkey.Generate(rand.Reader, p)
	require.NoError(t, err)
	pk, err := clientkey.PublicKey(rand.Reader, key)
	require.NoError(t, err)
	c := start(t, key, 4, nil)
	for _, typ := range tfhe.Types() {
		value, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(typ.Bits())))
		require.NoError(t, err)
		l, err := pk.Encrypt(rand.Reader, typ, value, true)
		require.NoError(t, err)
		list, err := l.MarshalBinary()
		require.NoError(t, err)
		radix, err := clientkey.Encrypt(rand.Reader, key, typ, value)
		require.NoError(t, err)
		for _, data := range [][]byte{list, radix} {
			ciphertext, err := tfhe.Decode(data, typ, p)
			require.NoError(t, err)
			r, err := c.Decrypt(timeLimited(t), ciphertext)
			require.NoError(t, err)
			require.Equal(t, value.String(), r.Value.String(), "%v %v", typ, ciphertext.Key())
		}
	}
}

func TestAClusterRefusesWhatItCannotDo(t *testing.T) {
	key, err := clientkey.Generate(rand.Reader, tfhe.Test())
	require.NoError(t, err)
	_, err = cluster.New(timeLimited(t), cluster.Config{Parties: 5}, key, rand.Reader)
	require.ErrorIs(t, err, mpc.ErrParties)
	pk, err := clientkey.PublicKey(rand.Reader, key)
	require.NoError(t, err)
	l, err := pk.Encrypt(rand.Reader, tfhe.EBool, big.NewInt(1), true)
	require.NoError(t, err)
	ciphertext, err := l.Ciphertext(0)
	require.NoError(t, err)
	key.PKE = nil
	_, err = start(t, key, 4, nil).Decrypt(timeLimited(t), ciphertext)
	require.ErrorIs(t, err, clientkey.ErrNoKey)
}

func TestAKeyThatThePartiesGenerateWorks(t *testing.T) {
	for _, n := range []int{1, 4, 7} {
		c, generated, err := cluster.Generate(timeLimited(t), cluster.Config{Parties: n}, cluster.KeyConfig{
			Parameters: tfhe.Test(), Mode: keygen.PRSS, Folder: t.TempDir(),
		}, rand.Reader)
		require.NoError(t, err)
		value := big.NewInt(0xabcd)
		l, err := generated.PublicKey.Decompress().Encrypt(rand.Reader, tfhe.EUint16, value, true)
		require.NoError(t, err)
		ciphertext, err := l.Ciphertext(0)
		require.NoError(t, err)
		r, err := c.Decrypt(timeLimited(t), ciphertext)
		require.NoError(t, err)
		require.Equal(t, value, r.Value)
		require.NoError(t, c.Close())
	}
}

func TestThePartiesGenerateAKeyThatTFHErsUsesAndDecryptWhatItEncrypts(t *testing.T) {
	if err := tfhers.Scripts.Available(); err != nil {
		if os.Getenv("TKMS_INTEROP") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	c, generated, err := cluster.Generate(timeLimited(t), cluster.Config{Parties: 4}, cluster.KeyConfig{Parameters: tfhe.ProductionPKE(), Folder: t.TempDir()}, rand.Reader)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	dir := t.TempDir()
	write := func(name string, m interface{ MarshalBinary() ([]byte, error) }) string {
		data, err := m.MarshalBinary()
		require.NoError(t, err)
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, data, 0o600))
		return file
	}
	file := write("pk.bin", generated.PublicKey.Decompress())
	_, err = tfhers.Check(timeLimited(t), "--public-key", file, "--compressed-public-key", write("cpk.bin", generated.PublicKey))
	require.NoError(t, err)
	seed := make([]byte, 16)
	_, err = rand.Read(seed)
	require.NoError(t, err)
	t.Logf("seed %s", hex.EncodeToString(seed))
	lists, err := tfhers.Encrypt(timeLimited(t), file, filepath.Join(dir, "lists"), hex.EncodeToString(seed))
	require.NoError(t, err)
	for _, l := range lists {
		data, err := os.ReadFile(l.File)
		require.NoError(t, err)
		ciphertext, err := tfhe.Decode(data, l.Type, tfhe.Production())
		require.NoError(t, err)
		r, err := c.Decrypt(timeLimited(t), ciphertext)
		require.NoError(t, err)
		require.Equal(t, l.Value.String(), r.Value.String(), l.File)
	}
}

func BenchmarkDecrypt(b *testing.B) {
	key, err := clientkey.Generate(rand.Reader, tfhe.Production())
	require.NoError(b, err)
	pk, err := clientkey.PublicKey(rand.Reader, key)
	require.NoError(b, err)
	for _, n := range []int{4, 7} {
		c := start(b, key, n, nil)
		for _, typ := range []tfhe.Type{tfhe.EUint64, tfhe.EUint2048} {
			b.Run(typ.String()+"/n="+big.NewInt(int64(n)).String(), func(b *testing.B) {
				l, err := pk.Encrypt(rand.Reader, typ, big.NewInt(1), true)
				require.NoError(b, err)
				ciphertext, err := l.Ciphertext(0)
				require.NoError(b, err)
				var offline, online time.Duration
				for b.Loop() {
					r, err := c.Decrypt(timeLimited(b), ciphertext)
					require.NoError(b, err)
					offline += r.Offline.Took
					online += r.Online.Took
				}
				b.ReportMetric(float64(offline.Microseconds())/1000/float64(b.N), "offline-ms")
				b.ReportMetric(float64(online.Microseconds())/1000/float64(b.N), "online-ms")
			})
		}
	}
}
