package keeper_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/cosmos/gogoproto/proto"
	"github.com/stretchr/testify/require"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"

	"github.com/tkms-network/tkms/app/ante"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/handles"
	"github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

func hexOf(id []byte) string { return hex.EncodeToString(id) }

func TestAnAcceptedUserDecryptionHoldsWhatTheUserSigned(t *testing.T) {
	f := newFixture(t, 4)
	msg := f.userDecryption(u64(9), handle(1, handles.Bool))
	msg.Handles[1].Contract = otherDapp
	id, created, err := f.sendUser(msg)
	require.NoError(t, err)
	require.True(t, created)

	r := f.request(id)
	require.Equal(t, types.REQUEST_KIND_USER_DECRYPTION, r.Kind)
	require.Equal(t, &msg.Authorization, r.AuthorizedBy)
	require.EqualValues(t, 3, r.Threshold)
	require.EqualValues(t, 1, r.Degree())
	require.Equal(t, f.acl.hosts[hostChain].VerifierDomain, r.Domain)
	require.EqualValues(t, 7+33*20, r.Fee)
	require.EqualValues(t, startFunds-667, f.bank.balance(f.alice).Int64())
	require.Equal(t, u64(9), r.Ciphertexts[0].Handle)
	require.Equal(t, digestOf(u64(9)), r.Ciphertexts[0].Digest)
	require.Equal(t, dapp, r.Ciphertexts[0].Contract)
	require.Equal(t, otherDapp, r.Ciphertexts[1].Contract)
	require.EqualValues(t, 32, r.Ciphertexts[1].FirstItem)
	list, err := r.HandleList()
	require.NoError(t, err)
	computed, err := r.ComputedID(list)
	require.NoError(t, err)
	require.Equal(t, id, computed[:])

	require.Equal(t, acltypes.UserAccess{
		Handles: [][32]byte{[32]byte(u64(9)), [32]byte(handle(1, handles.Bool))}, Contracts: [][20]byte{[20]byte(dapp), [20]byte(otherDapp)},
		User: [20]byte(bob),
	}, f.acl.access)
	work, err := f.keeper.Work.Get(f.ctx, 100)
	require.NoError(t, err)
	require.Equal(t, [][]byte{id}, work.RequestIds)
}

func TestADelegateReadsForTheDelegator(t *testing.T) {
	f := newFixture(t, 4)
	_, _, err := f.sendUser(f.delegated(f.userDecryption(u64(1))))
	require.NoError(t, err)
	require.Equal(t, [20]byte(bob), f.acl.access.User)
	require.Equal(t, [20]byte(carol), f.acl.access.Owner())
	require.Nil(t, f.acl.access.Approval)
}

func TestWithoutASignatureTheWalletMustHaveApprovedWhatWouldBeSigned(t *testing.T) {
	f := newFixture(t, 4)
	msg := f.userDecryption(u64(1))
	msg.Authorization.Signature = nil
	_, created, err := f.sendUser(msg)
	require.NoError(t, err)
	require.True(t, created)
	digest, err := msg.Authorization.Digest(hostChain, f.acl.hosts[hostChain].VerifierDomain)
	require.NoError(t, err)
	require.Equal(t, &digest, f.acl.access.Approval, "x/acl looks for it")
}

func TestARepeatedUserDecryptionCreatesNothingAndCostsNothing(t *testing.T) {
	f := newFixture(t, 4)
	id := f.acceptedUser(u64(9), handle(1, handles.Bool))
	before, verified := f.totals(), f.acl.verified
	repeat := func(msg *types.MsgRequestUserDecryption) error {
		t.Helper()
		msg.Requester, msg.MaxFee, msg.Proof = account("dave").String(), 0, acltypes.DecryptionProof{Header: []byte("bad")}
		got, created, err := f.sendUser(msg)
		require.False(t, created)
		require.Equal(t, before.Requests, f.totals().Requests)
		require.Equal(t, verified, f.acl.verified)
		if err == nil {
			require.Equal(t, id, got)
		}
		return err
	}
	again := f.userDecryption(u64(9), handle(1, handles.Bool))
	require.NoError(t, repeat(again))
	again.Digests = [][]byte{digestOf(u64(9)), digestOf(u64(9))}
	require.ErrorIs(t, repeat(again), types.ErrDigestMismatch)
	again.Digests = nil

	f.setParams(func(p *types.Params) { p.PauseUserDecryption = true })
	f.ctx = f.ctx.WithBlockTime(time.Unix(now+365*86400, 0))
	require.NoError(t, repeat(again), "it was accepted in its time")
	f.answerUser(id, 1, 2, 3)
	require.NoError(t, repeat(again))

	// Who shows no signature learns what anybody can see; a wrong one is refused.
	unsigned := f.userDecryption(u64(9), handle(1, handles.Bool))
	unsigned.Authorization.Signature = nil
	require.NoError(t, repeat(unsigned))
	f.sign(unsigned, carolsKey)
	require.ErrorIs(t, repeat(unsigned), types.ErrNotSignedByUser)
}

