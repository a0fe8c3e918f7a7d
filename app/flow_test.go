package app_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/tkms-network/tkms/testutil/apptest"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

func TestPartiesRegisterOnlyWithAnImageThatGovernanceAccepted(t *testing.T) {
	w := emptyWorld(t)
	p := w.parties[0]
	requireRefused(t, partiestypes.ErrAttestation, w.Deliver(p.Operator, w.Registration(w.enclaves, p)))
	require.False(t, w.App.Parties.IsPartyAccount(w.Ctx(), p.Address()))
	w.acceptImage()
	foreign := apptest.NewEnclaves("another vendor")
	requireRefused(t, partiestypes.ErrAttestation, w.Deliver(p.Operator, w.Registration(foreign, p)))
	// Somebody else's document, and a document over other keys than the message's.
	stolen := w.Registration(w.enclaves, p)
	stolen.Operator = alice.Address().String()
	requireRefused(t, partiestypes.ErrAttestation, w.Deliver(alice, stolen))
	swapped := w.Registration(w.enclaves, p)
	swapped.EncryptionKey = w.Registration(w.enclaves, w.parties[1]).EncryptionKey
	requireRefused(t, partiestypes.ErrAttestation, w.Deliver(p.Operator, swapped))

	w.Register(w.enclaves, p)
	party, err := w.App.Parties.PartyByID(w.Ctx(), p.ID)
	require.NoError(t, err)
	require.True(t, party.Simulated)
	require.Equal(t, p.Address().String(), party.Account)
	require.Equal(t, w.Now.Unix()/10, party.AttestedAt.Unix()/10)
	account := w.App.Accounts.GetAccount(w.Ctx(), p.Address())
	require.NotNil(t, account)
	require.Equal(t, p.Key.PubKey().Bytes(), account.GetPubKey().Bytes())
	require.Zero(t, w.balance(p.Address()), "the party works without coins")
}

func TestAKeyIsActiveWhenAQuorumOfPartiesSignedItsMaterial(t *testing.T) {
	w := emptyWorld(t)
	w.acceptImage()
	w.registerHost(w.host)
	var response kmstypes.MsgRequestKeyResponse
	ask := &kmstypes.MsgRequestKey{Requester: alice.Address().String(), HostChainId: w.host.ID, Params: kmstypes.ProductionPKE}
	w.Response(w.MustDeliver(alice, ask), &response)
	id := response.KeyId
	require.Equal(t, kmstypes.KEY_STATUS_REQUESTED, w.keyRecord(id).Status, "there is no committee")
	require.EqualValues(t, keyFee, w.totals().Escrow)
	again := *ask
	again.Requester = bob.Address().String()
	w.Response(w.MustDeliver(bob, &again), &response)
	require.Equal(t, id, response.KeyId)
	require.False(t, response.Created)

	w.Register(w.enclaves, w.parties...)
	w.epoch = w.Form(w.parties...)
	requireRefused(t, kmstypes.ErrClosed, w.DeliverParty(w.parties[0].Account, w.echo(id, w.parties[0])))
	w.SetUp(w.epoch, w.parties...)
	w.Blocks(5)
	key := w.keyRecord(id)
	require.Equal(t, kmstypes.KEY_STATUS_GENERATING, key.Status, "the committee took it up")
	require.EqualValues(t, 1, key.Attempt)
	require.Equal(t, []string{kmstypes.StandInEnclave}, key.Simulated)
	requireRefused(t, kmstypes.ErrNoEchoQuorum, w.DeliverParty(w.parties[0].Account, w.keyPost(id, w.parties[0])))

	w.EachParty(w.parties, func(p *apptest.Party) sdk.Msg { return w.progress(id, p) })
	require.Len(t, w.keyRecord(id).Progress, len(w.parties))
	requireRefused(t, kmstypes.ErrTooSoon, w.DeliverParty(w.parties[0].Account, w.progress(id, w.parties[0])))
	three := w.parties[:3]
	w.EachParty(three, func(p *apptest.Party) sdk.Msg { return w.echo(id, p) })
	requireRefused(t, kmstypes.ErrDuplicate, w.DeliverParty(three[0].Account, w.echo(id, three[0])))
	// A word that another party signed, and one on another key's material.
	forged := w.keyPost(id, three[1])
	forged.Account = three[0].Address().String()
	requireRefused(t, kmstypes.ErrInvalidSignature, w.DeliverParty(three[0].Account, forged))
	altered := w.keyPost(id, three[0])
	altered.Material.PublicKeySize++
	requireRefused(t, kmstypes.ErrInvalidSignature, w.DeliverParty(three[0].Account, altered))
	before := make([]int64, len(w.parties))
	for i, p := range w.parties {
		before[i] = w.balance(p.Operator.Address())
	}
	w.EachParty(three[:2], func(p *apptest.Party) sdk.Msg { return w.keyPost(id, p) })
	require.Equal(t, kmstypes.KEY_STATUS_GENERATING, w.keyRecord(id).Status, "two of four are no quorum")
	w.EachParty(three[2:], func(p *apptest.Party) sdk.Msg { return w.keyPost(id, p) })
	require.Equal(t, kmstypes.KEY_STATUS_ACTIVE, w.keyRecord(id).Status)

	w.Blocks(10)
	require.Zero(t, w.totals().Escrow)
	for i, part := range []int64{335, 334, 334, 0} {
		require.Equal(t, before[i]+part, w.balance(w.parties[i].Operator.Address()), "the fee of operator %d", i+1)
	}
}

