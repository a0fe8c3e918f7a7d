package coprocessor

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"
)

const hostChain = 31337

var (
	handle    = "0x" + strings.Repeat("01", 22) + "0000000000007a69" + "0400"
	signature = "0x" + strings.Repeat("ab", 65)
	accepted  = `{"accepted":true,"handles":["` + handle + `"],"signatures":["` + signature + `"],"extraData":"0x00"}`
)

func input() *Input {
	return &Input{ChainID: hostChain, Contract: common.Address{0xda}, User: common.Address{0xa1}, Ciphertext: []byte{1, 2, 3}, ExtraData: []byte{0}}
}

// at returns a coprocessor that answers with a status and a body.
func at(t *testing.T, code int, body string, seen *string) *Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		if seen != nil {
			*seen = r.Method + " " + r.URL.Path + " " + string(raw)
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return New(server.URL+"/coprocessor/", server.Client())
}

func TestAnInputGoesOutAsThePublishedClientsSendIt(t *testing.T) {
	var seen string
	result, err := at(t, http.StatusOK, accepted, &seen).Verify(t.Context(), input())
	require.NoError(t, err)
	require.True(t, result.Accepted)
	require.Equal(t, []common.Hash{common.HexToHash(handle)}, result.Handles)
	require.Equal(t, [][]byte{common.FromHex(signature)}, result.Signatures)
	require.Equal(t, []byte{0}, result.ExtraData)
	body, ok := strings.CutPrefix(seen, "POST /coprocessor/input-proof ")
	require.True(t, ok, seen)
	require.JSONEq(t, `{"contractChainId":"0x7a69","contractAddress":"0xda00000000000000000000000000000000000000",
		"userAddress":"0xa100000000000000000000000000000000000000","ciphertextWithInputVerification":"010203","extraData":"0x00"}`, body)
}

func TestAnInputThatIsNotAcceptedIsAnAnswer(t *testing.T) {
	result, err := at(t, http.StatusOK, `{"accepted":false,"extraData":"0x00"}`, nil).Verify(t.Context(), input())
	require.NoError(t, err)
	require.False(t, result.Accepted)
}

func TestAnswersThatAreNoneAreRefused(t *testing.T) {
	many := `"` + handle + `"` + strings.Repeat(`,"`+handle+`"`, maxHandles)
	for name, body := range map[string]string{
		"no JSON":         "accepted",
		"no word":         `{"handles":["` + handle + `"],"signatures":["` + signature + `"]}`,
		"no handle":       `{"accepted":true,"handles":[],"signatures":["` + signature + `"],"extraData":"0x00"}`,
		"no signature":    `{"accepted":true,"handles":["` + handle + `"],"signatures":[],"extraData":"0x00"}`,
		"short handle":    strings.Replace(accepted, handle, handle[:64], 1),
		"other chain":     strings.Replace(accepted, "7a69", "7a6a", 1),
		"short signature": strings.Replace(accepted, "abab", "ab", 1),
		"a handle twice":  strings.Replace(accepted, `"`+handle+`"`, `"`+handle+`","`+handle+`"`, 1),
		"many handles":    strings.Replace(accepted, `"`+handle+`"`, many, 1),
		"too long":        accepted + strings.Repeat(" ", maxAnswer),
	} {
		_, err := at(t, http.StatusOK, body, nil).Verify(t.Context(), input())
		require.ErrorIs(t, err, ErrBadAnswer, name)
	}
}

func TestARefusalIsToldFromACoprocessorThatIsUnable(t *testing.T) {
	_, err := at(t, http.StatusBadRequest, `{"error":{"message":"the proof does not verify"}}`, nil).Verify(t.Context(), input())
	require.ErrorIs(t, err, ErrRefused)
	require.ErrorContains(t, err, "the proof does not verify")
	_, err = at(t, http.StatusBadRequest, strings.Repeat("x", 10_000), nil).Verify(t.Context(), input())
	require.ErrorIs(t, err, ErrRefused)
	require.Less(t, len(err.Error()), 400)
	for _, code := range []int{http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusNoContent} {
		_, err = at(t, code, "", nil).Verify(t.Context(), input())
		require.ErrorIs(t, err, ErrUnreachable)
	}
	_, err = New("http://127.0.0.1:1", http.DefaultClient).Verify(t.Context(), input())
	require.ErrorIs(t, err, ErrUnreachable)
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(accepted))
	f.Add([]byte(`{"accepted":false}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		result, err := decode(raw, hostChain)
		if err != nil {
			return
		}
		if result.Accepted && (len(result.Handles) == 0 || len(result.Signatures) == 0) {
			t.Fatal("accepted without handles or signatures")
		}
		if _, err := json.Marshal(result); err != nil {
			t.Fatal(err)
		}
	})
}
