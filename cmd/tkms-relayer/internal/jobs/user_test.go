package jobs_test

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
	"github.com/tkms-network/tkms/enclave/reencrypt"
	aclclient "github.com/tkms-network/tkms/x/acl/client"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

func keyOf(t *testing.T, seed byte) (*ecdsa.PrivateKey, common.Address) {
	t.Helper()
	key, err := crypto.ToECDSA(bytes.Repeat([]byte{seed}, 32))
	require.NoError(t, err)
	return key, crypto.PubkeyToAddress(key.PublicKey)
}

// publicKey is a user's key, made from one repeated byte.
func publicKey(seed byte) []byte {
	key, err := reencrypt.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{seed}, 64)))
	if err != nil {
		panic(err)
	}
	return key.Public().Bytes()
}

// ask is a request for a handle of type uint8 under dApp, signed by alice now.
func (b *bench) ask(change func(*kmstypes.UserAuthorization)) *jobs.UserRequest {
	b.Helper()
	alice, address := keyOf(b.T, 0xa1)
	request := &jobs.UserRequest{Contracts: []common.Address{dApp}, Authorization: kmstypes.UserAuthorization{
		User: address[:], PublicKey: publicKey(0), Contracts: [][]byte{dApp[:], other[:]},
		StartTimestamp: uint64(time.Now().Add(-time.Minute).Unix()), DurationDays: 1, ExtraData: []byte{0},
	}}
	a := &request.Authorization
	if change != nil {
		change(a)
	}
	digest, err := a.Digest(hostChain, b.chain.records.HostChain.VerifierDomain)
	require.NoError(b, err)
	a.Signature, err = eip712.Sign(digest, alice)
	require.NoError(b, err)
	return request
}

func (b *bench) submitUser(request *jobs.UserRequest, batch ...handles.Handle) *jobs.Job {
	b.Helper()
	job, err := b.manager.SubmitUser(b.Context(), batch, request)
	require.NoError(b, err)
	return job
}

func indices(job *jobs.Job) []uint32 {
	var list []uint32
	for _, s := range job.Result.Shares {
		list = append(list, s.Index)
	}
	return list
}

func TestAUsersJobEndsWithTheShares(t *testing.T) {
	b := setUp(t, nil)
	request := b.ask(nil)
	job := b.submitUser(request, handle(1))
	require.Equal(t, jobs.UserDecrypt, job.Kind)
	job = b.until(job.ID, done)
	require.Equal(t, jobs.Succeeded, job.State, job.Failure)
	require.Equal(t, []uint32{1, 2, 3, 4}, indices(job))
	require.True(t, job.Result.Complete)
	require.Empty(t, job.Result.Plaintext)

	msg := b.chain.sent[0][0].(*kmstypes.MsgRequestUserDecryption)
	require.Equal(t, request.Authorization, msg.Authorization)
	require.EqualValues(t, 77, msg.MaxFee)
	h := handle(1)
	require.Equal(t, []kmstypes.HandleContract{{Handle: h[:], Contract: dApp[:]}}, msg.Handles)
	require.Equal(t, acltypes.UserAccess{
		Handles: [][32]byte{h}, Contracts: [][20]byte{dApp}, User: [20]byte(request.Authorization.User),
	}, b.prover.access[0])
}

func TestADelegatesJobShowsTheDelegation(t *testing.T) {
	b := setUp(t, nil)
	job := b.submitUser(b.ask(func(a *kmstypes.UserAuthorization) { a.Delegator = other[:] }), handle(1))
	require.Equal(t, jobs.DelegatedUserDecrypt, job.Kind)
	require.Equal(t, jobs.Succeeded, b.until(job.ID, done).State)
	require.Equal(t, [20]byte(other), *b.prover.access[0].Delegator)
}

func TestAWalletsApprovalIsShownInsteadOfASignature(t *testing.T) {
	b := setUp(t, func(b *bench) { b.chain.records.HostChain.Wallets = make([]acltypes.WalletRule, 1) })
	request := b.ask(nil)
	request.Authorization.Signature = nil
	require.Equal(t, jobs.Succeeded, b.until(b.submitUser(request, handle(1)).ID, done).State)
	digest, err := request.Authorization.Digest(hostChain, b.chain.records.HostChain.VerifierDomain)
	require.NoError(t, err)
	require.Equal(t, digest, *b.prover.access[0].Approval)
}