func TestAnotherAuthorizationOrOrderIsAnotherRequest(t *testing.T) {
	f := newFixture(t, 4)
	seen := map[string]string{string(f.acceptedUser(u64(1), u64(2))): "the first"}
	for name, change := range map[string]func(*types.MsgRequestUserDecryption){
		"order":     func(m *types.MsgRequestUserDecryption) { m.Handles[0], m.Handles[1] = m.Handles[1], m.Handles[0] },
		"contract":  func(m *types.MsgRequestUserDecryption) { m.Handles[0].Contract = otherDapp },
		"key":       func(m *types.MsgRequestUserDecryption) { m.Authorization.PublicKey = userKey(t, "x").Public().Bytes() },
		"start":     func(m *types.MsgRequestUserDecryption) { m.Authorization.StartTimestamp++ },
		"extra":     func(m *types.MsgRequestUserDecryption) { m.Authorization.ExtraData = nil },
		"delegator": func(m *types.MsgRequestUserDecryption) { m.Authorization.Delegator = carol },
	} {
		msg := f.userDecryption(u64(1), u64(2))
		change(msg)
		f.sign(msg, bobsKey)
		id, created, err := f.sendUser(msg)
		require.NoError(t, err, name)
		require.True(t, created, name)
		require.Empty(t, seen[string(id)], name)
		seen[string(id)] = name
	}
}

