package lightclient

import (
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtjson "github.com/cometbft/cometbft/libs/json"
	"github.com/cometbft/cometbft/proto/tendermint/crypto"
	coretypes "github.com/cometbft/cometbft/rpc/core/types"
	"github.com/stretchr/testify/require"
)

func TestAnswersToQueriesAreReadAsNodesWriteThem(t *testing.T) {
	ops := []crypto.ProofOp{{Type: "ics23:iavl", Key: []byte{1}, Data: []byte{2, 3}}, {Type: "ics23:simple", Key: []byte("kms"), Data: []byte{4}}}
	for name, answer := range map[string]abci.ResponseQuery{
		"proven":  {Key: []byte{1}, Value: []byte{5, 6}, Height: 1 << 60, ProofOps: &crypto.ProofOps{Ops: ops}},
		"absent":  {Key: []byte{1}, Height: 7, ProofOps: &crypto.ProofOps{Ops: ops[:1]}},
		"refused": {Code: 38, Codespace: "sdk", Log: "version does not exist"},
	} {
		raw, err := cmtjson.Marshal(&coretypes.ResultABCIQuery{Response: answer})
		require.NoError(t, err, name)
		var got queryResult
		require.NoError(t, cmtjson.Unmarshal(raw, &got), name)
		want := queried{Code: answer.Code, Log: answer.Log, Height: answer.Height}
		require.Equal(t, answer.Value, append([]byte(nil), got.response.Value...), name)
		got.response.Value = nil
		if answer.ProofOps != nil {
			want.ProofOps.Ops = answer.ProofOps.Ops
		}
		require.Equal(t, want, got.response, name)
	}
	for _, malformed := range []string{`{"response":{"height":7}}`, `{"response":{"value":"~"}}`, `{"response":{"code":-1}}`, `[]`} {
		require.Error(t, cmtjson.Unmarshal([]byte(malformed), new(queryResult)), malformed)
	}
}

func FuzzAnswersToQueries(f *testing.F) {
	f.Add([]byte(`{"response":{"code":0,"log":"","value":"AQI=","height":"7","proofOps":{"ops":[{"type":"ics23:iavl","key":"AQ==","data":"Ag=="}]}}}`))
	f.Add([]byte(`{"response":{"height":"-1","proofOps":null}}`))
	f.Fuzz(func(_ *testing.T, raw []byte) { _ = cmtjson.Unmarshal(raw, new(queryResult)) })
}
