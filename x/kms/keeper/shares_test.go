package keeper_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"cosmossdk.io/collections"

	"github.com/tkms-network/tkms/enclave/reencrypt"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/handles"
	"github.com/tkms-network/tkms/x/kms/types"
)

func TestAUserDecryptionIsFulfilledBy2tPlus1SharesAndKeepsAllOfThem(t *testing.T) {
	for _, n := range []int{1, 4, 7, 10, 13} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			f := newFixture(t, n)
			id := f.acceptedUser(u64(1), handle(2, handles.Bool))
			for i := n; i > n-f.quorum(); i-- {
				require.Equal(t, types.REQUEST_STATUS_ACCEPTED, f.request(id).Status)
				f.answerUser(id, i)
			}
			r := f.request(id)
			require.Equal(t, types.REQUEST_STATUS_FULFILLED, r.Status)
			require.EqualValues(t, 100, r.FulfilledHeight)
			require.Empty(t, r.Plaintext)
			for i := n - f.quorum(); i > 0; i-- {
				f.answerUser(id, i)
			}
			shares := f.shares(id)
			require.Len(t, shares, n)
			for i, c := range f.request(id).Contributions {
				require.EqualValues(t, i+1, c.Index)
				require.True(t, c.Agrees)
				require.Empty(t, c.Plaintext)
				require.Equal(t, crypto.Keccak256(shares[i].Payload), c.ShareDigest)
				require.Equal(t, types.Share{Index: c.Index, Payload: f.payload(id, i+1).Encode(), Signature: c.Signature, Height: 100}, shares[i])
			}
			require.Zero(t, f.totals().Open)

			response, err := f.queries.Certificate(f.ctx, &types.QueryCertificateRequest{Id: hexOf(id)})
			require.NoError(t, err)
			counted, err := response.Certificate.Verify()
			require.NoError(t, err)
			require.Len(t, counted, n)
		})
	}
}

func TestSharesAreTakenUntilTheDeadlineAndPaidIfTheyCameBeforeThePayout(t *testing.T) {
	f := newFixture(t, 7)
	id := f.acceptedUser(handle(1, handles.Uint8)) // 87 utkms, open until 120
	f.answerUser(id, 7, 5, 3, 2, 4)
	f.endBlocks(103)
	f.answerUser(id, 1)
	f.endBlocks(119)
	r := f.request(id)
	require.EqualValues(t, 105, r.PaidHeight)
	require.EqualValues(t, 120, r.ClosedHeight(), "shares are taken until then")
	f.answerUser(id, 6)
	require.Len(t, f.shares(id), 7)
	f.endBlocks(120)
	require.Equal(t, types.REQUEST_STATUS_FULFILLED, f.request(id).Status)
	require.Zero(t, f.paidTo(6), "too late to be paid")
	require.Equal(t, []int64{15, 15, 15, 14, 14, 14}, []int64{f.paidTo(1), f.paidTo(2), f.paidTo(3), f.paidTo(4), f.paidTo(5), f.paidTo(7)})
}

func TestAShareAfterTheDeadlineIsTooLate(t *testing.T) {
	f := newFixture(t, 4)
	id := f.acceptedUser(u64(1))
	f.answerUser(id, 1, 2, 3)
	f.endBlocks(120)
	_, err := f.post(4, f.share(id, 4, f.payload(id, 4).Encode()))
	require.ErrorIs(t, err, types.ErrClosed)
	require.Len(t, f.shares(id), 3)
}

func TestAnExpiredAttemptLosesItsSharesAndReturnsItsFee(t *testing.T) {
	f := newFixture(t, 4)
	id := f.acceptedUser(u64(1))
	f.answerUser(id, 1, 2)
	old := f.share(id, 3, f.payload(id, 3).Encode())
	f.endBlocks(120)
	require.Equal(t, types.REQUEST_STATUS_EXPIRED, f.request(id).Status)
	require.EqualValues(t, startFunds, f.bank.balance(f.alice).Int64())
	require.Empty(t, f.shares(id))
	_, err := f.post(3, old)
	require.ErrorIs(t, err, types.ErrClosed)

	require.Equal(t, id, f.acceptedUser(u64(1)))
	r := f.request(id)
	require.EqualValues(t, 2, r.Attempt)
	require.Empty(t, r.Contributions)
	_, err = f.post(3, old)
	require.ErrorIs(t, err, types.ErrWrongAttempt)
	f.answerUser(id, 2, 3, 4)
	require.Len(t, f.shares(id), 3)
}

