package client_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/enclave/reencrypt"
	"github.com/tkms-network/tkms/testutil/answers"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/client"
	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"
	"github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

func source(seed byte) io.Reader { return rand.NewChaCha8([32]byte{seed}) }

func account(t testing.TB, seed byte) *ecdsa.PrivateKey {
	t.Helper()
	k, err := crypto.ToECDSA(bytes.Repeat([]byte{seed}, 32))
	require.NoError(t, err)
	return k
}

func host() *acltypes.HostChain {
	return &acltypes.HostChain{Id: 31337, VerifierDomain: acltypes.VerifierDomain{
		Name: "Decryption", Version: "1", ChainId: 55815, VerifyingContract: bytes.Repeat([]byte{0x5f}, 20),
	}}
}

var (
	dapp, token = [20]byte{0xda}, [20]byte{0x70}
	values      = []*big.Int{big.NewInt(1 << 50), big.NewInt(1), new(big.Int).Lsh(big.NewInt(5), 150)}
)

func handle(typ handles.Type, index byte) handles.Handle {
	h := handles.Handle{index, 30: byte(typ)}
	binary.BigEndian.PutUint64(h[22:], 31337)
	return h
}

// world is a user's question to a committee.
type world struct {
	testing.TB
	session  *client.UserSession
	question client.UserQuestion
	parties  []*ecdsa.PrivateKey
	signers  [][20]byte
	asked    answers.Question
	dealt    []answers.Shares
}

func newWorld(t testing.TB, n int, packing int) *world {
	t.Helper()
	w := &world{TB: t}
	var err error
	w.session, err = client.NewUserSession(source(1), account(t, 100))
	require.NoError(t, err)
	authorization, err := w.session.Authorize(host(), client.Terms{Contracts: [][20]byte{dapp, token}, Start: time.Unix(1000, 0), Days: 7})
	require.NoError(t, err)
	w.question = client.UserQuestion{
		HostChain: host(), KeyID: [32]byte{9}, Contracts: [][20]byte{dapp, token, dapp}, Authorization: authorization,
		Handles: []handles.Handle{handle(handles.Uint64, 1), handle(handles.Bool, 2), handle(handles.Uint160, 3)},
	}
	require.NoError(t, w.question.Check())
	for i := range n {
		w.parties = append(w.parties, account(t, byte(i+1)))
		w.signers = append(w.signers, crypto.PubkeyToAddress(w.parties[i].PublicKey))
	}
	domain, err := types.SigningDomain(host().VerifierDomain)
	require.NoError(t, err)
	key, err := reencrypt.ParsePublicKey(authorization.PublicKey)
	require.NoError(t, err)
	w.asked = answers.Question{Domain: domain, Key: key, User: w.session.User(), Handles: w.question.Handles, Packing: packing}
	w.dealt, err = w.asked.Deal(source(2), n, values)
	require.NoError(t, err)
	return w
}

// share is what a party posts of shares.
func (w *world) share(q answers.Question, party int, shares answers.Shares) types.Share {
	w.Helper()
	a, err := q.Answer(source(byte(party)), w.parties[party-1], party, len(w.parties), shares)
	require.NoError(w, err)
	return types.Share{Index: uint32(party), Payload: a.Payload, Signature: a.Signature}
}

func (w *world) honest() []types.Share {
	out := make([]types.Share, len(w.parties))
	for i := range out {
		out[i] = w.share(w.asked, i+1, w.dealt[i])
	}
	return out
}

// lying is a party's share with a good signature and a wrong value of the last handle.
func (w *world) lying(party int) types.Share {
	shares := slices.Clone(w.dealt[party-1])
	last := slices.Clone(shares[len(shares)-1])
	last[0] ^= 1
	shares[len(shares)-1] = last
	return w.share(w.asked, party, shares)
}

func (w *world) requireValues(a *client.UserAnswer, err error) {
	w.Helper()
	require.NoError(w, err)
	require.Len(w, a.Values, len(values))
	for i, v := range values {
		require.Zero(w, v.Cmp(a.Values[i]), "%v, not %v", a.Values[i], v)
	}
}

