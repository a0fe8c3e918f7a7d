package cluster_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/clientkey"
	"github.com/tkms-network/tkms/testutil/cluster"
	"github.com/tkms-network/tkms/testutil/fault"
)

// shown is what a phase is to show.
type shown struct {
	culprits, suspects, absent []int
	// evidence is all that there is to be, but for pieces of either, of which there is
	// to be one at least.
	evidence, either []string
}

// equivocator is what shows of a party that signs a good vector and a bad one. Whoever
// gets to see both has the two signatures; where n−t parties hear of the bad one first
// and agree on it, they find it wrong. Either is true, and may happen besides the other.
func equivocator(party int) shown {
	name := fmt.Sprintf("p%d ", party)
	return shown{culprits: []int{party}, either: []string{name + "equivocation", name + "wrong-vector"}}
}

func requireShown(t *testing.T, want shown, got cluster.Phase) {
	t.Helper()
	require.Equal(t, sharing.PartiesOf(want.culprits...), got.Culprits, "culprits, %s", got.Name)
	require.Equal(t, sharing.PartiesOf(want.suspects...), got.Suspects, "suspects, %s", got.Name)
	require.Equal(t, sharing.PartiesOf(want.absent...), got.Absent, "absent, %s", got.Name)
	var kinds, either []string
	for _, e := range got.Evidence {
		if piece := fmt.Sprintf("p%d %s", e.Party, e.Kind); slices.Contains(want.either, piece) {
			either = append(either, piece)
		} else {
			kinds = append(kinds, piece)
		}
	}
	require.Equal(t, want.evidence, kinds, got.Name)
	require.Equal(t, len(want.either) > 0, len(either) > 0, "one of %v, %s", want.either, got.Name)
}

func encrypted(t *testing.T, key *tfhe.ClientKey, value *big.Int) *tfhe.Ciphertext {
	t.Helper()
	data, err := clientkey.Encrypt(rand.Reader, key, tfhe.EUint8, value)
	require.NoError(t, err)
	ciphertext, err := tfhe.Decode(data, tfhe.EUint8, tfhe.Test())
	require.NoError(t, err)
	return ciphertext
}

func TestUpToTFaultsChangeNoValueAndLiarsAreNamed(t *testing.T) {
	key, err := clientkey.Generate(rand.Reader, tfhe.Test())
	require.NoError(t, err)
	value := big.NewInt(0xa5)
	ciphertext := encrypted(t, key, value)
	for _, c := range []struct {
		n               int
		faults          map[int]fault.Kind
		offline, online shown
	}{
		{4, map[int]fault.Kind{2: fault.BadShare},
			shown{culprits: []int{2}, evidence: []string{"p2 wrong-vector"}},
			shown{culprits: []int{2}, evidence: []string{"p2 wrong-opening"}}},
		{4, map[int]fault.Kind{3: fault.Silent}, shown{absent: []int{3}}, shown{absent: []int{3}}},
		{4, map[int]fault.Kind{1: fault.Late}, shown{}, shown{}},
		{4, map[int]fault.Kind{2: fault.Equivocate},
			equivocator(2),
			shown{culprits: []int{2}, evidence: []string{"p2 equivocation", "p2 wrong-opening"}}},
		// Only p4 gets what is bad, and nobody else can tell which of them lies.
		{4, map[int]fault.Kind{2: fault.Split}, shown{suspects: []int{2}}, shown{suspects: []int{2}}},
		{4, map[int]fault.Kind{3: fault.Replay}, shown{culprits: []int{3}}, shown{culprits: []int{3}}},
		{4, map[int]fault.Kind{1: fault.Garbage}, shown{culprits: []int{1}}, shown{culprits: []int{1}}},
		{7, map[int]fault.Kind{2: fault.BadShare, 5: fault.BadShare},
			shown{culprits: []int{2, 5}, evidence: []string{"p2 wrong-vector", "p5 wrong-vector"}},
			shown{culprits: []int{2, 5}, evidence: []string{"p2 wrong-opening", "p5 wrong-opening"}}},
		{7, map[int]fault.Kind{1: fault.Garbage, 7: fault.BadShare},
			shown{culprits: []int{1, 7}, evidence: []string{"p7 wrong-vector"}},
			shown{culprits: []int{1, 7}, evidence: []string{"p7 wrong-opening"}}},
		{7, map[int]fault.Kind{3: fault.Silent, 4: fault.Silent}, shown{absent: []int{3, 4}}, shown{absent: []int{3, 4}}},
		{10, map[int]fault.Kind{4: fault.BadShare},
			shown{culprits: []int{4}, evidence: []string{"p4 wrong-vector"}},
			shown{culprits: []int{4}, evidence: []string{"p4 wrong-opening"}}},
		// So many sets are too much evidence for a chain: its members exclude it by their word.
		{13, map[int]fault.Kind{13: fault.BadShare},
			shown{culprits: []int{13}},
			shown{culprits: []int{13}, evidence: []string{"p13 wrong-opening"}}},
	} {
		t.Run(fmt.Sprint(c.n, c.faults), func(t *testing.T) {
			t.Parallel() // they wait most of the time
			parties := start(t, key, c.n, c.faults)
			r, err := parties.Decrypt(timeLimited(t), ciphertext)
			require.NoError(t, err)
			require.Equal(t, value, r.Value)
			if !slices.Contains(slices.Collect(maps.Values(c.faults)), fault.Replay) { // found in the rehearsal's successor
				requireShown(t, c.offline, r.Offline)
			}
			requireShown(t, c.online, r.Online)
			require.GreaterOrEqual(t, r.Online.Agreed.Count(), c.n-sharing.Threshold(c.n))
			// Who is excluded is not waited for any more.
			again, err := parties.Decrypt(timeLimited(t), ciphertext)
			require.NoError(t, err)
			require.Equal(t, value, again.Value)
			require.Equal(t, 1, again.Offline.Runs)
			require.Zero(t, again.Offline.Culprits|again.Offline.Absent)
			requireShown(t, c.online, again.Online)
		})
	}
}