// TestEachReasonToRefuseAUserDecryptionHasItsErrorAndLeavesNothing is the attack
// table. What only the host chain's state shows (handles, delegations, wallets, age of
// the header) is x/acl's.
func TestEachReasonToRefuseAUserDecryptionHasItsErrorAndLeavesNothing(t *testing.T) {
	f := newFixture(t, 4)
	foreign := f.activeKey(otherChain)
	type msg = types.MsgRequestUserDecryption
	ok := func(*msg) {}
	host := func(change func(*acltypes.HostChain)) func() {
		return func() {
			h := f.acl.hosts[hostChain]
			change(&h)
			f.acl.hosts[hostChain] = h
		}
	}
	// signed changes what bob signs; changed what he signed.
	signed := func(change func(*msg)) func(*msg) { return func(m *msg) { change(m); f.sign(m, bobsKey) } }
	for name, c := range map[string]struct {
		change func(*msg)
		state  func()
		want   error
	}{
		"requester":          {func(m *msg) { m.Requester = "nobody" }, nil, types.ErrMalformed},
		"short key id":       {func(m *msg) { m.KeyId = nil }, nil, types.ErrMalformed},
		"no handles":         {func(m *msg) { m.Handles = nil }, nil, types.ErrInvalidHandle},
		"short handle":       {func(m *msg) { m.Handles[0].Handle = u64(1)[1:] }, nil, types.ErrInvalidHandle},
		"handle twice":       {func(m *msg) { m.Handles = append(m.Handles, m.Handles[0]) }, nil, types.ErrInvalidHandle},
		"other host chain":   {func(m *msg) { m.Handles[0].Handle = handleOn(otherChain, 1, handles.Bool) }, nil, types.ErrInvalidHandle},
		"digest count":       {func(m *msg) { m.Digests = [][]byte{nil, nil} }, nil, types.ErrMalformed},
		"digest length":      {func(m *msg) { m.Digests = [][]byte{{1}} }, nil, types.ErrMalformed},
		"digest":             {func(m *msg) { m.Digests = [][]byte{make([]byte, 32)} }, nil, types.ErrDigestMismatch},
		"absurd batch":       {func(m *msg) { m.Handles = make([]types.HandleContract, types.MaxHandles+1) }, nil, types.ErrTooManyHandles},
		"too many handles":   {func(m *msg) { m.Handles = contractsOf(batchOf(5, handles.Bool)) }, nil, types.ErrTooManyHandles},
		"too many blocks":    {func(m *msg) { m.Handles = contractsOf(batchOf(2, handles.Uint2048)) }, nil, types.ErrTooManyBlocks},
		"too many bits":      {ok, host(func(h *acltypes.HostChain) { h.Limits.MaxUserDecryptionBits = 63 }), types.ErrTooManyBits},
		"no user decryption": {ok, host(func(h *acltypes.HostChain) { h.Limits.MaxUserDecryptionBits = 0 }), types.ErrNoUserDecryption},
		"window used up":     {ok, host(func(h *acltypes.HostChain) { h.Limits.MaxBlocksPerWindow = 31 }), types.ErrRateLimited},
		"committee":          {ok, func() { f.parties.epoch.Members = make([]partiestypes.Member, 16) }, types.ErrCommitteeTooLarge},
		"unknown key":        {func(m *msg) { m.KeyId = bytes.Repeat([]byte{7}, 32) }, nil, types.ErrUnknownKey},
		"key of another":     {func(m *msg) { m.KeyId = foreign }, nil, types.ErrKeyOfOther},
		"fee":                {func(m *msg) { m.MaxFee = 646 }, nil, types.ErrFeeTooLow},
		"proof":              {func(m *msg) { m.Proof.Header = []byte("bad") }, nil, errProof},
		"digests not bound":  {func(m *msg) { m.Proof.Header = []byte("empty") }, nil, types.ErrMalformed},
		"unknown host":       {ok, func() { delete(f.acl.hosts, hostChain) }, types.ErrUnknownHostChain},
		"paused":             {ok, func() { f.setParams(func(p *types.Params) { p.PauseUserDecryption = true }) }, types.ErrPaused},

		"expired":                      {ok, func() { f.ctx = f.ctx.WithBlockTime(time.Unix(now-60+86401, 0)) }, types.ErrNoLongerValid},
		"not yet valid":                {signed(func(m *msg) { m.Authorization.StartTimestamp = now + 31 }), nil, types.ErrNotYetValid},
		"start in aeons":               {signed(func(m *msg) { m.Authorization.StartTimestamp = 1<<64 - 1 }), nil, types.ErrNotYetValid},
		"no days":                      {signed(func(m *msg) { m.Authorization.DurationDays = 0 }), nil, types.ErrInvalidDuration},
		"too many days":                {signed(func(m *msg) { m.Authorization.DurationDays = 366 }), nil, types.ErrInvalidDuration},
		"no contracts":                 {signed(func(m *msg) { m.Authorization.Contracts = nil }), nil, types.ErrTooManyContracts},
		"too many contracts":           {signed(func(m *msg) { m.Authorization.Contracts = slicesOf(11, dapp) }), nil, types.ErrTooManyContracts},
		"short contract":               {func(m *msg) { m.Authorization.Contracts[1] = dapp[1:] }, nil, types.ErrMalformed},
		"long user":                    {func(m *msg) { m.Authorization.User = make([]byte, 21) }, nil, types.ErrMalformed},
		"long delegator":               {func(m *msg) { m.Authorization.Delegator = make([]byte, 21) }, nil, types.ErrMalformed},
		"own delegate":                 {signed(func(m *msg) { m.Authorization.Delegator = bob }), nil, types.ErrMalformed},
		"extra data":                   {signed(func(m *msg) { m.Authorization.ExtraData = []byte{1} }), nil, types.ErrUnsupportedExtraData},
		"long extra data":              {signed(func(m *msg) { m.Authorization.ExtraData = make([]byte, 2) }), nil, types.ErrUnsupportedExtraData},
		"contract of the handle":       {func(m *msg) { m.Handles[0].Contract = address("a third") }, nil, types.ErrContractNotAuthorized},
		"short contract of the handle": {func(m *msg) { m.Handles[0].Contract = nil }, nil, types.ErrMalformed},
		"contract is the user":         {signed(func(m *msg) { m.Authorization.Contracts[1], m.Handles[0].Contract = bob, bob }), nil, types.ErrContractIsOwner},
		"contract is the delegator": {signed(func(m *msg) {
			m.Authorization.Delegator, m.Authorization.Contracts[1], m.Handles[0].Contract = carol, carol, carol
		}), nil, types.ErrContractIsOwner},
		"short public key":     {signed(func(m *msg) { a := &m.Authorization; a.PublicKey = a.PublicKey[1:] }), nil, types.ErrInvalidPublicKey},
		"form of public key":   {signed(func(m *msg) { m.Authorization.PublicKey[0]++ }), nil, types.ErrInvalidPublicKey},
		"reduction of the key": {signed(func(m *msg) { copy(m.Authorization.PublicKey[69:], []byte{0xff, 0xff}) }), nil, types.ErrInvalidPublicKey},

		"signed by another":             {func(m *msg) { f.sign(m, carolsKey) }, nil, types.ErrNotSignedByUser},
		"signed by nobody":              {func(m *msg) { m.Authorization.Signature = make([]byte, 65) }, nil, types.ErrNotSignedByUser},
		"short signature":               {func(m *msg) { m.Authorization.Signature = make([]byte, 64) }, nil, types.ErrMalformed},
		"another chain id":              {func(m *msg) { f.signFor(m, bobsKey, otherChain) }, nil, types.ErrNotSignedByUser},
		"verifier's chain id":           {func(m *msg) { f.signFor(m, bobsKey, f.acl.hosts[hostChain].VerifierDomain.ChainId) }, nil, types.ErrNotSignedByUser},
		"another verifier":              {ok, host(func(h *acltypes.HostChain) { h.VerifierDomain.VerifyingContract = address("other") }), types.ErrNotSignedByUser},
		"another name":                  {ok, host(func(h *acltypes.HostChain) { h.VerifierDomain.Name = "Other" }), types.ErrNotSignedByUser},
		"key that was not signed":       {func(m *msg) { m.Authorization.PublicKey = userKey(t, "eve").Public().Bytes() }, nil, types.ErrNotSignedByUser},
		"contract that was not signed":  {func(m *msg) { m.Authorization.Contracts[1] = address("eve") }, nil, types.ErrNotSignedByUser},
		"window that was not signed":    {func(m *msg) { m.Authorization.DurationDays = 365 }, nil, types.ErrNotSignedByUser},
		"delegator that was not signed": {func(m *msg) { m.Authorization.Delegator = carol }, nil, types.ErrNotSignedByUser},
		"user who did not sign":         {func(m *msg) { m.Authorization.User = carol }, nil, types.ErrNotSignedByUser},
	} {
		t.Run(name, func(t *testing.T) {
			before, ctx, epoch := f.acl.hosts[hostChain], f.ctx, f.parties.epoch
			defer func() {
				f.acl.hosts[hostChain], f.ctx, f.parties.epoch = before, ctx, epoch
				f.setParams(func(p *types.Params) { p.PauseUserDecryption = false })
			}()
			m := f.userDecryption(u64(1))
			if c.state != nil {
				c.state()
			}
			c.change(m)
			state := mustExport(f)
			_, _, err := f.sendUser(m)
			require.ErrorIs(t, err, c.want)
			require.Equal(t, state, mustExport(f))
		})
	}
	f.acceptedUser(u64(1))
}