func TestTheSharesAreDroppedWithTheirRecord(t *testing.T) {
	f := newFixture(t, 4)
	f.setParams(func(p *types.Params) { p.RetentionBlocks = 10 })
	id, other := f.acceptedUser(u64(1)), f.acceptedUser(u64(2))
	f.answerUser(id, 1, 2, 3)
	f.endBlocks(129)
	require.Len(t, f.shares(id), 3, "retention counts from the deadline")
	f.endBlocks(130)
	for _, id := range [][]byte{id, other} {
		_, err := f.keeper.Requests.Get(f.ctx, id)
		require.ErrorIs(t, err, collections.ErrNotFound)
	}
	left, err := f.keeper.Shares.Iterate(f.ctx, nil)
	require.NoError(t, err)
	defer left.Close()
	require.False(t, left.Valid())
	require.Equal(t, id, f.acceptedUser(u64(1)))
	require.EqualValues(t, 2, f.request(id).Attempt, "no attempt's number is used twice")
}

func TestEachRefusedShareHasItsCode(t *testing.T) {
	f := newFixture(t, 4)
	id, other := f.acceptedUser(u64(1), handle(2, handles.Bool)), f.acceptedUser(u64(3), handle(2, handles.Bool))
	public := f.accepted(handle(1, handles.Uint8))
	f.answerUser(id, 2)
	good := func() *reencrypt.Payload { return f.payload(id, 1) }
	edit := func(change func(*reencrypt.Payload)) types.Result {
		p := good()
		change(p)
		return f.share(id, 1, p.Encode())
	}
	result := func(change func(*types.Result)) types.Result {
		r := f.share(id, 1, good().Encode())
		change(&r)
		return r
	}
	bytesOf := func(change func([]byte) []byte) types.Result {
		return f.share(id, 1, change(good().Encode()))
	}
	for name, c := range map[string]struct {
		party  int
		result types.Result
		want   error
	}{
		"older attempt":  {1, result(func(r *types.Result) { r.Attempt-- }), types.ErrWrongAttempt},
		"newer attempt":  {1, result(func(r *types.Result) { r.Attempt++ }), types.ErrWrongAttempt},
		"other epoch":    {1, result(func(r *types.Result) { r.EpochId++ }), types.ErrWrongEpoch},
		"no party":       {5, result(func(*types.Result) {}), types.ErrNotMember},
		"twice":          {2, f.share(id, 2, f.payload(id, 2).Encode()), types.ErrDuplicate},
		"plaintext":      {1, result(func(r *types.Result) { r.Plaintext = make([]byte, 64) }), types.ErrWrongKind},
		"only plaintext": {1, result(func(r *types.Result) { r.Plaintext, r.Share = make([]byte, 64), nil }), types.ErrWrongKind},
		"share of a public one": {1, func() types.Result {
			r := f.result(public, 1, f.plaintext(public, 5))
			r.Share = []byte{1}
			return r
		}(), types.ErrWrongKind},

		"empty":          {1, bytesOf(func([]byte) []byte { return nil }), types.ErrInvalidShare},
		"short":          {1, bytesOf(func(b []byte) []byte { return b[1:] }), types.ErrInvalidShare},
		"long":           {1, bytesOf(func(b []byte) []byte { return append(b, 0) }), types.ErrInvalidShare},
		"huge length":    {1, bytesOf(func(b []byte) []byte { binary.LittleEndian.PutUint64(b, 1<<63); return b }), types.ErrInvalidShare},
		"entry missing":  {1, edit(func(p *reencrypt.Payload) { p.Entries = p.Entries[:1] }), types.ErrInvalidShare},
		"entry too many": {1, edit(func(p *reencrypt.Payload) { p.Entries = append(p.Entries, p.Entries[0]) }), types.ErrInvalidShare},
		"order":          {1, edit(func(p *reencrypt.Payload) { p.Entries[0], p.Entries[1] = p.Entries[1], p.Entries[0] }), types.ErrInvalidShare},
		"handle":         {1, edit(func(p *reencrypt.Payload) { p.Entries[0].Handle[0]++ }), types.ErrInvalidShare},
		"type":           {1, edit(func(p *reencrypt.Payload) { p.Entries[0].Type = 4 }), types.ErrInvalidShare},
		"packing 2":      {1, edit(func(p *reencrypt.Payload) { p.Entries[0].Packing = 2 }), types.ErrInvalidShare},
		"packing 0":      {1, edit(func(p *reencrypt.Payload) { p.Entries[0].Packing = 0 }), types.ErrInvalidShare},
		"sizes swapped": {1, edit(func(p *reencrypt.Payload) {
			a, b := &p.Entries[0], &p.Entries[1]
			a.Signcrypted, b.Signcrypted = b.Signcrypted, a.Signcrypted
		}), types.ErrInvalidShare},
		"party of another":  {1, edit(func(p *reencrypt.Payload) { p.Party = 3 }), types.ErrInvalidShare},
		"party 0":           {1, edit(func(p *reencrypt.Payload) { p.Party = 0 }), types.ErrInvalidShare},
		"degree":            {1, edit(func(p *reencrypt.Payload) { p.Degree = 2 }), types.ErrInvalidShare},
		"link":              {1, edit(func(p *reencrypt.Payload) { p.Link[0]++ }), types.ErrInvalidShare},
		"signer of another": {1, edit(func(p *reencrypt.Payload) { p.Signer = f.payload(id, 2).Signer }), types.ErrInvalidShare},
		"signer is no key":  {1, edit(func(p *reencrypt.Payload) { p.Signer = [33]byte{2} }), types.ErrInvalidShare},
		"share of another":  {1, f.share(id, 1, f.payload(id, 2).Encode()), types.ErrInvalidShare},
		"for another":       {1, f.share(id, 1, f.payload(other, 1).Encode()), types.ErrInvalidShare},

		"unsigned":           {1, result(func(r *types.Result) { r.Signature = nil }), types.ErrInvalidSignature},
		"signed by another":  {1, result(func(r *types.Result) { r.Signature = f.share(id, 2, r.Share).Signature }), types.ErrInvalidSignature},
		"signed for another": {1, result(func(r *types.Result) { r.Signature = f.share(other, 1, r.Share).Signature }), types.ErrInvalidSignature},
		"another was signed": {1, result(func(r *types.Result) {
			r.Signature = edit(func(p *reencrypt.Payload) { p.Entries[0].Signcrypted[0]++ }).Signature
		}), types.ErrInvalidSignature},
		"signature has v 0/1": {1, result(func(r *types.Result) { r.Signature[64] -= 27 }), types.ErrInvalidSignature},
	} {
		t.Run(name, func(t *testing.T) {
			before := mustExport(f)
			_, err := f.post(c.party, c.result)
			require.ErrorIs(t, err, c.want)
			require.Equal(t, before, mustExport(f))
		})
	}
	f.answerUser(id, 1)
}

