package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/api"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
)

func TestADecryptionIsTakenAsAJob(t *testing.T) {
	b := setUp(t)
	code, body, header := b.call(http.MethodPost, "/v2/public-decrypt",
		`{"ciphertextHandles":["`+handleText(1)+`","`+handleText(2)+`"],"extraData":"0x00","somethingNew":1}`)
	require.Equal(t, http.StatusAccepted, code)
	require.JSONEq(t, `{"status":"queued","requestId":"job-1","result":{"jobId":"job-1"}}`, body)
	require.Equal(t, "1", header.Get("Retry-After"))
	require.Len(t, b.jobs.batch, 2)
	require.Nil(t, b.jobs.contract)

	code, _, _ = b.call(http.MethodPost, "/v2/public-decrypt",
		`{"ciphertextHandles":["`+handleText(1)+`"],"extraData":"0x00","callback":{"address":"0x00000000000000000000000000000000000000da"}}`)
	require.Equal(t, http.StatusAccepted, code)
	require.Equal(t, common.HexToAddress("0xda"), *b.jobs.contract)
}

func TestDecryptionsThatAreNoneAreRefused(t *testing.T) {
	b := setUp(t)
	good := `"ciphertextHandles":["` + handleText(1) + `"]`
	for name, c := range map[string]struct{ body, label string }{
		"no JSON":             {`{`, api.LabelMalformed},
		"another form":        {`{"ciphertextHandles":"0x"}`, api.LabelMalformed},
		"no handle":           {`{"ciphertextHandles":[],"extraData":"0x00"}`, api.LabelMissing},
		"a short handle":      {`{"ciphertextHandles":["0x00"],"extraData":"0x00"}`, api.LabelValidation},
		"a handle without 0x": {`{"ciphertextHandles":["` + handleText(1)[2:] + `"],"extraData":"0x00"}`, api.LabelValidation},
		"another chain":       {`{"ciphertextHandles":["` + strings.Replace(handleText(1), "7a69", "7a6a", 1) + `"],"extraData":"0x00"}`, api.LabelValidation},
		"a handle twice":      {`{"ciphertextHandles":["` + handleText(1) + `","` + handleText(1) + `"],"extraData":"0x00"}`, api.LabelValidation},
		"extra data":          {`{` + good + `,"extraData":"0x01"}`, api.LabelValidation},
		"no contract":         {`{` + good + `,"extraData":"0x00","callback":{"address":"0x01"}}`, api.LabelValidation},
		"too many handles":    {`{"ciphertextHandles":["` + strings.Repeat(`","`, 256) + `"],"extraData":"0x00"}`, api.LabelValidation},
	} {
		t.Run(name, func(t *testing.T) {
			code, body, _ := b.call(http.MethodPost, "/v2/public-decrypt", c.body)
			require.Equal(t, http.StatusBadRequest, code)
			require.Equal(t, c.label, b.label(body))
			require.Nil(t, b.jobs.batch)
		})
	}
	code, body, _ := b.call(http.MethodPost, "/v2/public-decrypt", `{"extraData":"`+strings.Repeat("0", 1<<20)+`"}`)
	require.Equal(t, http.StatusBadRequest, code)
	require.Equal(t, api.LabelRequest, b.label(body))
	require.Contains(t, body, api.ReasonTooLarge)
}

func TestAJobIsPresentedAsThePublishedClientsReadIt(t *testing.T) {
	b := setUp(t)
	contract := common.HexToAddress("0xda")
	b.jobs.known["working"] = &jobs.Job{ID: "working", Kind: jobs.PublicDecrypt, State: jobs.Working}
	b.jobs.known["done"] = &jobs.Job{
		ID: "done", Kind: jobs.PublicDecrypt, State: jobs.Succeeded,
		Result: &jobs.Result{
			RequestID: "ab", KeyID: "cd", Attempt: 1, Height: 9, Handles: []common.Hash{common.HexToHash(handleText(1))},
			Plaintext: []byte{0, 42}, Signatures: [][]byte{make([]byte, 65)}, Simulated: []string{"coprocessor"},
		},
		Carries: []jobs.Carry{{Contract: contract, State: jobs.CarrySucceeded, TxHash: common.Hash{1}, Block: 3}},
	}
	code, body, header := b.call(http.MethodGet, "/v2/public-decrypt/working", "")
	require.Equal(t, http.StatusAccepted, code)
	require.JSONEq(t, `{"status":"queued","requestId":"working"}`, body)
	require.Equal(t, "1", header.Get("Retry-After"))

	code, body, _ = b.call(http.MethodGet, "/v2/public-decrypt/done", "")
	require.Equal(t, http.StatusOK, code)
	var answer struct {
		Status, RequestID string
		Result            json.RawMessage
		TKMS              struct {
			CiphertextHandles []string
			DecryptionProof   string
			Simulated         []string
			Callbacks         []struct{ Address, State, TxHash string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	require.Equal(t, "succeeded", answer.Status)
	require.JSONEq(t, `{"signatures":["`+strings.Repeat("00", 65)+`"],"decryptedValue":"002a","extraData":"0x00"}`, string(answer.Result))
	require.Equal(t, []string{handleText(1)}, answer.TKMS.CiphertextHandles)
	require.Equal(t, "0x01"+strings.Repeat("00", 65), answer.TKMS.DecryptionProof)
	require.Equal(t, []string{"coprocessor"}, answer.TKMS.Simulated)
	require.Equal(t, "succeeded", answer.TKMS.Callbacks[0].State)

	code, body, _ = b.call(http.MethodGet, "/v2/public-decrypt/none", "")
	require.Equal(t, http.StatusNotFound, code)
	require.Equal(t, api.LabelNotFound, b.label(body))
}

func TestTheSynchronousInterfaceAnswersWithThePlaintext(t *testing.T) {
	b := setUp(t)
	b.jobs.known["job-1"] = &jobs.Job{ID: "job-1", Kind: jobs.PublicDecrypt, State: jobs.Succeeded, Result: &jobs.Result{Plaintext: []byte{0, 42}, Signatures: [][]byte{{0xab}}}}
	code, body, _ := b.call(http.MethodPost, "/v1/public-decrypt", `{"ciphertextHandles":["`+handleText(1)+`"],"extraData":"0x00"}`)
	require.Equal(t, http.StatusOK, code)
	require.JSONEq(t, `{"response":[{"signatures":["ab"],"decrypted_value":"002a"}]}`, body)
}