func TestTheSameRequestIsOneJobAndItsOrderIsPartOfIt(t *testing.T) {
	b := setUp(t, nil)
	request := b.ask(nil)
	request.Contracts = []common.Address{dApp, dApp}
	first := b.submitUser(request, handle(1), handle(2))
	require.Equal(t, first.ID, b.submitUser(request, handle(1), handle(2)).ID)
	b.until(first.ID, done)
	b.restart()
	require.Equal(t, jobs.Succeeded, b.submitUser(request, handle(1), handle(2)).State)
	require.Equal(t, 1, b.chain.count())
	require.NotEqual(t, first.ID, b.submitUser(request, handle(2), handle(1)).ID)
	swapped := b.ask(nil)
	swapped.Contracts = []common.Address{dApp, other}
	require.NotEqual(t, first.ID, b.submitUser(swapped, handle(1), handle(2)).ID)
}

func TestAUsersJobGoesOnAfterARestart(t *testing.T) {
	b := setUp(t, func(b *bench) { b.chain.silent = true })
	job := b.submitUser(b.ask(nil), handle(1))
	b.until(job.ID, func(*jobs.Job) bool { return b.chain.count() == 1 })
	b.restart()
	b.chain.set(func() { b.chain.silent = false })
	require.Equal(t, jobs.Succeeded, b.until(job.ID, done).State)
	require.Equal(t, 1, b.chain.count())
}

func TestAMemberWhoIsLateIsWaitedForAMoment(t *testing.T) {
	b := setUp(t, func(b *bench) { b.chain.shares, b.cfg.Grace = []uint32{1, 2, 3}, 1<<40 })
	request := b.ask(nil)
	job := b.submitUser(request, handle(1))
	b.until(job.ID, func(*jobs.Job) bool { return b.fulfilled() })
	b.chain.set(func() { b.chain.shares = []uint32{1, 2, 3, 4} })
	require.Equal(t, []uint32{1, 2, 3, 4}, indices(b.until(job.ID, done)), "within its grace")
}

// fulfilled tells whether the chain has a result of every request.
func (b *bench) fulfilled() bool {
	b.chain.mu.Lock()
	defer b.chain.mu.Unlock()
	for _, r := range b.chain.known {
		if r.Status != kmstypes.REQUEST_STATUS_FULFILLED {
			return false
		}
	}
	return len(b.chain.known) > 0
}

func TestAMemberWhoIsSilentIsNotWaitedForLong(t *testing.T) {
	b := setUp(t, func(b *bench) { b.chain.shares = []uint32{1, 2, 3} })
	request := b.ask(nil)
	job := b.until(b.submitUser(request, handle(1)).ID, done)
	require.Equal(t, []uint32{1, 2, 3}, indices(job))
	require.False(t, job.Result.Complete)

	b.chain.set(func() { b.chain.shares = []uint32{1, 2, 3, 4} })
	again := b.submitUser(request, handle(1))
	require.Equal(t, []uint32{1, 2, 3, 4}, indices(again), "who asks again gets what came late")
	require.True(t, again.Result.Complete)
	kept, err := b.manager.Get(job.ID)
	require.NoError(t, err)
	require.Equal(t, again.Result, kept.Result)
	require.Equal(t, 1, b.chain.count())
}

func TestWhoWasExcludedIsNotWaitedFor(t *testing.T) {
	b := setUp(t, func(b *bench) {
		b.chain.shares, b.chain.members, b.cfg.Grace = []uint32{1, 2, 4}, []uint32{1, 2, 4}, 1<<40
	})
	job := b.until(b.submitUser(b.ask(nil), handle(1)).ID, done)
	require.Equal(t, []uint32{1, 2, 4}, indices(job))
	require.True(t, job.Result.Complete)
}

// refusal submits a request that is refused at once.
func (b *bench) refusal(request *jobs.UserRequest, batch ...handles.Handle) *jobs.Failure {
	b.Helper()
	_, err := b.manager.SubmitUser(b.Context(), batch, request)
	var failed *jobs.Failure
	require.ErrorAs(b, err, &failed)
	require.Zero(b, b.chain.count(), "nothing is paid for it")
	return failed
}