// TestACiphertextMayHaveTwoDigitsABlock: how many it has, only who reads its bytes knows.
func TestACiphertextMayHaveTwoDigitsABlock(t *testing.T) {
	f := newFixture(t, 4)
	id := f.acceptedUser(u64(1), handle(2, handles.Bool))
	whole := f.payload(id, 1)
	sealed := whole.Entries[0].Signcrypted
	packed := func(size int) types.Result {
		p := *whole
		p.Entries = slices.Clone(whole.Entries)
		p.Entries[0].Packing, p.Entries[0].Signcrypted = 2, sealed[:size]
		return f.share(id, 1, p.Encode())
	}
	layout, err := reencrypt.NewLayout(64, 2, 1)
	require.NoError(t, err)
	for _, size := range []int{layout.SigncryptedSize() - 1, layout.SigncryptedSize() + 1, len(sealed)} {
		_, err = f.post(1, packed(size))
		require.ErrorIs(t, err, types.ErrInvalidShare)
	}
	_, err = f.post(1, packed(layout.SigncryptedSize()))
	require.NoError(t, err)
}

// TestAWrongShareIsKeptWithTheOthers: whether what is encrypted is right only the
// user can tell.
func TestAWrongShareIsKeptWithTheOthers(t *testing.T) {
	f := newFixture(t, 4)
	id := f.acceptedUser(u64(1))
	wrong := f.payload(id, 2)
	wrong.Entries[0].Signcrypted[100]++
	codes, err := f.post(2, f.share(id, 2, wrong.Encode()))
	require.NoError(t, err)
	require.Equal(t, []uint32{0}, codes)
	f.answerUser(id, 1, 3, 4)
	require.Len(t, f.shares(id), 4)
	require.Equal(t, types.REQUEST_STATUS_FULFILLED, f.request(id).Status)
}

