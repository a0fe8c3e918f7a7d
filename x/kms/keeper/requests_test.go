package keeper_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"cosmossdk.io/math"

	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/handles"
	"github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

func TestAnAcceptedRequestHoldsAllThatAPartyActsOn(t *testing.T) {
	f := newFixture(t, 4)
	id := f.accepted(handle(9, handles.Uint64), handle(1, handles.Bool))
	r := f.request(id)

	require.Equal(t, id, r.Id)
	require.Equal(t, types.REQUEST_STATUS_ACCEPTED, r.Status)
	require.EqualValues(t, 1, r.Attempt)
	require.EqualValues(t, epochID, r.EpochId)
	require.EqualValues(t, 3, r.Threshold)
	require.Equal(t, f.keyID, r.KeyId)
	require.Equal(t, f.acl.hosts[hostChain].VerifierDomain, r.Domain)
	require.EqualValues(t, 120, r.Deadline)
	require.EqualValues(t, 7+33*10, r.Fee)
	require.Equal(t, []string{"coprocessor", types.StandInEnclave}, r.Simulated)
	require.Equal(t, handle(9, handles.Uint64), r.Ciphertexts[0].Handle, "the caller's order stays")
	require.Equal(t, digestOf(r.Ciphertexts[1].Handle), r.Ciphertexts[1].Digest)
	require.EqualValues(t, 55, r.Authorization.HeaderHeight)
	require.Len(t, r.Authorization.ProofDigest, 32)
	require.EqualValues(t, startFunds-337, f.bank.balance(f.alice).Int64())

	work, err := f.keeper.Work.Get(f.ctx, 100)
	require.NoError(t, err)
	require.Equal(t, types.Work{KeyIds: [][]byte{f.keyID}, RequestIds: [][]byte{id}}, work)
}

func TestARepeatedRequestCreatesNothingAndCostsNothing(t *testing.T) {
	f := newFixture(t, 4)
	a, b := handle(9, handles.Uint64), handle(1, handles.Bool)
	id := f.accepted(a, b)
	before, verified := f.totals(), f.acl.verified
	record := f.request(id)

	again := f.decryption(a, b)
	again.Requester, again.MaxFee, again.Proof = account("bob").String(), 0, acltypes.DecryptionProof{Header: []byte("bad")}
	repeat := func() {
		t.Helper()
		got, created, err := f.send(again)
		require.NoError(t, err)
		require.False(t, created)
		require.Equal(t, id, got)
		require.Equal(t, before.Requests, f.totals().Requests)
		require.Equal(t, verified, f.acl.verified)
	}
	repeat()
	require.Equal(t, before, f.totals())
	require.Equal(t, record, f.request(id))

	f.setParams(func(p *types.Params) { p.PausePublicDecryption = true })
	repeat()
	f.answer(id, f.plaintext(id, 5, 1), 1, 2, 3)
	repeat()
	f.endBlocks(110)
	require.NotZero(t, f.request(id).PaidHeight)
	repeat()
}

func TestAnotherOrderIsAnotherRequestSinceThePartiesSignOverIt(t *testing.T) {
	f := newFixture(t, 4)
	a, b := handle(9, handles.Uint64), handle(1, handles.Bool)
	first, second := f.accepted(a, b), f.accepted(b, a)
	require.NotEqual(t, first, second)
	require.Equal(t, a, f.request(first).Ciphertexts[0].Handle)
	require.Equal(t, b, f.request(second).Ciphertexts[0].Handle)
}

func TestADigestClaimMustBeTheOneOnRecord(t *testing.T) {
	f := newFixture(t, 4)
	a, b := handle(9, handles.Uint64), handle(1, handles.Bool)
	msg := f.decryption(a, b)
	msg.Digests = [][]byte{digestOf(a), digestOf(a)}
	_, _, err := f.send(msg)
	require.ErrorIs(t, err, types.ErrDigestMismatch)
	msg.Digests[1] = digestOf(b)
	_, created, err := f.send(msg)
	require.NoError(t, err)
	require.True(t, created)

	repeat := f.decryption(a, b)
	repeat.Digests = [][]byte{digestOf(a), digestOf(b)}
	_, created, err = f.send(repeat)
	require.NoError(t, err)
	require.False(t, created)
	slices.Reverse(repeat.Digests)
	_, _, err = f.send(repeat)
	require.ErrorIs(t, err, types.ErrDigestMismatch)
}

