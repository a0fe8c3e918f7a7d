package party

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/tkms-network/tkms/enclave/party/blob"
	"github.com/tkms-network/tkms/enclave/party/keyfile"
	"github.com/tkms-network/tkms/enclave/party/vault"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/enclave/tfhe/evaluate"
	"github.com/tkms-network/tkms/x/kms/eip712"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// publicKey returns the compact public key of an attempt whose rows are done.
func (g *generation) publicKey() (*tfhe.CompactPublicKey, error) {
	part, _ := g.parameters.Part(tfhe.ComponentPublicKey)
	masks, err := g.parameters.Masks(g.attempt.Seed(), tfhe.ComponentPublicKey)
	if err != nil {
		return nil, err
	}
	mask := make([]uint64, part.MaskWords())
	masks.Row(0, mask)
	body, err := g.files.PublicKeyBody()
	if err != nil {
		return nil, err
	}
	return tfhe.NewCompactPublicKey(g.parameters, mask, body)
}

// computed makes the ciphertexts that test the key.
func (g *generation) computed(ctx context.Context) ([]evaluate.Trial, error) {
	public, err := g.publicKey()
	if err != nil {
		return nil, err
	}
	keys, err := g.files.KeySet()
	if err != nil && !errors.Is(err, keyfile.ErrState) {
		return nil, err
	}
	return g.party.computeTrials(ctx, g.key.Id, public, keys)
}

// publish puts the files into the vault and returns what names them.
func (g *generation) publish() (*kmstypes.KeyMaterial, error) {
	g.progress.reach(kmstypes.KEY_STAGE_PUBLISHING)
	public, err := g.publicKey()
	if err != nil {
		return nil, err
	}
	encoded, err := public.MarshalBinary()
	if err != nil {
		return nil, err
	}
	digest, err := g.party.cfg.Vault.Put(encoded)
	if err != nil {
		return nil, err
	}
	seed, keccak := g.attempt.Seed(), blob.Digest(encoded)
	material := &kmstypes.KeyMaterial{
		Seed: seed[:], PublicKeyDigest: digest[:], PublicKeyKeccak: keccak[:], PublicKeySize: uint64(len(encoded)),
	}
	files, err := g.files.Finished()
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		digest, size, err := g.party.publishFile(f.Path)
		if err != nil {
			return nil, err
		}
		material.Objects = append(material.Objects, kmstypes.KeyObject{Kind: f.Object.String(), Digest: digest[:], ByteSize: uint64(size)})
	}
	return material, g.notePublished(material)
}

// notePublished keeps the names of the files, so that they are not left behind if
// nothing comes of the attempt. What an earlier life of this party published may be
// something else.
func (g *generation) notePublished(material *kmstypes.KeyMaterial) error {
	store := stepStore{g.party.cfg.Store, g.key}
	digests, err := store.Get(publishedName)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	digests = append(digests, material.PublicKeyDigest...)
	for _, o := range material.Objects {
		digests = append(digests, o.Digest...)
	}
	return store.Put(publishedName, digests)
}

// publishFile gives the vault a second name of a file: the first is there for whoever
// goes on after a restart, until the attempt is over.
func (p *Party) publishFile(path string) (digest [vault.DigestSize]byte, size int64, err error) {
	link := path + ".published"
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return digest, 0, fmt.Errorf("publish a key file: %w", err)
	}
	if err := os.Link(path, link); err != nil {
		return digest, 0, fmt.Errorf("publish a key file: %w", err)
	}
	p.inBackground(1, func(int) { digest, size, err = p.cfg.Vault.Adopt(link) }) // it hashes all of it
	return digest, size, err
}

// post signs and posts this party's word on the key until the attempt is over.
func (g *generation) post(ctx context.Context, material *kmstypes.KeyMaterial) error {
	signing, err := crypto.ToECDSA(g.party.cfg.Identity.Signing.Key)
	if err != nil {
		return err
	}
	signature, err := eip712.Sign(eip712.KeyGeneration(g.party.cfg.ChainID, g.key.SignedKey(*material)), signing)
	if err != nil {
		return err
	}
	message := &kmstypes.MsgPostKey{Account: g.party.account(), KeyId: g.key.Id, Attempt: g.key.Attempt, Material: *material, Signature: signature}
	say := func() {
		if err := g.party.once("post "+g.task.id, func() error { return g.party.poster.Message(ctx, message) }); err != nil {
			g.party.cfg.Log.Warn("the key was not posted", "err", err)
		}
	}
	say()
	_, err = g.task.await(ctx, func(k *kmstypes.Key) bool {
		said := slices.ContainsFunc(k.Contributions, func(c kmstypes.KeyContribution) bool { return int(c.Index) == g.seat.identity.Self() })
		if !said {
			say()
		}
		// What was sent is kept for slower members until the key is active.
		return k.Status != kmstypes.KEY_STATUS_GENERATING
	})
	if err != nil {
		return err
	}
	g.party.cfg.Log.Info("key generated", "key", hex.EncodeToString(g.key.Id), "public_key", hex.EncodeToString(material.PublicKeyDigest))
	return nil
}
