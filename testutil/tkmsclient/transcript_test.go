package tkmsclient_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io"
	"math/big"
	"os"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/reencrypt"
	"github.com/tkms-network/tkms/testutil/answers"
	"github.com/tkms-network/tkms/testutil/tkmsclient"
	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"
)

var update = flag.Bool("update", false, "make the transcript anew; node-tkms has to accept it")

const transcriptFile = "testdata/transcript.json"

// transcript is a user decryption by four parties that node-tkms 0.12.8 accepted. The
// third party's share is wrong. Bytes are hexadecimal.
type transcript struct {
	// Seed is what the user's key is made from.
	Seed    string           `json:"seed"`
	Values  []string         `json:"values"`
	Handles []string         `json:"handles"`
	Answers []frozenResponse `json:"answers"`
}

type frozenResponse struct {
	Payload   string `json:"payload"`
	Signature string `json:"signature"`
}

const frozenLiar = 3

func makeTranscript(t *testing.T) {
	ctx := needNode(t)
	seed := make([]byte, 64)
	_, _ = io.ReadFull(source(42), seed)
	_, key := goKey(t, 42)
	s := newSetting(t, key, 4, []handles.Type{handles.Uint64, handles.Bool}, []*big.Int{new(big.Int).SetUint64(0x1122334455667788), big.NewInt(1)})
	s.lie(t, frozenLiar)
	results, err := tkmsclient.Process(ctx, s.request())
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	out := transcript{Seed: hex.EncodeToString(seed)}
	for i, h := range s.question.Handles {
		out.Handles, out.Values = append(out.Handles, hex.EncodeToString(h[:])), append(out.Values, s.values[i].String())
	}
	for _, a := range s.answers {
		out.Answers = append(out.Answers, frozenResponse{hex.EncodeToString(a.Payload), hex.EncodeToString(a.Signature)})
	}
	data, err := json.MarshalIndent(out, "", " ")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(transcriptFile, append(data, '\n'), 0o600))
}

func readTranscript(t *testing.T) (transcript, *reencrypt.PrivateKey, tkmsclient.Request) {
	t.Helper()
	data, err := os.ReadFile(transcriptFile)
	require.NoError(t, err)
	var in transcript
	require.NoError(t, json.Unmarshal(data, &in))
	un := func(text string) []byte {
		b, err := hex.DecodeString(text)
		require.NoError(t, err)
		return b
	}
	private, err := reencrypt.GenerateKey(bytes.NewReader(un(in.Seed)))
	require.NoError(t, err)
	_, key := goKey(t, 42)
	require.Equal(t, key.Public, private.Public().Bytes())
	r := tkmsclient.Request{Signers: addresses(signers(t, 4)), User: alice, Key: key, Domain: domain}
	for _, h := range in.Handles {
		r.Handles = append(r.Handles, handles.Handle(un(h)))
	}
	for i, a := range in.Answers {
		r.Answers = append(r.Answers, answers.Answer{Party: i + 1, Payload: un(a.Payload), Signature: un(a.Signature)})
	}
	return in, private, r
}

func TestFrozenAnswersAreOpenedHere(t *testing.T) {
	if *update {
		makeTranscript(t)
	}
	in, private, r := readTranscript(t)
	link := eip712.UserDecryptionLink(r.Domain, r.Key.Public, r.Handles, r.User)
	shares := make([]map[int][]byte, len(r.Handles))
	for i, a := range r.Answers {
		require.NoError(t, eip712.Verify(eip712.UserDecryptResponse(r.Domain, r.Key.Public, r.Handles, a.Payload), a.Signature, r.Signers[i]))
		p, err := reencrypt.DecodePayload(a.Payload, len(r.Handles))
		require.NoError(t, err)
		require.Equal(t, link, p.Link)
		require.EqualValues(t, a.Party, p.Party)
		signer, err := crypto.DecompressPubkey(p.Signer[:])
		require.NoError(t, err)
		require.EqualValues(t, r.Signers[i], crypto.PubkeyToAddress(*signer))
		for h, e := range p.Entries {
			share, err := private.Open(e.Signcrypted, signer, r.User, link, e.Type)
			require.NoError(t, err)
			if shares[h] == nil {
				shares[h] = map[int][]byte{}
			}
			shares[h][a.Party] = share
		}
	}
	for h, handle := range r.Handles {
		l, err := reencrypt.NewLayout(handle.Type().Bits(), 1, 1)
		require.NoError(t, err)
		value, wrong, err := l.Reconstruct(4, shares[h])
		require.NoError(t, err)
		require.Equal(t, in.Values[h], value.String())
		require.Equal(t, []int{frozenLiar}, wrong)
	}
}

func TestClientsReadTheFrozenAnswers(t *testing.T) {
	ctx := needNode(t)
	in, _, r := readTranscript(t)
	results, err := tkmsclient.Process(ctx, r)
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	for i, v := range results[0].Values {
		require.Equal(t, in.Values[i], v.Value.String())
	}
}
