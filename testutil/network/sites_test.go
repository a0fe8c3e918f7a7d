package network_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/reencrypt"
	"github.com/tkms-network/tkms/testutil/devnet"
	hostclient "github.com/tkms-network/tkms/testutil/hostchain/client"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/client"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// otherChain differs from the host chain by default in all that handles and signatures
// name.
func otherChain() devnet.HostIdentity {
	return devnet.HostIdentity{ChainID: 424242, GatewayChainID: 434343, Decryption: "0x00000000000000000000000000000000000d0001"}
}

func TestTwoHostChainsOnOneNetworkAreServedAndKeptApart(t *testing.T) {
	a := start(t, devnet.Config{}, nil)
	site, err := a.Beside("other", otherChain())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, site.Site.Stop()) })
	b := a.by(site)
	b.run(site.SiteStages())
	require.NotEqual(t, a.KeyID, b.KeyID)

	// The same user on both.
	alice := a.user()
	there, err := alice.On(b.ctx, b.Devnet)
	require.NoError(t, err)
	publicA, publicB := a.give(alice, 1111), b.give(there, 2222)
	journey := a.travel(alice, publicA, 1111)
	b.travel(there, publicB, 2222)
	readerA, readerB := a.reader(alice), b.reader(there)
	questionA, questionB := a.ask(readerA, a.private(alice, 3333)), b.ask(readerB, b.private(there, 4444))
	a.read(readerA, questionA, 3333)
	b.read(readerB, questionB, 4444)

	// What is recorded already is found without a proof: attacks need values of their own.
	secretA, secretB := a.public(alice, 5555), b.public(there, 6666)
	for name, attack := range map[string]func(a, b *world){
		"a handle under the key of the other": func(a, b *world) {
			msg := a.message(secretA)
			msg.KeyId = b.KeyID
			a.refused(kmstypes.ErrKeyOfOther, msg)
		},
		"a handle asked of the other": func(a, b *world) {
			msg := b.message(secretB)
			msg.Handles = [][]byte{secretA[:]}
			b.refused(kmstypes.ErrInvalidHandle, msg)
		},
		"a header of the other": func(a, b *world) {
			msg := b.message(secretB)
			msg.Proof.Header = a.message(secretA).Proof.Header
			b.refused(acltypes.ErrStranger, msg)
		},
		"a proof of the other": func(a, b *world) {
			msg := b.message(secretB)
			msg.Proof = a.message(secretA).Proof
			b.refused(acltypes.ErrStranger, msg)
		},
		"state of the other under a header of its own": func(a, b *world) {
			msg := b.message(secretB)
			foreign := a.message(secretA).Proof
			msg.Proof.Acl, msg.Proof.Registry = foreign.Acl, foreign.Registry
			b.refused(acltypes.ErrBadAccountProof, msg)
		},
		"an authorization for the other": func(a, b *world) {
			// It names the contract, so that nothing but the host chain is another.
			dapp := [20]byte(b.HostClient.Info().Contracts.Disclosure)
			signed, err := readerA.Ask(nil, func(terms *client.Terms) { terms.Contracts = [][20]byte{dapp} }, secretA)
			require.NoError(b, err)
			question := questionB
			question.Authorization = signed.Authorization
			proof, err := b.UserProof(b.ctx, question)
			require.NoError(b, err)
			sender, err := b.Sender(b.ctx, devnet.DAppAccount)
			require.NoError(b, err)
			b.refused(kmstypes.ErrNotSignedByUser, question.Message(sender.Address(), proof, 10_000_000))
		},
		"shares for the other": func(a, b *world) {
			job, err := readerA.Post(a.ctx, questionA)
			require.NoError(a, err)
			_, err = readerB.At(a.Devnet).Collect(a.ctx, questionB, job)
			require.ErrorIs(b, err, reencrypt.ErrUndecodable)
		},
		"signatures at the verifier of the other": func(a, b *world) {
			bringTo(a, b, publicA, journey.Request)
		},
		"another host chain that could be taken for one of the two": func(_, b *world) { refuseLookalikes(b) },
	} {
		t.Run(name, func(t *testing.T) { attack(a.in(t), b.in(t)) })
	}
}

// bringTo brings what the parties signed for a's dApp to that of b, which has the same
// signers.
func bringTo(a, b *world, handle fhevm.Handle, request kmstypes.Request) {
	var signatures [][]byte
	for _, c := range request.Contributions {
		if c.Agrees {
			signatures = append(signatures, c.Signature)
		}
	}
	proof, err := fhevm.EncodeDecryptionProof(signatures, nil)
	require.NoError(b, err)
	account, err := hostclient.NewAccount()
	require.NoError(b, err)
	for _, c := range []struct {
		at     *world
		revert string
	}{{a, "AlreadyFulfilled"}, {b, "KMSInvalidSigner"}} {
		require.NoError(b, c.at.HostClient.Fund(b.ctx, account.Address(), nil))
		_, err = c.at.HostClient.Fulfil(b.ctx, account, []fhevm.Handle{handle}, request.Plaintext, proof)
		require.True(b, fhevm.IsRevert(err, c.revert), "%v", err)
	}
}

// refuseLookalikes asks governance for host chains with the id, the domain or the
// validators of one that is there.
func refuseLookalikes(w *world) {
	genuine, err := w.TKMS.HostChain(w.ctx, w.HostClient.Info().ChainID)
	require.NoError(w, err)
	free := acltypes.VerifierDomain{Name: "Decryption", Version: "1", ChainId: 555555, VerifyingContract: common.HexToAddress("0x0d0002").Bytes()}
	for _, c := range []struct {
		id     uint64
		domain acltypes.VerifierDomain
		want   error
	}{
		{genuine.Id, free, acltypes.ErrHostChainExists},
		{565656, genuine.VerifierDomain, acltypes.ErrDomainTaken},
		{565656, free, acltypes.ErrValidatorsShared},
	} {
		record := *genuine
		record.Id, record.VerifierDomain = c.id, c.domain
		err := w.Govern(w.ctx, "register a lookalike", &acltypes.MsgRegisterHostChain{Authority: devnet.Authority(), HostChain: record})
		require.ErrorContains(w, err, c.want.Error())
		_, err = w.TKMS.HostChain(w.ctx, 565656)
		require.ErrorIs(w, err, client.ErrNotFound)
	}
}