func TestAnAuthorizationIsWhatTheChainAccepts(t *testing.T) {
	s, err := client.NewUserSession(source(1), account(t, 100))
	require.NoError(t, err)
	delegator := [20]byte{0xde}
	for _, terms := range []client.Terms{
		{Contracts: [][20]byte{dapp}, Start: time.Unix(1_700_000_000, 5), Days: 1},
		{Contracts: [][20]byte{token, dapp}, Delegator: &delegator, Start: time.Unix(1, 0), Days: 365},
	} {
		a, err := s.Authorize(host(), terms)
		require.NoError(t, err)
		require.NoError(t, a.Validate())
		digest, err := a.Digest(31337, host().VerifierDomain)
		require.NoError(t, err)
		require.NoError(t, a.CheckSignature(digest))
		require.EqualValues(t, terms.Start.Unix(), a.StartTimestamp)
		other := host()
		other.Id++
		b, err := s.Authorize(other, terms)
		require.NoError(t, err)
		require.NotEqual(t, a.Signature, b.Signature, "the host chain is signed")
	}
	self := s.User()
	for name, bad := range map[string]struct {
		terms client.Terms
		want  error
	}{
		"no contract": {client.Terms{Days: 1}, types.ErrTooManyContracts},
		"no day":      {client.Terms{Contracts: [][20]byte{dapp}}, types.ErrInvalidDuration},
		"for ever":    {client.Terms{Contracts: [][20]byte{dapp}, Days: 366}, types.ErrInvalidDuration},
		"her own":     {client.Terms{Contracts: [][20]byte{dapp}, Days: 1, Delegator: &self}, types.ErrMalformed},
	} {
		_, err := s.Authorize(host(), bad.terms)
		require.ErrorIs(t, err, bad.want, name)
	}
}

func TestTheQuestionHasTheIDOfItsRecord(t *testing.T) {
	w := newWorld(t, 4, 1)
	msg := w.question.Message(sdk.AccAddress(dapp[:]), acltypes.DecryptionProof{Header: []byte{1}}, 7)
	record := types.Request{
		Kind: types.REQUEST_KIND_USER_DECRYPTION, HostChainId: msg.HostChainId, KeyId: msg.KeyId,
		AuthorizedBy: &msg.Authorization, Domain: host().VerifierDomain,
	}
	for _, h := range msg.Handles {
		record.Ciphertexts = append(record.Ciphertexts, types.Ciphertext{Handle: h.Handle, Contract: h.Contract})
	}
	list, err := record.HandleList()
	require.NoError(t, err)
	want, err := record.ComputedID(list)
	require.NoError(t, err)
	got, err := w.question.ID()
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.EqualValues(t, 7, msg.MaxFee)
	require.Equal(t, []byte{1}, msg.Proof.Header)
}

func TestTheAccessIsWhatTheQuestionNeeds(t *testing.T) {
	w := newWorld(t, 4, 1)
	access, err := w.question.Access()
	require.NoError(t, err)
	require.Equal(t, w.session.User(), access.Owner())
	require.Nil(t, access.Approval)
	require.Len(t, access.Handles, 3)
	require.Equal(t, w.question.Contracts, access.Contracts)

	w.question.Authorization.Delegator = bytes.Repeat([]byte{7}, 20)
	w.question.Authorization.Signature = nil
	access, err = w.question.Access()
	require.NoError(t, err)
	require.Equal(t, [20]byte(bytes.Repeat([]byte{7}, 20)), access.Owner())
	digest, err := w.question.Authorization.Digest(31337, host().VerifierDomain)
	require.NoError(t, err)
	require.Equal(t, &digest, access.Approval)
}

func TestAQuestionWhosePartsDoNotFitIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*client.UserQuestion)
		want   error
	}{
		"no handle":        {func(q *client.UserQuestion) { q.Handles, q.Contracts = nil, nil }, types.ErrMalformed},
		"one contract":     {func(q *client.UserQuestion) { q.Contracts = q.Contracts[:1] }, types.ErrMalformed},
		"another contract": {func(q *client.UserQuestion) { q.Contracts[1] = [20]byte{1} }, types.ErrContractNotAuthorized},
		"one handle twice": {func(q *client.UserQuestion) { q.Handles[1] = q.Handles[0] }, types.ErrInvalidHandle},
		"another chain":    {func(q *client.UserQuestion) { q.HostChain.Id++ }, types.ErrInvalidHandle},
		"a broken key":     {func(q *client.UserQuestion) { q.Authorization.PublicKey[0]++ }, types.ErrInvalidPublicKey},
	} {
		q := newWorld(t, 4, 1).question
		c.change(&q)
		require.ErrorIs(t, q.Check(), c.want, name)
	}
}

func TestTheUserReadsWhatTheCommitteeAnswers(t *testing.T) {
	for _, n := range []int{1, 4, 7, 10, 13} {
		for _, packing := range []int{1, 2} {
			w := newWorld(t, n, packing)
			a, err := w.session.Read(w.question, w.signers, w.honest())
			w.requireValues(a, err)
			require.Len(t, a.Contributed, n)
			require.Empty(t, a.Wrong)
		}
	}
}

func TestAPartyIsBlamedForWhatItSignedOnly(t *testing.T) {
	other, err := client.NewUserSession(source(9), account(t, 101))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		change func(*world, []types.Share)
		wrong  bool
	}{
		"a wrong value": {func(w *world, s []types.Share) { s[1] = w.lying(2) }, true},
		"another packing": {func(w *world, s []types.Share) {
			v := newWorld(w, 7, 2)
			s[1] = v.share(v.asked, 2, v.dealt[1])
		}, true},
		"another's key": {func(w *world, s []types.Share) {
			a, err := other.Authorize(host(), client.Terms{Contracts: [][20]byte{dapp}, Days: 1})
			require.NoError(w, err)
			q := w.asked
			q.Key, err = reencrypt.ParsePublicKey(a.PublicKey)
			require.NoError(w, err)
			w.sign(&s[1], w.share(q, 2, w.dealt[1]).Payload, 2)
		}, true},
		"another user": {func(w *world, s []types.Share) {
			q := w.asked
			q.User[0]++
			w.sign(&s[1], w.share(q, 2, w.dealt[1]).Payload, 2)
		}, true},
		"another party's":   {func(w *world, s []types.Share) { w.sign(&s[1], s[2].Payload, 2) }, true},
		"no payload":        {func(w *world, s []types.Share) { w.sign(&s[1], []byte{1}, 2) }, true},
		"a forged one":      {func(w *world, s []types.Share) { s[1].Payload[200] ^= 1 }, false},
		"no signature":      {func(w *world, s []types.Share) { s[1].Signature = nil }, false},
		"another signature": {func(w *world, s []types.Share) { s[1].Signature = s[2].Signature }, false},
		"index 0":           {func(w *world, s []types.Share) { s[1].Index = 0 }, false},
		"index 8":           {func(w *world, s []types.Share) { s[1].Index = 8 }, false},
		"a second one":      {func(w *world, s []types.Share) { s[1] = w.lying(3) }, false},
	} {
		w := newWorld(t, 7, 1)
		shares := w.honest()
		c.change(w, shares)
		if name == "a second one" { // that comes after the first
			shares[1], shares[2] = shares[2], shares[1]
		}
		a, err := w.session.Read(w.question, w.signers, shares)
		w.requireValues(a, err)
		want := []int(nil)
		if c.wrong {
			want = []int{2}
		}
		require.Equal(t, want, a.Wrong, name)
		require.Equal(t, []int{1, 3, 4, 5, 6, 7}, a.Contributed, name)
	}
}

// sign replaces what a party posted by another payload under its own signature.
func (w *world) sign(s *types.Share, payload []byte, party int) {
	w.Helper()
	digest := eip712.UserDecryptResponse(w.asked.Domain, w.question.Authorization.PublicKey, w.question.Handles, payload)
	signature, err := eip712.Sign(digest, w.parties[party-1])
	require.NoError(w, err)
	*s = types.Share{Index: uint32(party), Payload: payload, Signature: signature}
}

