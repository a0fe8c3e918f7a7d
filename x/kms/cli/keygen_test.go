package cli

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/client"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/gogoproto/proto"

	"github.com/tkms-network/tkms/x/kms/material"
	"github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

var keyID = bytes.Repeat([]byte{7}, 32)

// keyNode answers with one record, or error, after the other, and repeats the last.
type keyNode struct {
	types.QueryClient
	testing.TB
	answers []any
}

func (n *keyNode) Key(_ context.Context, r *types.QueryKeyRequest, _ ...grpc.CallOption) (*types.QueryKeyResponse, error) {
	require.Equal(n, hex.EncodeToString(keyID), r.Id)
	answer := n.answers[0]
	if len(n.answers) > 1 {
		n.answers = n.answers[1:]
	}
	if err, ok := answer.(error); ok {
		return nil, err
	}
	return &types.QueryKeyResponse{Key: answer.(types.Key)}, nil
}

func flowOf(t *testing.T, answers ...any) (keygenFlow, *[]types.KeyStatus) {
	seen := &[]types.KeyStatus{}
	return keygenFlow{
		kms: &keyNode{TB: t, answers: answers}, every: time.Millisecond,
		show: func(k *types.Key) { *seen = append(*seen, k.Status) },
		send: func(context.Context, *types.MsgRequestKey) ([]byte, error) { return keyID, nil },
	}, seen
}

func keyIn(status types.KeyStatus) types.Key { return types.Key{Id: keyID, Status: status} }

func TestTheWaitForAKeyShowsItUntilItIsActive(t *testing.T) {
	flow, seen := flowOf(t, status.Error(codes.NotFound, "a block behind"), keyIn(types.KEY_STATUS_REQUESTED), status.Error(codes.Unavailable, "restarts"),
		keyIn(types.KEY_STATUS_GENERATING), keyIn(types.KEY_STATUS_ACTIVE))
	key, err := flow.generate(t.Context(), &types.MsgRequestKey{})
	require.NoError(t, err)
	require.Equal(t, types.KEY_STATUS_ACTIVE, key.Status)
	require.Equal(t, []types.KeyStatus{types.KEY_STATUS_REQUESTED, types.KEY_STATUS_GENERATING, types.KEY_STATUS_ACTIVE}, *seen)
}

func TestTheWaitForAKeyEndsWithAReason(t *testing.T) {
	failed := keyIn(types.KEY_STATUS_FAILED)
	failed.Failure = types.KEY_FAILURE_MEMBER_EXCLUDED
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		answer any
		want   error
		text   string
	}{
		"failed":  {failed, ErrKeyFailed, "a party that took part was excluded"},
		"retired": {keyIn(types.KEY_STATUS_RETIRED), ErrKeyRetired, "retired"},
		"node":    {broken, broken, "query"},
	} {
		flow, _ := flowOf(t, keyIn(types.KEY_STATUS_GENERATING), c.answer)
		_, err := flow.generate(t.Context(), &types.MsgRequestKey{})
		require.ErrorIs(t, err, c.want, name)
		require.ErrorContains(t, err, c.text, name)
		require.ErrorContains(t, err, hex.EncodeToString(keyID), name)
	}
	flow, _ := flowOf(t, keyIn(types.KEY_STATUS_GENERATING))
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	_, err := flow.generate(ctx, &types.MsgRequestKey{})
	require.ErrorIs(t, err, ErrKeyTimeout)
	require.NotEmpty(t, hinted(err).(interface{ Hint() string }).Hint())

	flow.send = func(context.Context, *types.MsgRequestKey) ([]byte, error) { return nil, broken }
	_, err = flow.generate(t.Context(), &types.MsgRequestKey{})
	require.ErrorIs(t, err, broken)
}

func TestEveryFailureHasItsWords(t *testing.T) {
	seen := map[string]bool{}
	for failure := range types.KeyFailure_name {
		text := failureText(types.KeyFailure(failure))
		require.False(t, seen[text], text)
		seen[text] = true
	}
}

func TestTheKeysIDIsInTheAnswerToTheMessage(t *testing.T) {
	value, err := proto.Marshal(&types.MsgRequestKeyResponse{KeyId: keyID, Created: true})
	require.NoError(t, err)
	answer := func(n int) string {
		data := sdk.TxMsgData{}
		for range n {
			data.MsgResponses = append(data.MsgResponses, &codectypes.Any{TypeUrl: "/tkms.kms.v1.MsgRequestKeyResponse", Value: value})
		}
		raw, err := proto.Marshal(&data)
		require.NoError(t, err)
		return hex.EncodeToString(raw)
	}
	id, err := keyIDIn(&sdk.TxResponse{Data: answer(1)})
	require.NoError(t, err)
	require.Equal(t, keyID, id)
	for _, bad := range []string{"", "zz", answer(2), "ffff"} {
		_, err := keyIDIn(&sdk.TxResponse{Data: bad})
		require.Error(t, err, bad)
	}
}