func TestTheEdgesOfTheWindowBelongToIt(t *testing.T) {
	f := newFixture(t, 4)
	for i, start := range []uint64{now + 30, now, now - 86400} {
		msg := f.userDecryption(u64(byte(i + 1)))
		msg.Authorization.StartTimestamp = start
		f.sign(msg, bobsKey)
		_, created, err := f.sendUser(msg)
		require.NoError(t, err)
		require.True(t, created)
	}
}

func TestARequestWhoseShareNoPartyCouldPostIsRefused(t *testing.T) {
	f := newFixture(t, 4)
	h := f.acl.hosts[hostChain]
	h.Limits.MaxHandlesPerRequest, h.Limits.MaxUserDecryptionBits, h.Limits.MaxBlocksPerWindow = 1024, 1<<20, 1<<20
	f.acl.hosts[hostChain] = h
	largest := 0
	for {
		size, err := types.ShareSize(parsed(t, manyHandles(largest+1)), 1)
		require.NoError(t, err)
		if size > types.MaxShareSize {
			break
		}
		largest++
	}
	require.Greater(t, largest, 256, "x/acl's bound on handles is the narrower one for small types")
	id := f.acceptedUser(manyHandles(largest)...)

	// What is left of a transaction's gas pays for its bytes.
	f.ctx = f.ctx.WithGasMeter(storetypes.NewInfiniteGasMeter())
	f.answerUser(id, 1)
	require.Less(t, f.ctx.GasMeter().GasConsumed()+10*ante.MaxPartyTxBytes, uint64(ante.MaxPartyTxGas))
	require.Less(t, len(f.shares(id)[0].Payload)+1024, ante.MaxPartyTxBytes)

	_, _, err := f.sendUser(f.userDecryption(manyHandles(largest + 1)...))
	require.ErrorIs(t, err, types.ErrTooManyHandles)
}

