package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/api"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
)

// inputBody is what the published client posts to input-proof.
func inputBody(change func(map[string]any)) string {
	return body(map[string]any{
		"contractChainId": "0x7a69", "contractAddress": dApp, "userAddress": alice,
		"ciphertextWithInputVerification": "010203", "extraData": "0x00",
	}, change)
}

func TestAnInputIsReadAsThePublishedClientSendsIt(t *testing.T) {
	b := setUp(t)
	code, answer, _ := b.call(http.MethodPost, "/v2/input-proof", inputBody(nil))
	require.Equal(t, http.StatusAccepted, code, answer)
	require.Equal(t, &jobs.Input{
		ChainID: hostChain, Contract: common.HexToAddress(dApp), User: common.HexToAddress(alice), Ciphertext: []byte{1, 2, 3}, ExtraData: []byte{0},
	}, b.jobs.input)
}

func TestInputsThatAreNoneNameTheField(t *testing.T) {
	for field, c := range map[string]struct{ value, label string }{
		"contractChainId": {"0x1", api.LabelValidation}, "contractAddress": {"0x", api.LabelValidation}, "userAddress": {"", api.LabelMissing},
		"ciphertextWithInputVerification": {"0", api.LabelValidation}, "extraData": {"0x02", api.LabelValidation},
	} {
		b := setUp(t)
		code, answer, _ := b.call(http.MethodPost, "/v2/input-proof", inputBody(func(m map[string]any) { m[field] = c.value }))
		require.Equal(t, c.label, b.understood(http.MethodPost, code, answer).Error.Label, field)
		require.Contains(t, answer, field)
		require.Nil(t, b.jobs.input)
	}
	b := setUp(t)
	large := inputBody(func(m map[string]any) { m["ciphertextWithInputVerification"] = strings.Repeat("00", 1<<20+1) })
	code, answer, _ := b.call(http.MethodPost, "/v2/input-proof", large)
	require.Equal(t, api.LabelValidation, b.understood(http.MethodPost, code, answer).Error.Label)
}

func TestTheCoprocessorsWordIsAnsweredAsThePublishedClientReadsIt(t *testing.T) {
	b := setUp(t)
	job := &jobs.Job{ID: "job-1", Kind: jobs.InputProof, State: jobs.Succeeded, Proven: &jobs.Proven{
		Accepted: true, Handles: []common.Hash{common.HexToHash(handleText(1))}, Signatures: [][]byte{make([]byte, 65)}, ExtraData: []byte{0},
	}}
	b.jobs.known["job-1"] = job
	result := `{"accepted":true,"handles":["` + handleText(1) + `"],"signatures":["0x` + strings.Repeat("00", 65) + `"],"extraData":"0x00"}`
	code, answer, _ := b.call(http.MethodGet, "/v2/input-proof/job-1", "")
	require.Equal(t, http.StatusOK, code)
	require.JSONEq(t, `{"status":"succeeded","requestId":"job-1","result":`+result+`}`, answer)
	code, answer, _ = b.call(http.MethodPost, "/v1/input-proof", inputBody(nil))
	require.Equal(t, http.StatusOK, code)
	require.JSONEq(t, `{"response":`+result+`}`, answer)

	job.Proven = &jobs.Proven{ExtraData: []byte{0}}
	_, answer, _ = b.call(http.MethodGet, "/v2/input-proof/job-1", "")
	require.JSONEq(t, `{"status":"succeeded","requestId":"job-1","result":{"accepted":false,"extraData":"0x00"}}`, answer)
	code, answer, _ = b.call(http.MethodPost, "/v1/input-proof", inputBody(nil))
	require.Equal(t, jobs.ReasonInputRefused, b.understood(http.MethodPost, code, answer).Error.Reason)
}
