package keeper_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/enclave/attest"
	"github.com/tkms-network/tkms/enclave/attest/devnitro"
	"github.com/tkms-network/tkms/x/parties/types"
)

func TestRegistrationRecordsThePartyAndMakesItsAccount(t *testing.T) {
	f := newFixture(t)
	message := f.message("alice")
	response, err := f.messages.RegisterParty(f.ctx, message)
	require.NoError(t, err)
	require.Equal(t, uint64(1), response.Id)

	party, err := f.keeper.PartyByID(f.ctx, 1)
	require.NoError(t, err)
	require.True(t, party.Simulated)
	require.Equal(t, f.image[0][:], party.Pcr0)
	require.Equal(t, f.ctx.BlockTime().Add(types.DefaultParams().AttestationLifetime), party.AttestedUntil)
	require.Equal(t, message.TrustedHash, party.TrustedHash)
	require.Len(t, party.SigningAddress, 20)

	account := mustAddress(t, f, party.Account)
	require.True(t, f.keeper.IsPartyAccount(f.ctx, account))
	made := f.accounts.GetAccount(f.ctx, account)
	require.NotNil(t, made)
	require.Equal(t, party.SigningKey, made.GetPubKey().Bytes())
	require.False(t, f.keeper.IsPartyAccount(f.ctx, mustAddress(t, f, party.Operator)))

	f.register("bob")
	found, err := f.keeper.PartyByAccount(f.ctx, account)
	require.NoError(t, err)
	require.Equal(t, party, found)
}

func mustAddress(t testing.TB, f *fixture, text string) sdk.AccAddress {
	t.Helper()
	raw, err := f.accounts.AddressCodec().StringToBytes(text)
	require.NoError(t, err)
	return raw
}

func TestAnAccountThatSomebodySentCoinsToIsTakenOver(t *testing.T) {
	f := newFixture(t)
	message := f.message("alice")
	account, _, err := types.SigningAddresses(message.SigningKey)
	require.NoError(t, err)
	existing := f.accounts.NewAccountWithAddress(f.ctx, account)
	f.accounts.SetAccount(f.ctx, existing)
	_, err = f.messages.RegisterParty(f.ctx, message)
	require.NoError(t, err)
	made := f.accounts.GetAccount(f.ctx, account)
	require.Equal(t, existing.GetAccountNumber(), made.GetAccountNumber())
	require.NotNil(t, made.GetPubKey())
}