func TestWhatTKMSWouldRefuseIsRefusedAtOnce(t *testing.T) {
	now := uint64(time.Now().Unix())
	for name, c := range map[string]struct {
		change  func(*kmstypes.UserAuthorization)
		after   func(*jobs.UserRequest)
		limits  func(*acltypes.HostChain)
		handles int
		reason  string
	}{
		"not yet valid":        {change: func(a *kmstypes.UserAuthorization) { a.StartTimestamp = now + 3600 }, reason: jobs.ReasonNotYetValid},
		"valid in ages":        {change: func(a *kmstypes.UserAuthorization) { a.StartTimestamp = 1<<64 - 1 }, reason: jobs.ReasonNotYetValid},
		"no longer valid":      {change: func(a *kmstypes.UserAuthorization) { a.StartTimestamp = now - 86500 }, reason: jobs.ReasonNoLongerValid},
		"no key":               {change: func(a *kmstypes.UserAuthorization) { a.PublicKey = make([]byte, 869) }, reason: jobs.ReasonAuthorization},
		"a contract not named": {after: func(r *jobs.UserRequest) { r.Contracts[0] = common.Address{1} }, reason: jobs.ReasonContract},
		"another signer":       {after: func(r *jobs.UserRequest) { r.Authorization.User = other[:] }, reason: jobs.ReasonSignature},
		"other contracts":      {after: func(r *jobs.UserRequest) { r.Authorization.Contracts = r.Authorization.Contracts[:1] }, reason: jobs.ReasonSignature},
		"another key":          {after: func(r *jobs.UserRequest) { r.Authorization.PublicKey = publicKey(1) }, reason: jobs.ReasonSignature},
		"no signature":         {after: func(r *jobs.UserRequest) { r.Authorization.Signature = nil }, reason: jobs.ReasonUnknownWallet},
		"short address":        {after: func(r *jobs.UserRequest) { r.Authorization.Contracts[1] = []byte{1} }, reason: jobs.ReasonInvalid},
		"no user decryption":   {limits: func(h *acltypes.HostChain) { h.Limits.MaxUserDecryptionBits = 0 }, reason: jobs.ReasonNoUserDecryption},
		"too many bits":        {limits: func(h *acltypes.HostChain) { h.Limits.MaxUserDecryptionBits = 7 }, reason: jobs.ReasonTooMuch},
		"too many blocks":      {limits: func(h *acltypes.HostChain) { h.Limits.MaxBlocksPerRequest = 3 }, reason: jobs.ReasonTooMuch},
		"too many handles":     {handles: 5, reason: jobs.ReasonTooMuch},
		"no delegation at all": {change: func(a *kmstypes.UserAuthorization) { a.Delegator = other[:] }, limits: func(h *acltypes.HostChain) { h.Freshness.DelegationMaxAgeSeconds = 0 }, reason: jobs.ReasonDelegationOff},
	} {
		t.Run(name, func(t *testing.T) {
			b := setUp(t, func(b *bench) {
				if c.limits != nil {
					c.limits(b.chain.records.HostChain)
				}
			})
			request := b.ask(c.change)
			if c.after != nil {
				c.after(request)
			}
			batch := []handles.Handle{handle(1)}
			for len(batch) < c.handles {
				batch, request.Contracts = append(batch, handle(byte(len(batch)+1))), append(request.Contracts, dApp)
			}
			require.Equal(t, c.reason, b.refusal(request, batch...).Reason)
		})
	}
}

func TestASignatureForAnotherChainOrContractIsNone(t *testing.T) {
	for name, change := range map[string]func(*acltypes.VerifierDomain){
		"contract": func(d *acltypes.VerifierDomain) { d.VerifyingContract = bytes.Repeat([]byte{9}, 20) },
		"name":     func(d *acltypes.VerifierDomain) { d.Name = "Another" },
	} {
		b := setUp(t, nil)
		request := b.ask(nil)
		change(&b.chain.records.HostChain.VerifierDomain)
		require.Equal(t, jobs.ReasonSignature, b.refusal(request, handle(1)).Reason, name)
	}
}

func TestAnAuthorizationThatIsAboutToBeginIsWaitedFor(t *testing.T) {
	b := setUp(t, nil)
	request := b.ask(func(a *kmstypes.UserAuthorization) { a.StartTimestamp = uint64(time.Now().Unix()) + 3 })
	job := b.until(b.submitUser(request, handle(1)).ID, done)
	require.Equal(t, jobs.Succeeded, job.State, job.Failure)
}

func TestARequestThatTKMSTookInItsWindowIsServedAfterIt(t *testing.T) {
	b := setUp(t, nil)
	request := b.ask(func(a *kmstypes.UserAuthorization) { a.StartTimestamp -= 86500 })
	h := handle(1)
	b.chain.set(func() {
		b.chain.acceptUser(&kmstypes.MsgRequestUserDecryption{
			KeyId: make([]byte, 32), Handles: []kmstypes.HandleContract{{Handle: h[:], Contract: dApp[:]}}, Authorization: request.Authorization,
		})
	})
	require.Equal(t, jobs.Succeeded, b.until(b.submitUser(request, h).ID, done).State)
	require.Zero(t, b.chain.count())
}