func TestMoreThanTFaultsGiveNoAnswer(t *testing.T) {
	key, err := clientkey.Generate(rand.Reader, tfhe.Test())
	require.NoError(t, err)
	c := start(t, key, 4, map[int]fault.Kind{1: fault.Silent, 2: fault.BadShare})
	_, err = c.Decrypt(timeLimited(t), encrypted(t, key, big.NewInt(5)))
	require.ErrorIs(t, err, cluster.ErrStuck)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = c.Decrypt(ctx, encrypted(t, key, big.NewInt(5)))
	require.Error(t, err)
}

func TestAKeyIsGeneratedDespiteFaults(t *testing.T) {
	for kind, c := range map[fault.Kind]struct{ offline, opening shown }{
		fault.BadShare:   {shown{culprits: []int{3}, evidence: []string{"p3 wrong-vector"}}, shown{}},
		fault.Silent:     {shown{absent: []int{3}}, shown{}},
		fault.Equivocate: {equivocator(3), shown{}},
		fault.Garbage:    {shown{culprits: []int{3}}, shown{}},
		fault.Split:      {shown{culprits: []int{3}}, shown{culprits: []int{3}}}, // p2 and p4 get what is bad
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			faults := map[int]fault.Kind{3: kind}
			parties, generated, err := cluster.Generate(timeLimited(t), cluster.Config{Parties: 4, Faults: faults}, cluster.KeyConfig{
				Parameters: tfhe.Test(), Mode: keygen.PRSS, Folder: t.TempDir(),
			}, rand.Reader)
			require.NoError(t, err)
			defer func() { require.NoError(t, parties.Close()) }()
			requireShown(t, c.offline, generated.Offline)
			requireShown(t, c.opening, generated.Opening)
			l, err := generated.PublicKey.Decompress().Encrypt(rand.Reader, tfhe.EUint8, big.NewInt(0x3c), true)
			require.NoError(t, err)
			ciphertext, err := l.Ciphertext(0)
			require.NoError(t, err)
			r, err := parties.Decrypt(timeLimited(t), ciphertext)
			require.NoError(t, err)
			require.Equal(t, big.NewInt(0x3c), r.Value)
		})
	}
}