// Each row breaks one thing; nothing of it may leave a trace in the state.
func TestAttacksOnRegistrationAreRefused(t *testing.T) {
	flip := func(b []byte) []byte {
		b = bytes.Clone(b)
		b[len(b)-1] ^= 1
		return b
	}
	params := func(f *fixture, change func(*types.Params)) {
		p, err := f.keeper.Params.Get(f.ctx)
		require.NoError(f.t, err)
		change(&p)
		require.NoError(f.t, f.keeper.Params.Set(f.ctx, p))
	}
	for name, attack := range map[string]struct {
		want    error
		prepare func(*fixture)
		forge   func(*fixture, *types.MsgRegisterParty)
	}{
		// The document vouches for another value of each bound field.
		"another operator (front-running)": {want: types.ErrAttestation, forge: func(f *fixture, m *types.MsgRegisterParty) { m.Operator = address(f.t, "mallory") }},
		"another signing key": {want: types.ErrAttestation, forge: func(f *fixture, m *types.MsgRegisterParty) {
			m.SigningKey = f.message("mallory").SigningKey
		}},
		"another session key":    {want: types.ErrAttestation, forge: func(_ *fixture, m *types.MsgRegisterParty) { m.SessionKey = flip(m.SessionKey) }},
		"another TLS key":        {want: types.ErrAttestation, forge: func(_ *fixture, m *types.MsgRegisterParty) { m.TlsKeyHash = flip(m.TlsKeyHash) }},
		"another encryption key": {want: types.ErrAttestation, forge: func(_ *fixture, m *types.MsgRegisterParty) { m.EncryptionKey = flip(m.EncryptionKey) }},
		"another seal policy":    {want: types.ErrAttestation, forge: func(_ *fixture, m *types.MsgRegisterParty) { m.SealPolicyHash = flip(m.SealPolicyHash) }},
		"another recent block": {want: types.ErrAttestation, forge: func(_ *fixture, m *types.MsgRegisterParty) {
			m.RecentHeight--
			m.RecentHash = blockHash(m.RecentHeight)
		}},
		"another trusted header": {want: types.ErrAttestation, forge: func(_ *fixture, m *types.MsgRegisterParty) {
			m.TrustedHeight--
			m.TrustedHash = blockHash(m.TrustedHeight)
		}},
		"another type of enclave": {want: types.ErrAttestation, forge: func(_ *fixture, m *types.MsgRegisterParty) { m.TeeType = types.TEETypeNitro }},
		"a document for another chain": {want: types.ErrAttestation, forge: func(f *fixture, m *types.MsgRegisterParty) {
			digest := m.Binding("tkms-test-2").Digest()
			m.Evidence = f.document(digest[:])
		}},
		"a document without user data": {want: types.ErrAttestation, forge: func(f *fixture, m *types.MsgRegisterParty) { m.Evidence = f.document(nil) }},
		"a document with half of the binding": {want: types.ErrAttestation, forge: func(f *fixture, m *types.MsgRegisterParty) {
			d := m.Binding(chainID).Digest()
			m.Evidence = f.document(d[:32])
		}},

		// The document itself.
		"a bit flipped in the signature": {want: types.ErrAttestation, forge: func(_ *fixture, m *types.MsgRegisterParty) { m.Evidence = flip(m.Evidence) }},
		"a bit flipped in the middle": {want: types.ErrAttestation, forge: func(_ *fixture, m *types.MsgRegisterParty) {
			m.Evidence = bytes.Clone(m.Evidence)
			m.Evidence[len(m.Evidence)/2] ^= 1
		}},
		"a trailing byte":          {want: types.ErrAttestation, forge: func(_ *fixture, m *types.MsgRegisterParty) { m.Evidence = append(m.Evidence, 0) }},
		"half a document":          {want: types.ErrAttestation, forge: func(_ *fixture, m *types.MsgRegisterParty) { m.Evidence = m.Evidence[:len(m.Evidence)/2] }},
		"garbage":                  {want: types.ErrAttestation, forge: func(_ *fixture, m *types.MsgRegisterParty) { m.Evidence = bytes.Repeat([]byte{0x9f}, 4096) }},
		"a document over the size": {want: types.ErrAttestation, prepare: func(f *fixture) { params(f, func(p *types.Params) { p.MaxDocumentBytes = 1024 }) }},
		"an expired document":      {want: types.ErrAttestation, prepare: func(f *fixture) { f.deviceTime = f.ctx.BlockTime().Add(-16 * time.Minute) }},
		"a document of the future": {want: types.ErrAttestation, prepare: func(f *fixture) { f.deviceTime = f.ctx.BlockTime().Add(31 * time.Second) }},
		"a debug enclave":          {want: types.ErrAttestation, prepare: func(f *fixture) { f.image = attest.Measurement{} }},
		"an unknown measurement": {want: types.ErrAttestation, prepare: func(f *fixture) {
			image, err := devnitro.Measure(strings.NewReader("something else"))
			require.NoError(f.t, err)
			f.image = image
		}},
		"an image accepted as hardware only": {want: types.ErrAttestation, prepare: func(f *fixture) {
			params(f, func(p *types.Params) { p.Measurements[0].TeeType = types.TEETypeNitro })
		}},
		"a simulated device of another root": {want: types.ErrAttestation, prepare: func(f *fixture) {
			root, err := devnitro.NewRoot(make([]byte, devnitro.SeedSize))
			require.NoError(f.t, err)
			f.root = root
		}},
		"a simulated device where genesis allows none": {want: types.ErrAttestation, prepare: func(f *fixture) { params(f, func(p *types.Params) { p.DevNitroRoot = nil }) }},
		"a simulated device as hardware": {want: types.ErrAttestation, prepare: func(f *fixture) {
			params(f, func(p *types.Params) { p.Measurements = append(p.Measurements, accepted(types.TEETypeNitro, f.image)) })
		}, forge: func(f *fixture, m *types.MsgRegisterParty) { m.TeeType = types.TEETypeNitro; f.attest(m) }},

		// The chain's own knowledge.
		"an old block": {want: types.ErrUnknownBlock, prepare: func(f *fixture) { f.blocks(30) }, forge: func(f *fixture, m *types.MsgRegisterParty) {
			m.RecentHeight -= 20
			m.RecentHash = blockHash(m.RecentHeight)
			f.attest(m)
		}},
		"a block that is not there yet": {want: types.ErrUnknownBlock, forge: func(f *fixture, m *types.MsgRegisterParty) {
			m.RecentHeight++
			m.RecentHash = blockHash(m.RecentHeight)
			f.attest(m)
		}},
		"a block of another chain": {want: types.ErrUnknownBlock, forge: func(f *fixture, m *types.MsgRegisterParty) {
			m.RecentHash = flip(m.RecentHash)
			f.attest(m)
		}},
		"a trusted header of another chain": {want: types.ErrUnknownBlock, forge: func(f *fixture, m *types.MsgRegisterParty) {
			m.TrustedHash = flip(m.TrustedHash)
			f.attest(m)
		}},
		"an old trusted header": {want: types.ErrUnknownBlock, prepare: func(f *fixture) { f.blocks(30) }, forge: func(f *fixture, m *types.MsgRegisterParty) {
			m.TrustedHeight, m.TrustedHash = 2, blockHash(2)
			f.attest(m)
		}},
		"an operator in upper case": {want: types.ErrInvalidMessage, forge: func(f *fixture, m *types.MsgRegisterParty) {
			m.Operator = strings.ToUpper(m.Operator)
			f.attest(m)
		}},
		"a malformed message": {want: types.ErrInvalidMessage, forge: func(_ *fixture, m *types.MsgRegisterParty) { m.Moniker = "" }},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if attack.prepare != nil {
				attack.prepare(f)
			}
			message := f.message("alice")
			if attack.forge != nil {
				attack.forge(f, message)
			}
			before := f.export()
			_, err := f.messages.RegisterParty(f.ctx, message)
			require.ErrorIs(t, err, attack.want)
			require.Equal(t, before, f.export())
			account, _, err := types.SigningAddresses(message.SigningKey)
			require.NoError(t, err)
			require.Nil(t, f.accounts.GetAccount(f.ctx, account))
		})
	}
}

