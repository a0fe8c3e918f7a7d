package keeper_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"
	"github.com/tkms-network/tkms/x/kms/types"
)

func TestARequestIsFulfilledBy2tPlus1EqualPlaintextsAndNotBefore(t *testing.T) {
	for _, n := range []int{1, 4, 7} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			f := newFixture(t, n)
			id := f.accepted(handle(1, handles.Uint64), handle(2, handles.Bool))
			plaintext := f.plaintext(id, 1234567, 1)
			for i := n; i > n-f.quorum(); i-- {
				require.Equal(t, types.REQUEST_STATUS_ACCEPTED, f.request(id).Status)
				f.answer(id, plaintext, i)
			}
			r := f.request(id)
			require.Equal(t, types.REQUEST_STATUS_FULFILLED, r.Status)
			require.Equal(t, plaintext, r.Plaintext)
			require.EqualValues(t, 100, r.FulfilledHeight)
			require.Len(t, r.Contributions, f.quorum())
			for i, c := range r.Contributions {
				require.EqualValues(t, n-f.quorum()+1+i, c.Index, "sorted")
				require.True(t, c.Agrees)
				require.Empty(t, c.Plaintext)
				require.Equal(t, plaintext, r.PlaintextOf(c))
			}
			require.Zero(t, f.totals().Open)

			certificate, err := f.queries.Certificate(f.ctx, &types.QueryCertificateRequest{Id: fmt.Sprintf("%x", id)})
			require.NoError(t, err)
			counted, err := certificate.Certificate.Verify()
			require.NoError(t, err)
			require.Len(t, counted, f.quorum())
		})
	}
}

func TestOtherPlaintextsAreRecordedAndDoNotCount(t *testing.T) {
	f := newFixture(t, 7)
	id := f.accepted(handle(1, handles.Uint8))
	good, bad := f.plaintext(id, 5), f.plaintext(id, 6)
	f.answer(id, bad, 1, 3)
	f.answer(id, good, 2, 4, 5, 6)
	require.Equal(t, types.REQUEST_STATUS_ACCEPTED, f.request(id).Status)
	f.answer(id, good, 7)
	r := f.request(id)
	require.Equal(t, types.REQUEST_STATUS_FULFILLED, r.Status)
	require.Equal(t, good, r.Plaintext)
	for _, c := range r.Contributions {
		dishonest := c.Index == 1 || c.Index == 3
		require.Equal(t, !dishonest, c.Agrees)
		if dishonest {
			require.Equal(t, bad, r.PlaintextOf(c))
		}
	}
	before := f.bank.balance(account("b"))
	f.endBlocks(105)
	require.Equal(t, before, f.bank.balance(account("b")), "party 1 disagreed and is not paid")
	require.EqualValues(t, 47, f.paidTo(2)+f.paidTo(4)+f.paidTo(5)+f.paidTo(6)+f.paidTo(7))
}

// paidTo returns what the operator of a party holds.
func (f *fixture) paidTo(index int) int64 {
	return f.bank.balance(account(string(rune('a' + index)))).Int64()
}

func TestThePayoutIsSplitAmongAllWhoseResultIsInAndTheLowestGetTheRemainder(t *testing.T) {
	f := newFixture(t, 4)
	id := f.accepted(handle(1, handles.Uint8)) // 47 utkms
	plaintext := f.plaintext(id, 5)
	f.answer(id, plaintext, 4, 3, 1)
	f.endBlocks(103)
	f.answer(id, plaintext, 2)
	require.True(t, f.request(id).Contributions[1].Agrees)
	f.endBlocks(104)
	require.Zero(t, f.paidTo(1))
	require.EqualValues(t, 47, f.totals().Escrow)
	f.endBlocks(105)
	require.Equal(t, []int64{12, 12, 12, 11}, []int64{f.paidTo(1), f.paidTo(2), f.paidTo(3), f.paidTo(4)})
	r := f.request(id)
	require.EqualValues(t, 105, r.PaidHeight)
	require.Zero(t, f.totals().Escrow)
	require.Equal(t, map[uint64]int{101: 3, 102: 3, 103: 3, 104: 1}, f.parties.contributions, "echo, key and result each")
	require.Equal(t, map[uint64]uint64{101: 0, 102: 4, 103: 0, 104: 0}, f.parties.blocks, "since the request was accepted")
	require.Empty(t, f.parties.missed)
}

func TestAMemberMissesWhatIsPaidForWithoutItUnlessItWasRemoved(t *testing.T) {
	f := newFixture(t, 7)
	id := f.accepted(handle(1, handles.Uint8))
	f.parties.epoch.Members[5].Removed = true
	f.answer(id, f.plaintext(id, 5), 1, 2, 3, 4, 5)
	f.endBlocks(104)
	require.Empty(t, f.parties.missed)
	f.endBlocks(105)
	require.Equal(t, map[uint64]int{107: 1}, f.parties.missed)
}

