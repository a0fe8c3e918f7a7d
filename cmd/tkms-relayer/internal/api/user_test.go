package api_test

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/api"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
	"github.com/tkms-network/tkms/enclave/reencrypt"
)

const (
	alice = "0xA11cE00000000000000000000000000000000001"
	bob   = "0xB0b0000000000000000000000000000000000002"
	dApp  = "0xDa00000000000000000000000000000000000003"
	shop  = "0x5401000000000000000000000000000000000004"
)

// publicKey869 is a user's key in hex without 0x.
var publicKey869 = func() string {
	key, err := reencrypt.GenerateKey(zeros{})
	if err != nil {
		panic(err)
	}
	return hex.EncodeToString(key.Public().Bytes())
}()

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// body encodes fields after a change.
func body(fields map[string]any, change func(map[string]any)) string {
	if change != nil {
		change(fields)
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func pairs(list ...string) []map[string]string {
	var out []map[string]string
	for i := 0; i < len(list); i += 2 {
		out = append(out, map[string]string{"handle": list[i], "contractAddress": list[i+1]})
	}
	return out
}

// userBody is what the published client posts to user-decrypt.
func userBody(change func(map[string]any)) string {
	return body(map[string]any{
		"handleContractPairs": pairs(handleText(2), dApp, handleText(1), shop),
		"requestValidity":     map[string]string{"startTimestamp": "1800000000", "durationDays": "10"},
		"contractsChainId":    "31337", "contractAddresses": []string{dApp, shop}, "userAddress": alice,
		"signature": strings.Repeat("ab", 65), "publicKey": publicKey869, "extraData": "0x00",
	}, change)
}

// delegatedBody is what it posts to delegated-user-decrypt.
func delegatedBody(change func(map[string]any)) string {
	return body(map[string]any{
		"handleContractPairs": pairs(handleText(1), dApp), "contractsChainId": "31337", "contractAddresses": []string{dApp},
		"delegatorAddress": bob, "delegateAddress": alice, "startTimestamp": "1800000000", "durationDays": "10",
		"signature": strings.Repeat("ab", 65), "publicKey": publicKey869, "extraData": "0x00",
	}, change)
}

func TestAUsersRequestIsReadAsThePublishedClientSendsIt(t *testing.T) {
	b := setUp(t)
	code, answer, _ := b.call(http.MethodPost, "/v2/user-decrypt", userBody(nil))
	require.Equal(t, http.StatusAccepted, code, answer)
	require.Equal(t, handleText(2), b.jobs.batch[0].String())
	require.Equal(t, handleText(1), b.jobs.batch[1].String(), "the order is the caller's")
	require.Equal(t, []common.Address{common.HexToAddress(dApp), common.HexToAddress(shop)}, b.jobs.user.Contracts)
	a := b.jobs.user.Authorization
	require.Equal(t, common.HexToAddress(alice).Bytes(), a.User)
	require.Empty(t, a.Delegator)
	require.Equal(t, [][]byte{common.HexToAddress(dApp).Bytes(), common.HexToAddress(shop).Bytes()}, a.Contracts)
	require.EqualValues(t, 1_800_000_000, a.StartTimestamp)
	require.EqualValues(t, 10, a.DurationDays)
	require.Equal(t, publicKey869, hex.EncodeToString(a.PublicKey))
	require.Equal(t, strings.Repeat("ab", 65), hex.EncodeToString(a.Signature))
	require.Equal(t, []byte{0}, a.ExtraData, "as it was signed")

	code, answer, _ = b.call(http.MethodPost, "/v2/delegated-user-decrypt", delegatedBody(nil))
	require.Equal(t, http.StatusAccepted, code, answer)
	a = b.jobs.user.Authorization
	require.Equal(t, common.HexToAddress(alice).Bytes(), a.User, "the delegate reads")
	require.Equal(t, common.HexToAddress(bob).Bytes(), a.Delegator)
	require.EqualValues(t, 1_800_000_000, a.StartTimestamp)
}

func TestAContractWalletHasNoSignature(t *testing.T) {
	b := setUp(t)
	for _, none := range []string{"", "0x"} {
		code, answer, _ := b.call(http.MethodPost, "/v2/user-decrypt", userBody(func(m map[string]any) { m["signature"], m["extraData"] = none, none }))
		require.Equal(t, http.StatusAccepted, code, answer)
		require.Empty(t, b.jobs.user.Authorization.Signature)
		require.Empty(t, b.jobs.user.Authorization.ExtraData)
	}
}

func TestUsersRequestsThatAreNoneNameTheField(t *testing.T) {
	set := func(name string, value any) func(map[string]any) { return func(m map[string]any) { m[name] = value } }
	drop := func(name string) func(map[string]any) { return func(m map[string]any) { delete(m, name) } }
	validity := func(start, days string) func(map[string]any) {
		return set("requestValidity", map[string]string{"startTimestamp": start, "durationDays": days})
	}
	eleven := make([]string, 11)
	for i := range eleven {
		eleven[i] = dApp
	}
	for name, c := range map[string]struct {
		change       func(map[string]any)
		label, field string
	}{
		"no pairs":              {drop("handleContractPairs"), api.LabelMissing, "handleContractPairs"},
		"no validity":           {drop("requestValidity"), api.LabelMissing, "requestValidity.startTimestamp"},
		"no chain":              {drop("contractsChainId"), api.LabelMissing, "contractsChainId"},
		"no contracts":          {drop("contractAddresses"), api.LabelMissing, "contractAddresses"},
		"no user":               {drop("userAddress"), api.LabelMissing, "userAddress"},
		"no signature at all":   {drop("signature"), api.LabelMissing, "signature"},
		"no key":                {drop("publicKey"), api.LabelMissing, "publicKey"},
		"another chain":         {set("contractsChainId", "1"), api.LabelValidation, "contractsChainId"},
		"a handle twice":        {set("handleContractPairs", pairs(handleText(1), dApp, handleText(1), dApp)), api.LabelValidation, "handleContractPairs"},
		"no handle":             {set("handleContractPairs", pairs("0x12", dApp)), api.LabelValidation, "handleContractPairs"},
		"a contract not named":  {set("handleContractPairs", pairs(handleText(1), bob)), api.LabelValidation, "handleContractPairs[0].contractAddress"},
		"the user as contract":  {set("userAddress", dApp), api.LabelValidation, "handleContractPairs[0].contractAddress"},
		"too many contracts":    {set("contractAddresses", eleven), api.LabelValidation, "contractAddresses"},
		"no address":            {set("userAddress", "alice"), api.LabelValidation, "userAddress"},
		"a short key":           {set("publicKey", publicKey869[2:]), api.LabelValidation, "publicKey"},
		"a key of another kind": {set("publicKey", "ff"+publicKey869[2:]), api.LabelValidation, "publicKey"},
		"a key that is no hex":  {set("publicKey", "zz"), api.LabelValidation, "publicKey"},
		"a short signature":     {set("signature", "abab"), api.LabelValidation, "signature"},
		"zero days":             {validity("1", "0"), api.LabelValidation, "requestValidity.durationDays"},
		"too many days":         {validity("1", "366"), api.LabelValidation, "requestValidity.durationDays"},
		"days that overflow":    {validity("1", "4294967297"), api.LabelValidation, "requestValidity.durationDays"},
		"a start that is none":  {validity("-1", "1"), api.LabelValidation, "requestValidity.startTimestamp"},
		"other extra data":      {set("extraData", "0x01"), api.LabelValidation, "extraData"},
	} {
		t.Run(name, func(t *testing.T) {
			b := setUp(t)
			for _, version := range []string{"/v1/", "/v2/"} {
				code, answer, _ := b.call(http.MethodPost, version+"user-decrypt", userBody(c.change))
				failure := b.understood(http.MethodPost, code, answer)
				require.Equal(t, http.StatusBadRequest, code)
				require.Equal(t, c.label, failure.Error.Label, answer)
				require.Contains(t, answer, `"field":"`+c.field+`"`)
				require.Nil(t, b.jobs.user)
			}
		})
	}
	b := setUp(t)
	code, answer, _ := b.call(http.MethodPost, "/v2/delegated-user-decrypt", delegatedBody(drop("delegatorAddress")))
	require.Equal(t, api.LabelMissing, b.understood(http.MethodPost, code, answer).Error.Label)
	code, answer, _ = b.call(http.MethodPost, "/v2/delegated-user-decrypt", delegatedBody(set("delegatorAddress", dApp)))
	require.Contains(t, answer, "the owner of the handle", code)
	code, answer, _ = b.call(http.MethodPost, "/v2/delegated-user-decrypt", delegatedBody(set("delegatorAddress", alice)))
	require.Contains(t, answer, "her own delegate", code)
}

func TestSharesAreAnsweredAsThePublishedClientReadsThem(t *testing.T) {
	b := setUp(t)
	result := &jobs.Result{
		RequestID: "ab", KeyID: "cd", Attempt: 1, Height: 9, Handles: []common.Hash{common.HexToHash(handleText(1))}, Complete: true,
		Shares: []jobs.Share{{Index: 1, Payload: []byte{0x29, 0}, Signature: hexutil.MustDecode("0x" + strings.Repeat("01", 65))}, {Index: 3, Payload: []byte{7}}},
	}
	shares := `[{"payload":"2900","signature":"` + strings.Repeat("01", 65) + `"},{"payload":"07","signature":""}]`
	for _, kind := range []jobs.Kind{jobs.UserDecrypt, jobs.DelegatedUserDecrypt} {
		job := &jobs.Job{ID: "job-1", Kind: kind, State: jobs.Succeeded, Result: result}
		b.jobs.known["job-1"] = job
		code, text, _ := b.call(http.MethodGet, "/v2/"+string(kind)+"/job-1", "")
		require.Equal(t, http.StatusOK, code)
		var answer struct {
			Status, RequestID string
			Result            json.RawMessage
			TKMS              struct {
				RequestID string
				Parties   []uint32
				Complete  bool
			}
		}
		require.NoError(t, json.Unmarshal([]byte(text), &answer))
		require.Equal(t, "succeeded", answer.Status)
		require.Equal(t, "job-1", answer.RequestID)
		require.JSONEq(t, `{"result":`+shares+`}`, string(answer.Result))
		require.Equal(t, []uint32{1, 3}, answer.TKMS.Parties)
		require.Equal(t, "ab", answer.TKMS.RequestID)
		require.True(t, answer.TKMS.Complete)

		code, text, _ = b.call(http.MethodPost, "/v1/"+string(kind), bodies()[kind])
		require.Equal(t, http.StatusOK, code)
		require.JSONEq(t, `{"response":`+shares+`}`, text)
	}
}