func TestAForgedCopyOfARequestDoesNotDisturbIt(t *testing.T) {
	b := setUp(t, func(b *bench) { b.prover.hold = make(chan struct{}) })
	request := b.ask(nil)
	job := b.submitUser(request, handle(1))
	forged := *request
	forged.Authorization.Signature = bytes.Repeat([]byte{1}, 65)
	_, err := b.manager.SubmitUser(t.Context(), []handles.Handle{handle(1)}, &forged)
	require.Error(t, err)
	close(b.prover.hold)
	require.Equal(t, jobs.Succeeded, b.until(job.ID, done).State)
}

func TestWhileTKMSDoesNotKnowTheHostChainUsersJobsAreTaken(t *testing.T) {
	b := setUp(t, func(b *bench) { b.cfg.Readiness = 0 })
	request := b.ask(nil)
	b.chain.set(func() { b.chain.records.Key = nil })
	job := b.until(b.submitUser(request, handle(1)).ID, done)
	require.Equal(t, jobs.ReasonHostChain, job.Failure.Reason)
}

func TestWhatTheHostChainDoesNotAllowIsNamed(t *testing.T) {
	for _, c := range []struct {
		err    error
		reason string
	}{
		{aclclient.ErrOwnerNotAllowed, jobs.ReasonOwnerNotAllowed},
		{aclclient.ErrContractNotAllowed, jobs.ReasonContractNotAllowed},
		{aclclient.ErrNoDelegation, jobs.ReasonNoDelegation},
		{aclclient.ErrDelegationExpired, jobs.ReasonDelegationExpired},
		{aclclient.ErrDelegationOff, jobs.ReasonDelegationOff},
		{aclclient.ErrUnknownWallet, jobs.ReasonUnknownWallet},
		{aclclient.ErrNotApproved, jobs.ReasonNotApproved},
		{refused(acltypes.ErrOwnerNotAllowed), jobs.ReasonOwnerNotAllowed},
		{refused(acltypes.ErrContractNotAllowed), jobs.ReasonContractNotAllowed},
		{refused(acltypes.ErrDelegationRevoked), jobs.ReasonNoDelegation},
		{refused(acltypes.ErrDelegationExpired), jobs.ReasonDelegationExpired},
		{refused(acltypes.ErrDelegationOff), jobs.ReasonDelegationOff},
		{refused(kmstypes.ErrNotSignedByUser), jobs.ReasonSignature},
		{refused(kmstypes.ErrTooManyBits), jobs.ReasonTooMuch},
		{refused(kmstypes.ErrInvalidPublicKey), jobs.ReasonAuthorization},
		{refused(kmstypes.ErrNoLongerValid), jobs.ReasonNoLongerValid},
	} {
		b := setUp(t, func(b *bench) {
			b.cfg.Readiness = 0
			b.prover.failures = []error{c.err}
		})
		job := b.until(b.submitUser(b.ask(nil), handle(1)).ID, done)
		require.NotNil(t, job.Failure, c.reason)
		require.Equal(t, c.reason, job.Failure.Reason)
		require.Zero(t, b.chain.count(), "nothing is paid for it")
	}
}

func TestWaitReturnsWhenThereIsAnOutcome(t *testing.T) {
	b := setUp(t, func(b *bench) { b.prover.hold = make(chan struct{}) })
	job := b.submitUser(b.ask(nil), handle(1))
	returned := make(chan *jobs.Job)
	go func() {
		job, _ := b.manager.Wait(t.Context(), job.ID)
		returned <- job
	}()
	select {
	case <-returned:
		t.Fatal("there is no outcome yet")
	case <-time.After(20 * time.Millisecond):
	}
	close(b.prover.hold)
	require.Equal(t, jobs.Succeeded, (<-returned).State)
	again, err := b.manager.Wait(t.Context(), job.ID)
	require.NoError(t, err)
	require.Equal(t, jobs.Succeeded, again.State)
	_, err = b.manager.Wait(t.Context(), hex.EncodeToString(make([]byte, 32)))
	require.ErrorIs(t, err, jobs.ErrNotFound)
}

func TestOldUsersJobsAreDroppedBeforeOthers(t *testing.T) {
	b := setUp(t, nil)
	public := b.until(b.submit(nil, handle(1)).ID, done)
	user := b.until(b.submitUser(b.ask(nil), handle(1)).ID, done)
	b.cfg.UserRetention = 0
	b.restart()
	require.Eventually(t, func() bool {
		_, err := b.manager.Get(user.ID)
		return errors.Is(err, jobs.ErrNotFound)
	}, time.Minute, time.Millisecond)
	_, err := b.manager.Get(public.ID)
	require.NoError(t, err)
}