func TestAResultAfterThePayoutIsTooLate(t *testing.T) {
	f := newFixture(t, 4)
	id := f.accepted(handle(1, handles.Uint8))
	plaintext := f.plaintext(id, 5)
	f.answer(id, plaintext, 1, 2, 3)
	f.endBlocks(105)
	_, err := f.post(4, f.result(id, 4, plaintext))
	require.ErrorIs(t, err, types.ErrClosed)
}

func TestAFulfilledRequestIsPaidAlthoughItsDeadlineComesFirst(t *testing.T) {
	f := newFixture(t, 4)
	f.setParams(func(p *types.Params) { p.PayoutDelayBlocks = 50 })
	id := f.accepted(handle(1, handles.Uint8))
	f.answer(id, f.plaintext(id, 5), 1, 2, 3)
	f.endBlocks(150)
	r := f.request(id)
	require.Equal(t, types.REQUEST_STATUS_FULFILLED, r.Status)
	require.EqualValues(t, 150, r.PaidHeight)
}

func TestEachRefusedResultHasItsCode(t *testing.T) {
	f := newFixture(t, 4)
	id := f.accepted(handle(1, handles.Uint8), handle(2, handles.Bool))
	plaintext := f.plaintext(id, 5, 1)
	other := f.accepted(handle(3, handles.Uint8), handle(2, handles.Bool))
	f.answer(id, plaintext, 2)
	outOfRange := bytes.Clone(plaintext)
	outOfRange[63] = 2

	resign := func(r *types.Result) {
		list, err := f.request(id).HandleList()
		require.NoError(t, err)
		digest, err := f.request(id).SigningDigest(list, r.Plaintext)
		require.NoError(t, err)
		r.Signature, err = eip712.Sign(digest, f.parties.keys[0])
		require.NoError(t, err)
	}
	type result = types.Result
	for name, c := range map[string]struct {
		party  int
		change func(*result)
		want   error
	}{
		"unknown request":         {1, func(r *result) { r.RequestId = make([]byte, 32) }, types.ErrUnknownRequest},
		"empty id":                {1, func(r *result) { r.RequestId = nil }, types.ErrUnknownRequest},
		"older attempt":           {1, func(r *result) { r.Attempt = 0 }, types.ErrWrongAttempt},
		"newer attempt":           {1, func(r *result) { r.Attempt = 2 }, types.ErrWrongAttempt},
		"older epoch":             {1, func(r *result) { r.EpochId-- }, types.ErrWrongEpoch},
		"newer epoch":             {1, func(r *result) { r.EpochId++ }, types.ErrWrongEpoch},
		"no party":                {5, func(*result) {}, types.ErrNotMember},
		"twice":                   {2, func(*result) {}, types.ErrDuplicate},
		"short":                   {1, func(r *result) { r.Plaintext = r.Plaintext[1:]; resign(r) }, types.ErrInvalidPlaintext},
		"long":                    {1, func(r *result) { r.Plaintext = append(bytes.Clone(plaintext), 0); resign(r) }, types.ErrInvalidPlaintext},
		"bool of two":             {1, func(r *result) { r.Plaintext = outOfRange; resign(r) }, types.ErrInvalidPlaintext},
		"other plaintext":         {1, func(r *result) { r.Plaintext = f.plaintext(id, 6, 1) }, types.ErrInvalidSignature},
		"signature of another":    {1, func(r *result) { r.Signature = f.result(id, 2, plaintext).Signature }, types.ErrInvalidSignature},
		"signature for another":   {1, func(r *result) { r.Signature = f.result(other, 1, plaintext).Signature }, types.ErrInvalidSignature},
		"no signature":            {1, func(r *result) { r.Signature = nil }, types.ErrInvalidSignature},
		"signature with v of 0/1": {1, func(r *result) { r.Signature = bytes.Clone(r.Signature); r.Signature[64] -= 27 }, types.ErrInvalidSignature},
	} {
		t.Run(name, func(t *testing.T) {
			before := f.request(id)
			r := f.result(id, 1, plaintext)
			c.change(&r)
			_, err := f.post(c.party, r)
			require.ErrorIs(t, err, c.want)
			require.Equal(t, before, f.request(id))

			// In a batch only the bad one is refused.
			good := f.result(other, 1, f.plaintext(other, 9, 0))
			if c.party == 1 && name == "unknown request" {
				codes, err := f.post(1, r, good)
				require.NoError(t, err)
				require.Equal(t, []uint32{types.CodeOf(types.ErrUnknownRequest), 0}, codes)
				require.Len(t, f.request(other).Contributions, 1)
			}
		})
	}
	f.answer(id, plaintext, 1)
}

