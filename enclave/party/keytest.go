package party

import (
	"context"
	"crypto/sha3"
	"errors"
	"math/big"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/pkegen"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// testBlocks is how many messages are encrypted under the compute key to test it.
const testBlocks = 4

// Openings of a key's test, part of their session ids.
const (
	protocolTestPublic     = "key test pke"
	protocolTestEncryption = "key test encryption"
	protocolTestCompute    = "key test compute"
)

// kindTestNoise is the randomness that only a test decryption uses.
const kindTestNoise = "key test noise"

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
	plain, err := g.testDecrypt(ctx, protocolTestPublic, held.keys[tfhe.PublicKeyEncryptionKey], ciphertext, items, 0)
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
		Code: g.seat.code, Session: g.session(protocolTestEncryption).ID(), Identity: g.seat.identity,
		Key: share.Part(keygen.Compute), Mask: mask, Messages: scaled, Noise: noise,
	})
	if err != nil {
		return false, err
	}
	var lwes []uint64
	if err := g.runOpening(ctx, protocolTestEncryption, encryption, func() { lwes = encryption.LWEs() }, func() {}); err != nil {
		return false, err
	}
	blocks, err := decrypt.NewLWEs(dimension, lwes)
	if err != nil {
		return false, err
	}
	plain, err := g.testDecrypt(ctx, protocolTestCompute, held.keys[tfhe.ComputeKey], blocks, items, first)
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
	items, err := preproc.NewBatch(g.offline("key test items"), shape, 0, count)
	if err != nil {
		return nil, nil, err
	}
	if err := g.runOffline(ctx, "key test items", items); err != nil {
		return nil, nil, err
	}
	batch, err := preproc.FromMachine(items, shape)
	if err != nil {
		return nil, nil, err
	}
	config := g.offline("key test noise")
	bound := uint(g.parameters.GLWENoise)
	config.Sections = keygen.NoiseSections(kindTestNoise, bound, 0, testBlocks)
	samples, err := preproc.New(config)
	if err != nil {
		return nil, nil, err
	}
	if err := g.runOffline(ctx, "key test noise", samples); err != nil {
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
	phases, err := key.Phases(blocks)
	if err != nil {
		return nil, err
	}
	machine, err := decrypt.New(decrypt.Config{
		Code: g.seat.code, Self: g.seat.identity.Self(), Session: g.session(protocol).ID(), Identity: g.seat.identity,
		Phases: []*decrypt.Phases{phases}, Stock: []*preproc.Batch{piece},
	})
	if err != nil {
		return nil, err
	}
	var values []uint64
	var wrong sharing.Parties
	read := func() { values, wrong = machine.Values(), machine.Culprits() }
	if err := g.runOpening(ctx, protocol, machine, read, machine.Release); err != nil {
		return nil, err
	}
	if wrong != 0 {
		return nil, &mpc.CulpritError{Culprits: wrong, Err: errors.New("wrong shares in the test decryption")}
	}
	return values, nil
}