func TestFewerThanEnoughRightSharesGiveNothing(t *testing.T) {
	w := newWorld(t, 4, 1)
	all := w.honest()
	for name, shares := range map[string][]types.Share{
		"none": nil, "two": all[:2], "one wrong of three": {all[0], all[1], w.lying(3)}, "two wrong of four": {all[0], w.lying(2), w.lying(3), all[3]},
	} {
		_, err := w.session.Read(w.question, w.signers, shares)
		require.ErrorIs(t, err, reencrypt.ErrUndecodable, name)
	}
	a, err := w.session.Read(w.question, w.signers, []types.Share{all[0], all[3], all[2]})
	w.requireValues(a, err)
	require.Equal(t, []int{1, 3, 4}, a.Contributed)
}

// states are what a node says of a request, one after the other, the last for ever.
func states(list ...any) client.ShareSource {
	return func(context.Context, [32]byte) (*types.QuerySharesResponse, error) {
		next := list[0]
		if len(list) > 1 {
			list = list[1:]
		}
		switch s := next.(type) {
		case error:
			return nil, s
		case types.RequestStatus:
			return &types.QuerySharesResponse{Request: types.Request{Status: s}}, nil
		case []types.Share:
			return &types.QuerySharesResponse{Request: types.Request{Status: types.REQUEST_STATUS_FULFILLED}, Shares: s}, nil
		}
		panic("no state")
	}
}

func TestTheWaitTakesMoreSharesWhileSomeAreWrong(t *testing.T) {
	w := newWorld(t, 4, 1)
	all := w.honest()
	missing := fmt.Errorf("query: %w", client.ErrNotFound)
	withLiar := []types.Share{all[0], w.lying(2), all[2]}
	a, err := w.session.Await(t.Context(), w.question, w.signers,
		states(missing, types.REQUEST_STATUS_ACCEPTED, all[:2], withLiar, withLiar, append(withLiar, all[3])))
	w.requireValues(a, err)
	require.Equal(t, []int{2}, a.Wrong)

	_, err = w.session.Await(t.Context(), w.question, w.signers, states(types.REQUEST_STATUS_ACCEPTED, types.REQUEST_STATUS_EXPIRED))
	require.ErrorIs(t, err, client.ErrExpired)
	_, err = w.session.Await(t.Context(), w.question, w.signers, states(withLiar, append(withLiar[:2:2], w.lying(3), all[3])))
	require.ErrorIs(t, err, client.ErrUnreadable)
	failure := errors.New("no connection")
	_, err = w.session.Await(t.Context(), w.question, w.signers, states(missing, failure))
	require.ErrorIs(t, err, failure)
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	_, err = w.session.Await(ctx, w.question, w.signers, states(withLiar))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, reencrypt.ErrUndecodable)
}

func TestASessionHidesItsKeysAndErasesItsOwn(t *testing.T) {
	w := newWorld(t, 4, 1)
	secret := fmt.Sprintf("%x", crypto.FromECDSA(account(t, 100)))
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s"} {
		require.NotContains(t, fmt.Sprintf(verb, w.session), secret)
		require.Contains(t, fmt.Sprintf(verb, w.session), "redacted")
	}
	w.session.Zero()
	_, err := w.session.Read(w.question, w.signers, w.honest())
	require.ErrorIs(t, err, reencrypt.ErrUndecodable)
}

func TestSignersAreAddressesInOrder(t *testing.T) {
	list, err := client.SignersOf([]partiestypes.Party{{SigningAddress: dapp[:]}, {SigningAddress: token[:]}})
	require.NoError(t, err)
	require.Equal(t, [][20]byte{dapp, token}, list)
	_, err = client.SignersOf([]partiestypes.Party{{SigningAddress: dapp[:19]}})
	require.ErrorIs(t, err, types.ErrMalformed)
}