func TestADecryptionFromProofToCertificateAndPay(t *testing.T) {
	w := newWorld(t)
	w.Blocks(10) // the key is paid
	batch := w.disclosed(w.host, handles.Uint64, handles.Bool)
	aliceHad, operatorHad := w.balance(alice.Address()), w.balance(w.parties[3].Operator.Address())
	const price = 33*10 + 7

	response := w.ask(alice, w.request(alice, batch...))
	require.True(t, response.Created)
	id := response.RequestId
	r := w.record(id)
	require.Equal(t, kmstypes.REQUEST_STATUS_ACCEPTED, r.Status)
	require.Equal(t, []string{"coprocessor", kmstypes.StandInEnclave}, r.Simulated)
	require.Equal(t, w.epoch, r.EpochId)
	for i, h := range batch {
		require.Equal(t, digestOf(h).Bytes(), r.Ciphertexts[i].Digest)
	}
	require.Equal(t, aliceHad-price-apptest.DefaultGas/1000, w.balance(alice.Address()))
	require.EqualValues(t, price, w.balance(authtypes.NewModuleAddress(kmstypes.ModuleName)))
	require.Equal(t, kmstypes.Totals{Requests: 1, Open: 1, Escrow: price}, w.totals())

	w.repeated(id, batch[0], batch[1])

	plaintext := w.plaintext(id, 123456789, 1)
	w.answer(id, plaintext, w.parties[:2]...)
	require.Equal(t, kmstypes.REQUEST_STATUS_ACCEPTED, w.record(id).Status)
	// A result of other content, of another signer, of another attempt, and of somebody who is no party.
	liar := w.parties[2]
	bad := w.result(id, liar, plaintext)
	bad.Plaintext = w.plaintext(id, 5, 1)
	requireRefused(t, kmstypes.ErrInvalidSignature, w.DeliverParty(liar.Account, results(liar, bad)))
	requireRefused(t, kmstypes.ErrInvalidSignature, w.DeliverParty(liar.Account, results(liar, w.result(id, w.parties[3], plaintext))))
	bad = w.result(id, liar, plaintext)
	bad.Attempt++
	requireRefused(t, kmstypes.ErrWrongAttempt, w.DeliverParty(liar.Account, results(liar, bad)))
	requireRefused(t, kmstypes.ErrDuplicate, w.DeliverParty(w.parties[0].Account, results(w.parties[0], w.result(id, w.parties[0], plaintext))))

	w.answer(id, w.plaintext(id, 5, 1), liar) // a lie that is well signed counts for nothing
	require.Equal(t, kmstypes.REQUEST_STATUS_ACCEPTED, w.record(id).Status)
	w.answer(id, plaintext, w.parties[3])
	r = w.record(id)
	require.Equal(t, kmstypes.REQUEST_STATUS_FULFILLED, r.Status)
	require.Equal(t, plaintext, r.Plaintext)

	counted, err := w.certificate(id).Verify()
	require.NoError(t, err)
	require.Equal(t, []uint32{1, 2, 4}, counted)
	certificate := w.certificate(id)
	certificate.Request.Plaintext = w.plaintext(id, 5, 1)
	_, err = certificate.Verify()
	require.ErrorIs(t, err, kmstypes.ErrInvalidCertificate)

	w.Blocks(10)
	require.NotZero(t, w.record(id).PaidHeight)
	require.Equal(t, operatorHad+price/3, w.balance(w.parties[3].Operator.Address()))
	require.Equal(t, kmstypes.Totals{Requests: 1}, w.totals())
	require.Zero(t, w.balance(authtypes.NewModuleAddress(kmstypes.ModuleName)))
	requireRefused(t, kmstypes.ErrClosed, w.DeliverParty(liar.Account, results(liar, w.result(id, liar, plaintext))))
	w.repeated(id, batch[0], batch[1])
}

// repeated has bob ask again for what alice asked, under a header and proofs of a state of his own: it
// creates nothing, costs gas only and finds the same request.
func (w *world) repeated(id []byte, batch ...common.Hash) {
	w.t.Helper()
	w.host.Set(w.host.ACL, common.Hash{31: byte(w.height)}, common.Hash{31: 1})
	totals, state, had := w.totals(), w.state(), w.balance(bob.Address())
	msg := w.request(bob, batch...)
	response := w.ask(bob, msg)
	require.Equal(w.t, id, response.RequestId)
	require.False(w.t, response.Created)
	require.Equal(w.t, totals, w.totals())
	require.Equal(w.t, state, w.state())
	require.Equal(w.t, had-apptest.DefaultGas/1000, w.balance(bob.Address()))
	// Claims are held against the record; who claims other bytes is told so.
	msg = w.request(bob, batch...)
	for _, h := range batch {
		msg.Digests = append(msg.Digests, digestOf(h).Bytes())
	}
	require.Equal(w.t, id, w.ask(bob, msg).RequestId)
	msg = w.request(bob, batch...)
	for range batch {
		msg.Digests = append(msg.Digests, digestOf(batch[0]).Bytes())
	}
	w.refusedFor(kmstypes.ErrDigestMismatch, bob, msg)
}
