package tkmsclient_test

import (
	"fmt"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/reencrypt"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/answers"
	"github.com/tkms-network/tkms/testutil/clientkey"
	"github.com/tkms-network/tkms/testutil/dealer"
	"github.com/tkms-network/tkms/x/kms/handles"
)

// committee is n parties among which a client key is dealt.
type committee struct {
	n      int
	code   *sharing.Code
	secret *tfhe.ClientKey
	items  uint64 // the next one
}

func newCommittee(t *testing.T, n int) *committee {
	t.Helper()
	c := &committee{n: n}
	var err error
	c.code, err = sharing.New(n, sharing.Threshold(n), sharing.DegreeFor(n))
	require.NoError(t, err)
	c.secret, err = clientkey.Generate(source(byte(n)), tfhe.Test())
	require.NoError(t, err)
	return c
}

// phases are each party's of a ciphertext.
func (c *committee) phases(t *testing.T, of *tfhe.Ciphertext, shape preproc.Shape) []*decrypt.Phases {
	t.Helper()
	bits, err := clientkey.SecretBits(c.secret, of.Key())
	require.NoError(t, err)
	out := make([]*decrypt.Phases, c.n+1)
	if !of.Wide() {
		shares, err := dealer.Deal(source(1), c.n, c.code.T(), c.code.Degree(), bits)
		require.NoError(t, err)
		for i, share := range shares {
			key, err := decrypt.NewKey(c.code, shape, share)
			require.NoError(t, err)
			out[i+1], err = key.Phases(of)
			require.NoError(t, err)
		}
		return out
	}
	secret := make([]wide.Word, len(bits))
	for i, b := range bits {
		secret[i].Lo = b
	}
	shares, err := c.code.DealWide(source(1), c.code.T(), secret)
	require.NoError(t, err)
	for i, share := range shares {
		key, err := decrypt.NewWideKey(c.code, shape, share)
		require.NoError(t, err)
		out[i+1], err = key.WidePhases(of)
		require.NoError(t, err)
	}
	return out
}

// run runs one machine a party.
func (c *committee) run(t *testing.T, machine func(i int) mpc.Machine) {
	t.Helper()
	machines := map[int]mpc.Machine{}
	for i := 1; i <= c.n; i++ {
		machines[i] = machine(i)
	}
	var network mpctest.Network
	require.NoError(t, mpctest.FirstError(network.Run(machines, c.n)))
}

// stock makes each party's items.
func (c *committee) stock(t *testing.T, shape preproc.Shape, count int) [][]*preproc.Batch {
	t.Helper()
	sources, identities := mpctest.Sources(t, c.n, c.code.Degree(), 3, mpctest.Epoch), mpctest.Identities(t, c.n)
	made := make([]*preproc.Machine, c.n+1)
	c.run(t, func(i int) mpc.Machine {
		var err error
		made[i], err = preproc.NewBatch(preproc.Config{Source: sources[i], Session: mpc.Hash("stock"), From: sharing.AllParties(c.n), Identity: identities[i]}, shape, c.items, count)
		require.NoError(t, err)
		return made[i]
	})
	c.items += uint64(count) // #nosec G115 -- positive
	out := make([][]*preproc.Batch, c.n+1)
	for i := 1; i <= c.n; i++ {
		b, err := preproc.FromMachine(made[i], shape)
		require.NoError(t, err)
		out[i] = []*preproc.Batch{b}
	}
	return out
}

// decrypt ends with each party's shares of a ciphertext, as it hands them to users.
func (c *committee) decrypt(t *testing.T, raw []byte, typ tfhe.Type) (shares []answers.Shares, packing int) {
	t.Helper()
	of, err := tfhe.Decode(raw, typ, tfhe.Test())
	require.NoError(t, err)
	shapeOf := func(kind tfhe.KeyKind) preproc.Shape {
		k, w := tfhe.Test().Switch(kind)
		return preproc.Shape{K: k, W: w}
	}
	shape := shapeOf(of.Key())
	phases, stock, lift := c.phases(t, of, shape), c.stock(t, shape, of.Len()), make([][]*preproc.Batch, c.n+1)
	if shape.W < reencrypt.Width {
		lift = c.stock(t, shapeOf(tfhe.ComputeKey), of.Len())
	}
	keep, identities := mpctest.Sources(t, c.n, c.code.Degree(), 3, mpc.Hash("a request")), mpctest.Identities(t, c.n)
	machines := make([]*decrypt.Machine, c.n+1)
	c.run(t, func(i int) mpc.Machine {
		var err error
		machines[i], err = decrypt.New(decrypt.Config{
			Code: c.code, Self: i, Session: mpc.Hash("a session"), Identity: identities[i],
			Phases: []*decrypt.Phases{phases[i]}, Stock: stock[i], Lift: lift[i], Keep: keep[i],
		})
		require.NoError(t, err)
		return machines[i]
	})
	for _, m := range machines[1:] {
		shares = append(shares, answers.Shares{m.Shares()})
	}
	return shares, of.Packing()
}

// What the parties' sessions end with is what clients read, whatever the form of the
// ciphertext: two digits a block of noise-squashed ones, lifted shares of compressed ones.
func TestClientsReadEveryFormThatPartiesDecrypt(t *testing.T) {
	ctx := needNode(t)
	_, key := goKey(t, 1)
	good := map[string]*setting{}
	for _, n := range []int{4, 7} {
		c := newCommittee(t, n)
		for name, encode := range map[string]func(v clientkey.Value) ([]byte, error){
			"computed": func(v clientkey.Value) ([]byte, error) {
				return clientkey.Encrypt(source(2), c.secret, v.Type, v.Value)
			},
			"compressed": func(v clientkey.Value) ([]byte, error) { return clientkey.EncryptCompressed(source(3), c.secret, v) },
			"squashed":   func(v clientkey.Value) ([]byte, error) { return clientkey.EncryptSquashed(source(4), c.secret, v) },
			"squashed, compressed": func(v clientkey.Value) ([]byte, error) {
				return clientkey.EncryptCompressedSquashed(source(5), c.secret, v)
			},
		} {
			for _, typ := range []handles.Type{handles.Bool, handles.Uint8, handles.Uint64} {
				raw, err := encode(clientkey.Value{Type: tfhe.Type(typ), Value: top(typ)})
				require.NoError(t, err)
				shares, packing := c.decrypt(t, raw, tfhe.Type(typ))
				s := newPackedSetting(t, key, n, packing, []handles.Type{typ}, []*big.Int{top(typ)})
				s.shares, s.answers = shares, nil
				for i := range n {
					s.answers = append(s.answers, s.answer(t, i+1, shares[i]))
				}
				good[fmt.Sprintf("n=%d, %s, %s", n, name, typ)] = s
			}
		}
	}
	check(t, ctx, good, nil)
}
