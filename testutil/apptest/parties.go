package apptest

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/app/genesis"
	"github.com/tkms-network/tkms/enclave/attest"
	"github.com/tkms-network/tkms/enclave/attest/devnitro"
	"github.com/tkms-network/tkms/enclave/attest/nsm"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// Enclaves makes simulated enclave devices that run one image.
type Enclaves struct {
	root  *devnitro.Root
	image attest.Measurement
}

// NewEnclaves derives the simulated vendor from a seed: the same in every run.
func NewEnclaves(seed string) Enclaves {
	sum := sha256.Sum256([]byte("apptest/enclaves/" + seed))
	root, err := devnitro.NewRoot(sum[:])
	if err != nil {
		panic(err)
	}
	image, err := devnitro.Measure(bytes.NewReader([]byte("an image of tkms-party")))
	if err != nil {
		panic(err)
	}
	return Enclaves{root, image}
}

// Allow has genesis believe the simulated vendor; the image is governance's to accept. edit may change
// further parameters.
func (e Enclaves) Allow(cdc codec.JSONCodec, state genesis.State, edit func(*partiestypes.Params)) error {
	return genesis.Edit(cdc, state, partiestypes.ModuleName, func(s *partiestypes.GenesisState) error {
		s.Params.DevNitroRoot = e.root.DER()
		if edit != nil {
			edit(&s.Params)
		}
		return nil
	})
}

// Measurement is the image, to be accepted.
func (e Enclaves) Measurement() partiestypes.Measurement {
	return partiestypes.Measurement{
		TeeType: partiestypes.TEETypeDevNitro, Pcr0: e.image[0][:], Pcr1: e.image[1][:], Pcr2: e.image[2][:],
	}
}

// Party is an MPC party: an enclave's keys with the account of their operator. It computes nothing.
type Party struct {
	// Account posts the party's messages; its key signs results.
	Account
	Operator Account
	// ID and Index are known once the party is registered, and a committee formed.
	ID    uint64
	Index uint32
}

// NewParty derives a party's keys from its name.
func NewParty(name string) *Party {
	return &Party{Account: NewAccount("party/" + name), Operator: NewAccount("operator/" + name)}
}

// SigningKey signs what host chains and auditors check.
func (p *Party) SigningKey() *ecdsa.PrivateKey {
	key, err := crypto.ToECDSA(p.Key.Key)
	if err != nil {
		panic(err)
	}
	return key
}

// SessionKey signs what the party sends in protocol sessions.
func (p *Party) SessionKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(p.secret("session")) }

func (p *Party) secret(use string) []byte {
	sum := sha256.Sum256([]byte("apptest/" + p.Name + "/" + use))
	return sum[:]
}

// Registration is what the party's operator would send now, with a document of a device of its own.
func (c *Chain) Registration(e Enclaves, p *Party) *partiestypes.MsgRegisterParty {
	c.t.Helper()
	session := p.SessionKey().Public()
	spki, err := x509.MarshalPKIXPublicKey(ed25519.NewKeyFromSeed(p.secret("tls")).Public())
	require.NoError(c.t, err)
	tls := sha256.Sum256(spki)
	encryption, err := ecdh.X25519().NewPrivateKey(p.secret("encryption"))
	require.NoError(c.t, err)
	msg := &partiestypes.MsgRegisterParty{
		Operator: p.Operator.Address().String(), Moniker: p.Name,
		SigningKey: p.Key.PubKey().Bytes(), SessionKey: session.(ed25519.PublicKey),
		TlsKeyHash: tls[:], EncryptionKey: encryption.PublicKey().Bytes(),
		PeerAddress: "127.0.0.1:7000", VaultUrl: "http://127.0.0.1:7001",
		TeeType: partiestypes.TEETypeDevNitro, SealPolicyHash: p.secret("policy"),
		TrustedHeight: c.Height, TrustedHash: BlockHash(c.Height),
		RecentHeight: c.Height, RecentHash: BlockHash(c.Height),
	}
	now := c.Now
	device, err := devnitro.New(devnitro.Config{Root: e.root, Measurement: e.image, Instance: "i-apptest", Now: func() time.Time { return now }})
	require.NoError(c.t, err)
	binding := msg.Binding(c.ChainID).Digest()
	msg.Evidence, err = nsm.Attest(device, binding[:])
	require.NoError(c.t, err)
	return msg
}

// Register has the operators register their parties, each in a block of its own.
func (c *Chain) Register(e Enclaves, parties ...*Party) {
	c.t.Helper()
	for _, p := range parties {
		var response partiestypes.MsgRegisterPartyResponse
		c.Response(c.MustDeliver(p.Operator, c.Registration(e, p)), &response)
		p.ID = response.Id
	}
}

// Form has governance form a committee of the parties, in their order, and returns its epoch.
func (c *Chain) Form(parties ...*Party) uint64 {
	c.t.Helper()
	msg := &partiestypes.MsgFormCommittee{Authority: c.Authority()}
	for i, p := range parties {
		msg.PartyIds = append(msg.PartyIds, p.ID)
		p.Index = uint32(i + 1)
	}
	c.MustGovern(msg)
	id, err := c.App.Parties.LastEpoch.Get(c.Ctx())
	require.NoError(c.t, err)
	return id
}

// Transcript is what all parties of SetUp confirm.
var Transcript = bytes.Repeat([]byte{0x7e}, partiestypes.DigestSize)

// SetUp takes an epoch to ACTIVE by the messages of all its members.
func (c *Chain) SetUp(epoch uint64, parties ...*Party) {
	c.t.Helper()
	c.EachParty(parties, func(p *Party) sdk.Msg {
		return &partiestypes.MsgCommitSetup{Account: p.Address().String(), EpochId: epoch, Attempt: 1, Root: p.secret("root")}
	})
	c.EachParty(parties, func(p *Party) sdk.Msg {
		return &partiestypes.MsgConfirmSetup{Account: p.Address().String(), EpochId: epoch, Attempt: 1, Transcript: Transcript}
	})
	require.Equal(c.t, partiestypes.EPOCH_STATUS_ACTIVE, c.Epoch(epoch).Status)
}

// EachParty commits a block with a free transaction of each party, all of which must succeed.
func (c *Chain) EachParty(parties []*Party, message func(*Party) sdk.Msg) {
	c.t.Helper()
	txs := make([][]byte, len(parties))
	for i, p := range parties {
		txs[i] = c.SignParty(p.Account, message(p))
	}
	for i, result := range c.NextBlock(txs...) {
		require.Zero(c.t, result.Code, "%s: %s/%d: %s", parties[i].Name, result.Codespace, result.Code, result.Log)
	}
}

// Epoch as committed.
func (c *Chain) Epoch(id uint64) partiestypes.Epoch {
	c.t.Helper()
	epoch, err := c.App.Parties.EpochByID(c.Ctx(), id)
	require.NoError(c.t, err)
	return epoch
}