func TestKeysBelongToOnePartyAndOneOperator(t *testing.T) {
	f := newFixture(t)
	f.register("alice")
	f.blocks(1)
	for name, take := range map[string]func(to, from *types.MsgRegisterParty){
		"signing":    func(to, from *types.MsgRegisterParty) { to.SigningKey = from.SigningKey },
		"session":    func(to, from *types.MsgRegisterParty) { to.SessionKey = from.SessionKey },
		"tls":        func(to, from *types.MsgRegisterParty) { to.TlsKeyHash = from.TlsKeyHash },
		"encryption": func(to, from *types.MsgRegisterParty) { to.EncryptionKey = from.EncryptionKey },
		"all": func(to, from *types.MsgRegisterParty) {
			to.SigningKey, to.SessionKey = from.SigningKey, from.SessionKey
			to.TlsKeyHash, to.EncryptionKey = from.TlsKeyHash, from.EncryptionKey
		},
	} {
		message := f.message("mallory")
		take(message, f.message("alice"))
		f.attest(message)
		_, err := f.messages.RegisterParty(f.ctx, message)
		require.ErrorIs(t, err, types.ErrKeysTaken, name)
	}
}

func TestRenewalTakesANewerDocumentOfTheSameKeys(t *testing.T) {
	f := newFixture(t)
	first := f.message("alice")
	_, err := f.messages.RegisterParty(f.ctx, first)
	require.NoError(t, err)
	before, err := f.keeper.PartyByID(f.ctx, 1)
	require.NoError(t, err)

	_, err = f.messages.RegisterParty(f.ctx, first)
	require.ErrorIs(t, err, types.ErrNotNewer, "the same document again")
	f.blocks(1)
	f.deviceTime = before.AttestedAt.Add(-time.Second)
	_, err = f.messages.RegisterParty(f.ctx, f.message("alice"))
	require.ErrorIs(t, err, types.ErrNotNewer, "an older document")
	f.deviceTime = time.Time{}

	// The trusted header on record stays good when it is no longer recent.
	f.blocks(40)
	renewal := f.message("alice")
	renewal.TrustedHeight, renewal.TrustedHash = before.TrustedHeight, before.TrustedHash
	foreign := *renewal
	foreign.TrustedHash = bytes.Repeat([]byte{1}, 32)
	f.attest(&foreign)
	_, err = f.messages.RegisterParty(f.ctx, &foreign)
	require.ErrorIs(t, err, types.ErrUnknownBlock, "but no other one that is not recent")
	renewal.PeerAddress = "elsewhere.example:1"
	f.attest(renewal)
	response, err := f.messages.RegisterParty(f.ctx, renewal)
	require.NoError(t, err)
	require.Equal(t, uint64(1), response.Id)
	after, err := f.keeper.PartyByID(f.ctx, 1)
	require.NoError(t, err)
	require.Equal(t, "elsewhere.example:1", after.PeerAddress)
	require.Equal(t, before.RegisteredHeight, after.RegisteredHeight)
	require.Equal(t, 41*time.Second, after.AttestedUntil.Sub(before.AttestedUntil))
}