func TestEachReasonForRefusalHasItsErrorAndLeavesNothing(t *testing.T) {
	f := newFixture(t, 4)
	retired := f.activeKey(otherChain)
	good := func() *types.MsgRequestPublicDecryption { return f.decryption(handle(1, handles.Uint8)) }
	ok := func(*types.MsgRequestPublicDecryption) {}
	type msg = types.MsgRequestPublicDecryption
	for name, c := range map[string]struct {
		change func(*msg)
		state  func()
		want   error
	}{
		"requester":         {func(m *msg) { m.Requester = "nobody" }, nil, types.ErrMalformed},
		"short key id":      {func(m *msg) { m.KeyId = m.KeyId[1:] }, nil, types.ErrMalformed},
		"no handles":        {func(m *msg) { m.Handles = nil }, nil, types.ErrInvalidHandle},
		"short handle":      {func(m *msg) { m.Handles[0] = m.Handles[0][1:] }, nil, types.ErrInvalidHandle},
		"handle twice":      {func(m *msg) { m.Handles = append(m.Handles, m.Handles[0]) }, nil, types.ErrInvalidHandle},
		"unsupported type":  {func(m *msg) { m.Handles[0][30] = 10 }, nil, types.ErrInvalidHandle},
		"other host chain":  {func(m *msg) { m.Handles[0] = handleOn(otherChain, 1, handles.Bool) }, nil, types.ErrInvalidHandle},
		"digest count":      {func(m *msg) { m.Digests = [][]byte{digestOf(m.Handles[0]), nil} }, nil, types.ErrMalformed},
		"digest length":     {func(m *msg) { m.Digests = [][]byte{{1}} }, nil, types.ErrMalformed},
		"digest":            {func(m *msg) { m.Digests = [][]byte{make([]byte, 32)} }, nil, types.ErrDigestMismatch},
		"absurd batch":      {func(m *msg) { m.Handles = make([][]byte, types.MaxHandles+1) }, nil, types.ErrTooManyHandles},
		"too many handles":  {func(m *msg) { m.Handles = batchOf(5, handles.Bool) }, nil, types.ErrTooManyHandles},
		"too many blocks":   {func(m *msg) { m.Handles = batchOf(2, handles.Uint2048) }, nil, types.ErrTooManyBlocks},
		"unknown key":       {func(m *msg) { m.KeyId = bytes.Repeat([]byte{7}, 32) }, nil, types.ErrUnknownKey},
		"key of another":    {func(m *msg) { m.KeyId = retired }, nil, types.ErrKeyOfOther},
		"fee":               {func(m *msg) { m.MaxFee = 46 }, nil, types.ErrFeeTooLow},
		"proof":             {func(m *msg) { m.Proof.Header = []byte("bad") }, nil, errProof},
		"digests not bound": {func(m *msg) { m.Proof.Header = []byte("empty") }, nil, types.ErrMalformed},
		"poor requester":    {func(m *msg) { m.Requester = account("poor").String() }, nil, nil},
		"unknown host":      {ok, func() { delete(f.acl.hosts, hostChain) }, types.ErrUnknownHostChain},
		"paused":            {ok, func() { f.setParams(func(p *types.Params) { p.PausePublicDecryption = true }) }, types.ErrPaused},
		"epoch gone":        {ok, func() { f.parties.epoch.Status = partiestypes.EPOCH_STATUS_RETIRED }, types.ErrNoEpoch},
		"window without end": {ok, func() {
			h := f.acl.hosts[hostChain]
			h.Limits.WindowBlocks = 0
			f.acl.hosts[hostChain] = h
		}, types.ErrRateLimited},
		"price overflow": {ok, func() {
			h := f.acl.hosts[hostChain]
			h.Fees.PublicDecryptionPerBlock = 1 << 63
			f.acl.hosts[hostChain] = h
		}, types.ErrFeeTooLow},
	} {
		t.Run(name, func(t *testing.T) {
			host, epoch := f.acl.hosts[hostChain], f.parties.epoch
			if c.state != nil {
				c.state()
			}
			m := good()
			c.change(m)
			before, err := f.keeper.ExportGenesis(f.ctx)
			require.NoError(t, err)
			_, _, err = f.send(m)
			require.Error(t, err)
			if c.want != nil {
				require.ErrorIs(t, err, c.want)
			}
			after, err := f.keeper.ExportGenesis(f.ctx)
			require.NoError(t, err)
			require.Equal(t, before, after)
			f.acl.hosts[hostChain], f.parties.epoch = host, epoch
			f.setParams(func(p *types.Params) { p.PausePublicDecryption = false })
		})
	}
	_, created, err := f.send(good())
	require.NoError(t, err)
	require.True(t, created)
}

func batchOf(n int, t handles.Type) [][]byte {
	var batch [][]byte
	for i := range n {
		batch = append(batch, handle(byte(i+1), t))
	}
	return batch
}

func TestAKeyThatIsNotActiveTakesNoRequests(t *testing.T) {
	f := newStore(t, 4)
	id, _, err := f.requestKey(hostChain)
	require.NoError(t, err)
	f.keyID = id
	_, _, err = f.send(f.decryption(handle(1, handles.Bool)))
	require.ErrorIs(t, err, types.ErrKeyNotActive)
}