func TestACertificateOfAUserDecryptionThatWasTamperedWithDoesNotVerify(t *testing.T) {
	f := newFixture(t, 4)
	id := f.acceptedUser(u64(1), handle(2, handles.Bool))
	f.answerUser(id, 1, 2, 3)
	load := func() types.Certificate {
		response, err := f.queries.Certificate(f.ctx, &types.QueryCertificateRequest{Id: hexOf(id)})
		require.NoError(t, err)
		return response.Certificate
	}
	certificate := load()
	_, err := certificate.Verify()
	require.NoError(t, err)
	for name, change := range map[string]func(*types.Request){
		"user":            func(r *types.Request) { r.AuthorizedBy.User = carol },
		"no user":         func(r *types.Request) { r.AuthorizedBy = nil },
		"key":             func(r *types.Request) { r.AuthorizedBy.PublicKey[100]++ },
		"days":            func(r *types.Request) { r.AuthorizedBy.DurationDays++ },
		"delegator":       func(r *types.Request) { r.AuthorizedBy.Delegator = carol },
		"not signed":      func(r *types.Request) { r.AuthorizedBy.Signature[0]++ },
		"contract":        func(r *types.Request) { r.Ciphertexts[0].Contract = otherDapp },
		"order":           func(r *types.Request) { r.Ciphertexts[0], r.Ciphertexts[1] = r.Ciphertexts[1], r.Ciphertexts[0] },
		"domain":          func(r *types.Request) { r.Domain.ChainId++ },
		"host chain":      func(r *types.Request) { r.HostChainId++ },
		"kind":            func(r *types.Request) { r.Kind = types.REQUEST_KIND_PUBLIC_DECRYPTION },
		"plaintext":       func(r *types.Request) { r.Plaintext = make([]byte, 64) },
		"share":           func(r *types.Request) { r.Contributions[1].ShareDigest[0]++ },
		"no share":        func(r *types.Request) { r.Contributions[1].ShareDigest = nil },
		"signature":       func(r *types.Request) { r.Contributions[1].Signature[0]++ },
		"too few":         func(r *types.Request) { r.Contributions = r.Contributions[1:] },
		"one named twice": func(r *types.Request) { r.Contributions[1] = r.Contributions[0] },
	} {
		certificate := load()
		change(&certificate.Request)
		_, err := certificate.Verify()
		require.ErrorIs(t, err, types.ErrInvalidCertificate, name)
	}
}

func FuzzCheckShare(f *testing.F) {
	x := newFixture(f, 4)
	id := x.acceptedUser(u64(1), handle(2, handles.Bool))
	r := x.request(id)
	list, err := r.HandleList()
	require.NoError(f, err)
	signer := [20]byte(x.parties.parties[0].SigningAddress)
	good := x.payload(id, 1).Encode()
	f.Add(good)
	f.Add(x.payload(id, 2).Encode())
	f.Add(good[1:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, payload []byte) {
		if r.CheckShare(list, payload, 1, signer) != nil {
			return
		}
		p, err := reencrypt.DecodePayload(payload, len(list))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p.Encode(), payload) || p.Party != 1 || p.Degree != 1 || len(p.Entries) != 2 || len(payload) != len(good) {
			t.Fatal("a share was accepted that is none")
		}
		want, err := reencrypt.DecodePayload(good, len(list))
		if err != nil {
			t.Fatal(err)
		}
		for i := range p.Entries {
			p.Entries[i].Signcrypted = want.Entries[i].Signcrypted
		}
		if !bytes.Equal(p.Encode(), good) {
			t.Fatal("a share was accepted that differs in more than what is encrypted")
		}
	})
}

// BenchmarkStoredUserDecryption measures what a user decryption of one euint64 by four
// parties leaves in the store, and what posting its shares costs.
func BenchmarkStoredUserDecryption(b *testing.B) {
	f := newFixture(b, 4)
	host := f.acl.hosts[hostChain]
	host.Fees, host.Limits.MaxBlocksPerWindow = acltypes.Fees{}, 1<<40
	f.acl.hosts[hostChain] = host
	id := f.acceptedUser(u64(0))
	f.answerUser(id, 1, 2, 3, 4)
	record := f.request(id)
	size := record.Size() + len(types.StoreKeyOfRequest(id))
	for _, s := range f.shares(id) {
		size += s.Size() + 1 + 1 + len(id) + 4
	}
	posts := make([]types.Result, b.N)
	for i := range posts {
		msg := f.userDecryption(numbered(i, handles.Uint64))
		next, _, err := f.keeper.RequestUserDecryption(f.ctx, msg)
		require.NoError(b, err)
		posts[i] = f.share(next, 1, f.payload(next, 1).Encode())
	}
	b.ResetTimer()
	for _, post := range posts {
		if _, err := f.keeper.PostResults(f.ctx, &types.MsgPostResults{Account: partyAccount(1).String(), Results: []types.Result{post}}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(size), "B/request")
	b.ReportMetric(float64(len(f.shares(id)[0].Payload)), "B/share")
}