func manyHandles(n int) [][]byte {
	batch := make([][]byte, n)
	for i := range batch {
		batch[i] = numbered(i, handles.Uint8)
	}
	return batch
}

func numbered(i int, t handles.Type) []byte {
	h := handle(1, t)
	binary.BigEndian.PutUint32(h, uint32(i))
	return h
}

func parsed(t *testing.T, batch [][]byte) []handles.Handle {
	t.Helper()
	list, err := handles.ParseBatch(hostChain, batch)
	require.NoError(t, err)
	return list
}

func contractsOf(batch [][]byte) []types.HandleContract {
	list := make([]types.HandleContract, len(batch))
	for i, h := range batch {
		list[i] = types.HandleContract{Handle: h, Contract: dapp}
	}
	return list
}

func slicesOf(n int, b []byte) [][]byte {
	list := make([][]byte, n)
	for i := range list {
		list[i] = b
	}
	return list
}

func TestTheSignatureIsChargedBeforeItIsRecovered(t *testing.T) {
	f := newFixture(t, 4)
	msg := f.userDecryption(u64(1))
	f.sign(msg, carolsKey)
	f.ctx = f.ctx.WithGasMeter(storetypes.NewInfiniteGasMeter())
	_, _, err := f.sendUser(msg)
	require.ErrorIs(t, err, types.ErrNotSignedByUser)
	f.ctx = f.ctx.WithGasMeter(storetypes.NewGasMeter(f.ctx.GasMeter().GasConsumed() - 1))
	require.PanicsWithValue(t, storetypes.ErrorOutOfGas{Descriptor: "user signature"}, func() {
		_, _, _ = f.sendUser(msg)
	})
}

func FuzzRequestUserDecryption(f *testing.F) {
	x := newFixture(f, 4)
	host := x.acl.hosts[hostChain]
	host.Fees = acltypes.Fees{}
	x.acl.hosts[hostChain] = host
	for _, msg := range []*types.MsgRequestUserDecryption{
		x.userDecryption(u64(1), handle(2, handles.Bool)), x.delegated(x.userDecryption(u64(1))), {},
	} {
		raw, err := msg.Marshal()
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var msg types.MsgRequestUserDecryption
		if msg.Unmarshal(raw) != nil {
			return
		}
		ctx, _ := x.ctx.CacheContext()
		id, _, err := x.keeper.RequestUserDecryption(ctx, &msg)
		if err != nil {
			if types.CodeOf(err) == 1 && !errors.Is(err, errProof) {
				t.Fatalf("refused without a code: %s", err)
			}
			return
		}
		r, err := x.keeper.Requests.Get(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := msg.Authorization.Digest(hostChain, host.VerifierDomain)
		if err != nil {
			t.Fatal("what was accepted has no digest")
		}
		if len(msg.Authorization.Signature) != 0 && msg.Authorization.CheckSignature(digest) != nil {
			t.Fatal("accepted though the user did not sign it")
		}
		if len(r.Ciphertexts) != len(msg.Handles) || !proto.Equal(r.AuthorizedBy, &msg.Authorization) {
			t.Fatal("something else was recorded than asked for")
		}
		exported, err := x.keeper.ExportGenesis(ctx)
		if err != nil || exported.Validate() != nil {
			t.Fatalf("the record is not valid: %v", err)
		}
	})
}