func TestAPartyCannotChangeItsTypeOfEnclave(t *testing.T) {
	f := newFixture(t)
	f.register("alice")
	f.blocks(1)
	message := f.message("alice")
	message.TeeType = types.TEETypeNitro
	f.attest(message)
	_, err := f.messages.RegisterParty(f.ctx, message)
	require.ErrorIs(t, err, types.ErrKeysTaken)
}

func TestARemovedPartyCannotRegisterAgain(t *testing.T) {
	f := newFixture(t)
	f.register("alice")
	_, err := f.messages.RemoveParty(f.ctx, &types.MsgRemoveParty{Authority: address(t, "authority"), PartyId: 1})
	require.NoError(t, err)
	f.blocks(1)
	_, err = f.messages.RegisterParty(f.ctx, f.message("alice"))
	require.ErrorIs(t, err, types.ErrPartyRemoved)
}

func TestEveryRegistrationCostsTheSameGasForItsDocument(t *testing.T) {
	f := newFixture(t)
	good, garbage, malformed := f.message("alice"), f.message("alice"), f.message("alice")
	garbage.Evidence = bytes.Repeat([]byte{1}, len(good.Evidence))
	malformed.SessionKey = nil
	used := func(message *types.MsgRegisterParty) uint64 {
		cached, _ := f.ctx.CacheContext()
		cached = cached.WithGasMeter(storetypes.NewGasMeter(10_000_000))
		_, _ = f.messages.RegisterParty(cached, message)
		return cached.GasMeter().GasConsumed()
	}
	flat := types.DefaultParams().GasPerAttestation
	require.GreaterOrEqual(t, used(malformed), flat)
	require.GreaterOrEqual(t, used(good), flat)
	// Refused by the verifier at different depths: equal to the last unit.
	deep := f.message("alice")
	deep.Evidence[len(deep.Evidence)-1] ^= 1
	require.Equal(t, used(garbage), used(deep))
}

type panickingAttestor struct{}

func (panickingAttestor) Attest(string, *types.MsgRegisterParty, types.Params, time.Time) (types.Attested, error) {
	panic("a parser met its match")
}

func TestAPanicOfTheVerifierIsARefusalLikeAnyOther(t *testing.T) {
	f := newFixture(t)
	f.keeper.SetAttestor(panickingAttestor{})
	_, err := f.messages.RegisterParty(f.ctx, f.message("alice"))
	require.ErrorIs(t, err, types.ErrAttestation)
}

func TestWithoutABlockTimeNothingIsAttested(t *testing.T) {
	f := newFixture(t)
	message := f.message("alice")
	f.ctx = f.ctx.WithBlockTime(time.Time{})
	_, err := f.messages.RegisterParty(f.ctx, message)
	require.ErrorIs(t, err, types.ErrAttestation)
}

func BenchmarkRegistration(b *testing.B) {
	f := newFixture(b)
	message := f.message("alice")
	for b.Loop() {
		cached, _ := f.ctx.CacheContext()
		if _, err := f.messages.RegisterParty(cached, message); err != nil {
			b.Fatal(err)
		}
	}
}