func TestTheFlagsOfRequestKeygenMakeTheMessage(t *testing.T) {
	cmd, _, err := NewTxCommand().Find([]string{"request-keygen"})
	require.NoError(t, err)
	require.NoError(t, cmd.ParseFlags([]string{"--params", "production", "--host-chain-id", "31337", "--noise", "prss", "--max-log2-failure-milli", "-115300", "--additional"}))
	alice := sdk.AccAddress(bytes.Repeat([]byte{7}, 20))
	require.Equal(t, &types.MsgRequestKey{
		Requester: alice.String(), HostChainId: 31337, Params: "production", Noise: "prss", MaxLog2FailureMilli: -115_300, Additional: true,
	}, keygenMessage(cmd, alice))
}

// generating is a key of which four parties, of which three must agree, say how far
// they are.
func generating(done ...uint64) *types.Key {
	key := &types.Key{Id: keyID, Status: types.KEY_STATUS_GENERATING, Attempt: 1, Threshold: 3}
	for i, d := range done {
		key.Progress = append(key.Progress, types.KeyProgress{Index: uint32(i + 1), Stage: types.KEY_STAGE_NOISE, Done: d, Total: 200})
	}
	return key
}

func TestProgressIsThatOfTheSlowestPartyThatTheKeyNeeds(t *testing.T) {
	clock := time.Unix(0, 0)
	p := newProgress(&bytes.Buffer{}, func() time.Time { return clock })
	require.Zero(t, p.line(generating(200, 100)).Percent, "three are needed")
	first := p.line(generating(20, 40, 100, 2))
	require.InDelta(t, 10, first.Percent, 1e-9)
	require.Equal(t, []partyProgress{{1, "noise", 10}, {2, "noise", 20}, {3, "noise", 50}, {4, "noise", 1}}, first.Parties)

	clock = clock.Add(30 * time.Second)
	line := p.line(generating(60, 60, 100, 2))
	require.InDelta(t, 30, line.Percent, 1e-9)
	require.EqualValues(t, 70, line.ETASeconds, "30 percent took 30 seconds")

	second := generating(20, 20, 20)
	second.Attempt, second.Failure = 2, types.KEY_FAILURE_DEADLINE
	line = p.line(second)
	require.Zero(t, line.ETASeconds, "the rate is of one attempt")
	require.Contains(t, line.Failure, "deadline")

	said := generating(200, 200, 200)
	said.Contributions = []types.KeyContribution{{Index: 2}}
	line = p.line(said)
	require.Equal(t, partyProgress{2, "done", 100}, line.Parties[1])
	require.Len(t, line.Parties, 3)
}

func TestProgressOffATerminalIsOneJSONObjectALineWhenItChanges(t *testing.T) {
	var out bytes.Buffer
	clock := time.Unix(0, 0)
	p := newProgress(&out, func() time.Time { return clock })
	for range 3 {
		p.show(generating(20, 20, 20))
	}
	p.show(generating(20, 20, 40))
	p.show(&types.Key{Status: types.KEY_STATUS_ACTIVE, Attempt: 1})
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 3)
	var last progressLine
	require.NoError(t, json.Unmarshal([]byte(lines[2]), &last))
	require.Equal(t, progressLine{Status: "ACTIVE", Attempt: 1, Percent: 100, Parties: []partyProgress{}}, last)
}

func TestProgressOnATerminalIsDrawnOverWhatWasThere(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out, time.Now)
	p.terminal = true
	p.show(generating(100, 100, 100, 0))
	require.Equal(t, 5, strings.Count(out.String(), "\n"))
	require.Contains(t, out.String(), "GENERATING, attempt 1  ███████████████░░░░░░░░░░░░░░░  50.0 %")
	require.Contains(t, out.String(), "party 4   ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░   0.0 %  noise")
	out.Reset()
	p.show(generating())
	require.True(t, strings.HasPrefix(out.String(), "\x1b[5A"), "%q", out.String())
	require.Equal(t, 5, strings.Count(out.String(), "\x1b[K"), "what is gone is wiped")
}