func TestOfflineItemsAreContiguousAndNeverAssignedTwice(t *testing.T) {
	f := newFixture(t, 4)
	next := uint64(0)
	seen := map[uint64]bool{}
	take := func(id []byte) {
		t.Helper()
		for _, c := range f.request(id).Ciphertexts {
			require.Equal(t, next, c.FirstItem)
			for i := range uint64(c.Blocks) {
				require.False(t, seen[next+i])
				seen[next+i] = true
			}
			next += uint64(c.Blocks)
		}
		first, count := f.request(id).Items()
		require.Equal(t, next, first+count)
	}
	first := f.accepted(handle(1, handles.Uint64), handle(2, handles.Bool), handle(3, handles.Uint4))
	take(first)
	take(f.accepted(handle(4, handles.Uint256)))
	f.endBlocks(120)
	require.Equal(t, types.REQUEST_STATUS_EXPIRED, f.request(first).Status)
	take(f.accepted(handle(1, handles.Uint64), handle(2, handles.Bool), handle(3, handles.Uint4)))
	require.EqualValues(t, 2, f.request(first).Attempt)
	open, err := f.queries.OpenWork(f.ctx, &types.QueryOpenWorkRequest{EpochId: epochID})
	require.NoError(t, err)
	require.Equal(t, next, open.NextItem)
	require.Equal(t, [][]byte{first}, open.RequestIds)
}

func TestTheRateLimitCountsBlocksPerWindowAndHostChain(t *testing.T) {
	f := newFixture(t, 4)
	other := f.activeKey(otherChain)
	f.accepted(handle(1, handles.Uint2048))
	f.accepted(handle(2, handles.Uint2048))
	_, _, err := f.send(f.decryption(handle(3, handles.Uint2048)))
	require.ErrorIs(t, err, types.ErrRateLimited)
	f.accepted(handle(4, handles.Uint256))

	msg := f.decryption(handleOn(otherChain, 3, handles.Uint2048))
	msg.HostChainId, msg.KeyId = otherChain, other
	_, created, err := f.send(msg)
	require.NoError(t, err)
	require.True(t, created)

	f.ctx = f.ctx.WithBlockHeight(1000)
	f.accepted(handle(3, handles.Uint2048))
}

func TestExpiryReturnsTheFeeAndTheRequestMayBeMadeAgain(t *testing.T) {
	f := newFixture(t, 4)
	id := f.accepted(handle(1, handles.Uint8))
	f.answer(id, f.plaintext(id, 5), 1, 2)
	f.endBlocks(119)
	require.Equal(t, types.REQUEST_STATUS_ACCEPTED, f.request(id).Status)
	f.endBlocks(120)
	r := f.request(id)
	require.Equal(t, types.REQUEST_STATUS_EXPIRED, r.Status)
	require.EqualValues(t, 120, r.ExpiredHeight)
	require.Equal(t, map[uint64]int{103: 1, 104: 1}, f.parties.missed)
	require.Equal(t, math.NewInt(startFunds), f.bank.balance(f.alice))
	require.Zero(t, f.totals().Escrow)

	_, err := f.post(3, f.result(id, 3, f.plaintext(id, 5)))
	require.ErrorIs(t, err, types.ErrClosed)

	require.Equal(t, id, f.accepted(handle(1, handles.Uint8)))
	r = f.request(id)
	require.EqualValues(t, 2, r.Attempt)
	require.EqualValues(t, 100, r.RequestedHeight)
	require.EqualValues(t, 121, r.AcceptedHeight)
	require.Empty(t, r.Contributions)
	require.Zero(t, r.ExpiredHeight)
	f.answer(id, f.plaintext(id, 5), 1, 2, 3)
	require.Equal(t, types.REQUEST_STATUS_FULFILLED, f.request(id).Status)
	require.EqualValues(t, 2, f.totals().Requests)
}

func TestAnOverdueRequestIsMadeAgainBeforeTheQueueGetsToIt(t *testing.T) {
	f := newFixture(t, 4)
	id := f.accepted(handle(1, handles.Uint8))
	f.ctx = f.ctx.WithBlockHeight(121)
	_, err := f.post(1, f.result(id, 1, f.plaintext(id, 5)))
	require.ErrorIs(t, err, types.ErrClosed)
	require.Equal(t, id, f.accepted(handle(1, handles.Uint8)))
	require.EqualValues(t, 2, f.request(id).Attempt)
	require.EqualValues(t, 47, f.totals().Escrow)
	f.endBlocks(140)
	require.Equal(t, types.REQUEST_STATUS_ACCEPTED, f.request(id).Status)
	f.endBlocks(141)
	require.Equal(t, types.REQUEST_STATUS_EXPIRED, f.request(id).Status)
}
