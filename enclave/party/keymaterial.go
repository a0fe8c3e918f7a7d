package party

import (
	"bytes"
	"context"
	"crypto/sha3"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/blob"
	"github.com/tkms-network/tkms/enclave/party/vault"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/x/kms/eip712"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// ErrEcho reports that the chain recorded another digest of the offline stage
// than this party's.
var ErrEcho = errors.New("party: the chain agreed on another digest of the shared bits")

// testBlocks is how many messages are encrypted under the compute key to test it.
const testBlocks = 4

// Kinds of the randomness that only a test decryption uses.
const kindTestNoise = "key test noise"

// open waits for the digest on chain, opens seed and body, seals the share and
// publishes the key.
func (g *generation) open(ctx context.Context, bits *preproc.Machine) (*keygen.KeyShare, *kmstypes.KeyMaterial, *tfhe.CompactPublicKey, error) {
	echo := bits.Echo()
	agreed, err := g.await(ctx, func(k *kmstypes.Key) bool { return len(k.EchoDigest) > 0 })
	if err != nil {
		return nil, nil, nil, err
	}
	if !bytes.Equal(agreed.EchoDigest, echo[:]) {
		return nil, nil, nil, ErrEcho
	}
	opening, err := keygen.NewOpening(keygen.OpeningConfig{
		Parameters: keygenParameters(g.parameters), Generation: bits, Posted: echo, KeyID: mpc.Digest(g.key.Id), Expand: expandMask,
	})
	if err != nil {
		return nil, nil, nil, err
	}
	if err := g.run(ctx, g.session("key opening").ID(), opening); err != nil {
		return nil, nil, nil, err
	}
	share := opening.Share()
	encoded, err := share.MarshalBinary()
	if err != nil {
		return nil, nil, nil, err
	}
	defer clear(encoded)
	if err := g.party.cfg.Store.Put(shareObject(g.key.Id, g.key.Attempt, g.key.EpochId), encoded); err != nil {
		return nil, nil, nil, fmt.Errorf("seal the share: %w", err)
	}
	seed := opening.Seed()
	mask, err := expandMask(seed, g.parameters.PKEDimension)
	if err != nil {
		return nil, nil, nil, err
	}
	public, err := tfhe.NewCompactPublicKey(g.parameters, mask, opening.Body())
	if err != nil {
		return nil, nil, nil, err
	}
	material, err := g.publish(public, seed)
	return share, material, public, err
}

// expandMask expands a seed as TFHE-rs expands that of a seeded key.
func expandMask(seed [keygen.SeedSize]byte, n int) ([]uint64, error) {
	return tfhe.ExpandMask(tfhe.PlainSeed(seed), n), nil
}

// publish puts the public key into the vault and returns what names it.
func (g *generation) publish(public *tfhe.CompactPublicKey, seed [keygen.SeedSize]byte) (*kmstypes.KeyMaterial, error) {
	encoded, err := public.MarshalBinary()
	if err != nil {
		return nil, err
	}
	digest, err := g.party.cfg.Vault.Put(encoded)
	if err != nil {
		return nil, err
	}
	keccak := blob.Digest(encoded)
	return &kmstypes.KeyMaterial{
		Seed: seed[:], PublicKeyDigest: digest[:], PublicKeyKeccak: keccak[:], PublicKeySize: uint64(len(encoded)),
	}, nil
}

// test decrypts by MPC a fresh encryption under the public key, with coins that
// everybody can derive, and messages encrypted under the shared compute key.
func (g *generation) test(ctx context.Context, held *heldKey, share *keygen.KeyShare, public *tfhe.CompactPublicKey) (bool, error) {
	coins := sha3.NewSHAKE256()
	_, _ = coins.Write([]byte("tkms/v1/key-test"))
	_, _ = coins.Write(g.key.Id)
	message := make([]byte, 8)
	_, _ = coins.Read(message)
	value := new(big.Int).SetBytes(message)
	list, err := public.Encrypt(coins, tfhe.EUint64, value, true)
	if err != nil {
		return false, err
	}
	encoded, err := list.MarshalBinary()
	if err != nil {
		return false, err
	}
	ciphertext, err := tfhe.Decode(encoded, tfhe.EUint64, g.parameters)
	if err != nil {
		return false, err
	}
	items, noise, err := g.testMaterial(ctx, held.shape, ciphertext.Len()+testBlocks)
	if err != nil {
		return false, err
	}
	plain, err := g.testDecrypt(ctx, "key test pke", held.keys[tfhe.PublicKeyEncryptionKey], ciphertext, items, 0)
	if err != nil {
		return false, err
	}
	got, err := ciphertext.Recompose(plain)
	if err != nil || got.Cmp(value) != 0 {
		return false, err
	}
	return g.testCompute(ctx, held, share, noise, items, ciphertext.Len(), coins)
}

// testCompute encrypts the messages 0, 5, 10, 15 under the compute key and
// decrypts them.
func (g *generation) testCompute(ctx context.Context, held *heldKey, share *keygen.KeyShare, noise []uint64, items *preproc.Batch, first int, coins *sha3.SHAKE) (bool, error) {
	var seed [keygen.SeedSize]byte
	_, _ = coins.Read(seed[:])
	dimension := g.parameters.ComputeDimension()
	mask, err := expandMask(seed, testBlocks*dimension)
	if err != nil {
		return false, err
	}
	messages := make([]uint64, testBlocks)
	for i := range messages {
		messages[i] = 5 * uint64(i)
	}
	scaled := make([]uint64, testBlocks)
	for i, m := range messages {
		scaled[i] = m * g.parameters.Delta()
	}
	encryption, err := keygen.NewEncryption(keygen.EncryptionConfig{
		Code: g.seat.code, Self: g.seat.identity.Self(), Key: share.Part(keygen.Compute), Mask: mask, Messages: scaled, Noise: noise,
	})
	if err != nil {
		return false, err
	}
	if err := g.run(ctx, g.session("key test encryption").ID(), encryption); err != nil {
		return false, err
	}
	blocks, err := decrypt.NewLWEs(dimension, encryption.LWEs())
	if err != nil {
		return false, err
	}
	plain, err := g.testDecrypt(ctx, "key test compute", held.keys[tfhe.ComputeKey], blocks, items, first)
	if err != nil {
		return false, err
	}
	for i, m := range messages {
		if plain[i] != m {
			return false, nil
		}
	}
	return true, nil
}

// testMaterial makes offline items and noise that only this attempt uses.
func (g *generation) testMaterial(ctx context.Context, shape preproc.Shape, count int) (*preproc.Batch, []uint64, error) {
	config := preproc.Config{Source: g.source, From: g.members, Identity: g.seat.identity}
	config.Session = g.session("key test items").ID()
	items, err := preproc.NewBatch(config, shape, 0, count)
	if err != nil {
		return nil, nil, err
	}
	if err := g.run(ctx, config.Session, items); err != nil {
		return nil, nil, err
	}
	batch, err := preproc.FromMachine(items, shape)
	if err != nil {
		return nil, nil, err
	}
	config.Session = g.session("key test noise").ID()
	bound := uint(g.parameters.GLWENoise)
	config.Sections = keygen.NoiseSections(kindTestNoise, bound, 0, testBlocks)
	samples, err := preproc.New(config)
	if err != nil {
		return nil, nil, err
	}
	if err := g.run(ctx, config.Session, samples); err != nil {
		return nil, nil, err
	}
	noise, err := keygen.Noise(g.seat.code, bound, samples.Material())
	return batch, noise, err
}

// testDecrypt runs one decryption with its own items.
func (g *generation) testDecrypt(ctx context.Context, protocol string, key *decrypt.Key, blocks decrypt.Blocks, items *preproc.Batch, first int) ([]uint64, error) {
	piece, err := items.Cut(uint64(first), blocks.Len())
	if err != nil {
		return nil, err
	}
	machine, err := decrypt.New(decrypt.Config{Code: g.seat.code, Self: g.seat.identity.Self(), Key: key, Blocks: blocks, Stock: []*preproc.Batch{piece}})
	if err != nil {
		return nil, err
	}
	if err := g.seat.router.Run(ctx, session.ID(g.session(protocol).ID()), machine, session.WithParties(g.members.List()...)); err != nil {
		return nil, err
	}
	if wrong := machine.Culprits(); wrong != 0 {
		return nil, &mpc.CulpritError{Culprits: wrong, Err: errors.New("wrong shares in the test decryption")}
	}
	return machine.Values(), nil
}

// post signs and posts this party's word on the key until the attempt is over.
func (g *generation) post(ctx context.Context, material *kmstypes.KeyMaterial) error {
	signing, err := crypto.ToECDSA(g.party.cfg.Identity.Signing.Key)
	if err != nil {
		return err
	}
	digest := eip712.KeyGeneration(g.party.cfg.ChainID, eip712.Key{
		KeyID: [32]byte(g.key.Id), HostChainID: g.key.HostChainId, Params: g.key.Params, EpochID: g.key.EpochId, Attempt: g.key.Attempt,
		Seed: [16]byte(material.Seed), PublicKeyDigest: [vault.DigestSize]byte(material.PublicKeyDigest), PublicKeyKeccak: [32]byte(material.PublicKeyKeccak),
		PublicKeySize: material.PublicKeySize, TestDecryptionOK: material.TestDecryptionOk,
	})
	signature, err := eip712.Sign(digest, signing)
	if err != nil {
		return err
	}
	message := &kmstypes.MsgPostKey{Account: g.party.account(), KeyId: g.key.Id, Attempt: g.key.Attempt, Material: *material, Signature: signature}
	what := fmt.Sprintf("key %x/%d", g.key.Id, g.key.Attempt)
	said := func(k *kmstypes.Key) bool {
		for _, c := range k.Contributions {
			if int(c.Index) == g.seat.identity.Self() {
				return true
			}
		}
		if err := g.party.once(what, func() error { return g.party.poster.Message(ctx, message) }); err != nil {
			g.party.cfg.Log.Warn("the key was not posted", "err", err)
		}
		return k.Status == kmstypes.KEY_STATUS_ACTIVE
	}
	if err := g.party.once(what, func() error { return g.party.poster.Message(ctx, message) }); err != nil {
		g.party.cfg.Log.Warn("the key was not posted", "err", err)
	}
	if _, err := g.await(ctx, said); err != nil {
		return err
	}
	g.party.cfg.Log.Info("key generated", "key", hex.EncodeToString(g.key.Id), "public_key", hex.EncodeToString(material.PublicKeyDigest))
	return nil
}