// published is an active key whose files are content, in one vault.
func published(vault string, content map[string][]byte) *types.Key {
	set, _ := types.ParameterSetByName(types.ProductionCompute)
	digest := func(kind string) []byte { d := material.DigestOf(content[kind]); return d[:] }
	m := types.KeyMaterial{
		Seed: make([]byte, 16), PublicKeyDigest: digest(material.KindPublicKey), PublicKeyKeccak: make([]byte, 32),
		PublicKeySize: uint64(len(content[material.KindPublicKey])), TestDecryptionOk: true, Tested: set.Tested,
	}
	for _, kind := range set.Objects {
		m.Objects = append(m.Objects, types.KeyObject{Kind: kind, Digest: digest(kind), ByteSize: uint64(len(content[kind]))})
	}
	return &types.Key{
		Id: keyID, Params: set.Name, Noise: "exact", HostChainId: 31337, Status: types.KEY_STATUS_ACTIVE, Attempt: 2, Threshold: 3, ActiveHeight: 99,
		Log2FailureMilli: -129_580, Failure: types.KEY_FAILURE_DEADLINE, Simulated: []string{"enclave device"},
		Material: &m, Contributions: []types.KeyContribution{{Index: 1, Material: m, VaultUrl: vault}},
	}
}

var files = map[string][]byte{
	material.KindPublicKey: []byte("public"), types.ObjectXofKeySet: []byte("key set"), types.ObjectServerKey: []byte("server key"),
}

func TestAKeyIsPrintedForPeople(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, writeKey(&out, &types.QueryKeyResponse{Key: *published("https://p1.example/keys/", files), Evidence: []partiestypes.Evidence{{Id: 4, Index: 3}}}))
	for _, want := range []string{
		"status       ACTIVE\n", "parameters   production-compute, noise exact\n", "failures     2^-129.58 an operation\n",
		"failed       the parties were not done at the deadline\n", "simulated    enclave device\n", "decrypted    FheUint, CompactCiphertextList\n",
		"\nCompressedServerKey, 10 bytes\n", "at           https://p1.example/keys/" + material.DigestOf(files[types.ObjectServerKey]).String() + "\n",
		"evidence     4, against party 3\n",
	} {
		require.Contains(t, out.String(), want)
	}
	out.Reset()
	require.NoError(t, writeKey(&out, &types.QueryKeyResponse{Key: *generating(50)}))
	require.Contains(t, out.String(), "party 1      ███████░░░░░░░░░░░░░░░░░░░░░░░  25.0 %  noise\n")
	lying := published("https://p1.example", files)
	lying.Material.Seed = nil
	require.ErrorIs(t, writeKey(&out, &types.QueryKeyResponse{Key: *lying}), material.ErrNoMaterial)
}

func TestTheFilesOfAKeyAreDownloadedIntoAFolder(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, raw := range files {
			if strings.HasSuffix(r.URL.Path, material.DigestOf(raw).String()) {
				_, _ = w.Write(raw)
				return
			}
		}
		http.NotFound(w, r)
	}))
	defer server.Close()
	key := published(server.URL, files)
	folder := filepath.Join(t.TempDir(), "keys")
	var out, notes bytes.Buffer
	require.NoError(t, saveMaterial(t.Context(), key, folder, &out, &notes))
	for kind, raw := range files {
		held, err := os.ReadFile(filepath.Join(folder, kind))
		require.NoError(t, err)
		require.Equal(t, raw, held)
		require.Contains(t, out.String(), material.DigestOf(raw).String()+" "+filepath.Join(folder, kind))
	}
	require.Empty(t, notes.String(), "nothing is drawn off a terminal")

	key.Material.Objects[1].Digest[0]++
	key.Contributions[0].Material = *key.Material
	require.ErrorIs(t, saveMaterial(t.Context(), key, folder, &out, &notes), material.ErrUnavailable)
	require.ErrorIs(t, saveMaterial(t.Context(), generating(1), folder, &out, &notes), material.ErrNoMaterial)
}

func TestHalfATrustedHeaderIsRefused(t *testing.T) {
	for _, args := range [][]string{{"--trusted-hash", "5c0f"}, {"--trusted-height", "3"}} {
		cmd, _, err := NewQueryCommand().Find([]string{"key-material"})
		require.NoError(t, err)
		require.NoError(t, cmd.ParseFlags(args))
		_, err = keyRecord(cmd, client.Context{}, keyID)
		require.ErrorIs(t, err, ErrHalfTrust)
	}
}