func TestABatchRecordsWhatIsGoodAndNamesWhatIsNot(t *testing.T) {
	f := newFixture(t, 4)
	a, b := f.accepted(handle(1, handles.Uint8)), f.accepted(handle(2, handles.Uint8))
	ra, rb := f.result(a, 1, f.plaintext(a, 1)), f.result(b, 1, f.plaintext(b, 2))
	bad := rb
	bad.Signature = ra.Signature
	codes, err := f.post(1, bad, ra, ra, rb)
	require.NoError(t, err)
	require.Equal(t, []uint32{25, 0, 23, 0}, codes)
	require.Len(t, f.request(a).Contributions, 1)
	require.Len(t, f.request(b).Contributions, 1)

	_, err = f.post(1, ra, rb)
	require.ErrorIs(t, err, types.ErrDuplicate, "a message of which nothing is recorded fails")
	_, err = f.post(1)
	require.ErrorIs(t, err, types.ErrMalformed)
	_, err = f.post(1, make([]types.Result, types.MaxResults+1)...)
	require.ErrorIs(t, err, types.ErrMalformed)
	f.setParams(func(p *types.Params) { p.PauseResults = true })
	_, err = f.post(2, f.result(a, 2, f.plaintext(a, 1)))
	require.ErrorIs(t, err, types.ErrPaused)
}

func TestASignatureOfAnEarlierAttemptDoesNotCarryOver(t *testing.T) {
	f := newFixture(t, 4)
	id := f.accepted(handle(1, handles.Uint8))
	old := f.result(id, 1, f.plaintext(id, 5))
	f.endBlocks(120)
	f.accepted(handle(1, handles.Uint8))
	_, err := f.post(1, old)
	require.ErrorIs(t, err, types.ErrWrongAttempt)
}

func TestACertificateThatWasTamperedWithDoesNotVerify(t *testing.T) {
	f := newFixture(t, 4)
	id := f.accepted(handle(1, handles.Uint8), handle(2, handles.Bool))
	f.answer(id, f.plaintext(id, 5, 1), 1, 2, 3)
	load := func() types.Certificate {
		response, err := f.queries.Certificate(f.ctx, &types.QueryCertificateRequest{Id: fmt.Sprintf("0x%x", id)})
		require.NoError(t, err)
		return response.Certificate
	}
	certificate := load()
	_, err := certificate.Verify()
	require.NoError(t, err)
	for name, change := range map[string]func(*types.Certificate){
		"plaintext":  func(c *types.Certificate) { c.Request.Plaintext[31]++ },
		"range":      func(c *types.Certificate) { c.Request.Plaintext[63] = 2 },
		"order":      func(c *types.Certificate) { s := c.Request.Ciphertexts; s[0], s[1] = s[1], s[0] },
		"handle":     func(c *types.Certificate) { c.Request.Ciphertexts[0].Handle[0]++ },
		"no handles": func(c *types.Certificate) { c.Request.Ciphertexts = nil },
		"key":        func(c *types.Certificate) { c.Request.KeyId[0]++ },
		"id":         func(c *types.Certificate) { c.Request.Id[0]++ },
		"domain":     func(c *types.Certificate) { c.Request.Domain.ChainId++ },
		"contract":   func(c *types.Certificate) { c.Request.Domain.VerifyingContract = nil },
		"signer":     func(c *types.Certificate) { c.Signers[0], c.Signers[1] = c.Signers[1], c.Signers[0] },
		"no signer":  func(c *types.Certificate) { c.Signers = c.Signers[:2] },
		"signature":  func(c *types.Certificate) { c.Request.Contributions[0].Signature[0]++ },
		"too few":    func(c *types.Certificate) { c.Request.Contributions = c.Request.Contributions[:2] },
		"disagrees":  func(c *types.Certificate) { c.Request.Contributions[2].Agrees = false },
		"repeated": func(c *types.Certificate) {
			c.Request.Contributions[2] = c.Request.Contributions[1]
		},
		"threshold": func(c *types.Certificate) { c.Request.Threshold = 0 },
		"one signer in two seats": func(c *types.Certificate) {
			c.Signers[1] = c.Signers[0]
			c.Request.Contributions[1].Signature = c.Request.Contributions[0].Signature
		},
	} {
		certificate := load()
		change(&certificate)
		_, err := certificate.Verify()
		require.ErrorIs(t, err, types.ErrInvalidCertificate, name)
	}
}

func TestAnOpenRequestHasNoCertificate(t *testing.T) {
	f := newFixture(t, 4)
	id := f.accepted(handle(1, handles.Uint8))
	_, err := f.queries.Certificate(context.Background(), &types.QueryCertificateRequest{Id: "xyz"})
	require.Error(t, err)
	_, err = f.queries.Certificate(f.ctx, &types.QueryCertificateRequest{Id: fmt.Sprintf("%x", id)})
	require.ErrorContains(t, err, "not fulfilled")
}
