package party

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/blob"
	"github.com/tkms-network/tkms/enclave/protocol/pkegen"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/x/kms/eip712"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// ErrEcho reports that the chain recorded another digest of the offline stage
// than this party's.
var ErrEcho = errors.New("party: the chain agreed on another digest of the shared bits")

// Protocols of an attempt, part of their session ids.
const (
	protocolBits    = "key generation"
	protocolOpening = "key opening"
)

// makeBits runs the offline stage and posts its digest.
func (g *generation) makeBits(ctx context.Context) (*preproc.Machine, error) {
	machine, err := keygen.NewGeneration(g.offline(protocolBits), keygenParameters(g.parameters))
	if err != nil {
		return nil, err
	}
	return machine, g.runOffline(ctx, protocolBits, machine)
}

// agree posts the digest of the offline stage and waits until the chain records
// that enough parties have the same. Nothing built on the stage leaves before.
func (g *generation) agree(ctx context.Context, echo mpc.Digest) (mpc.Digest, error) {
	say := func() {
		err := g.party.once("echo "+g.task.id, func() error {
			return g.party.poster.Message(ctx, &kmstypes.MsgCommitKeyEcho{
				Account: g.party.account(), KeyId: g.key.Id, Attempt: g.key.Attempt, Digest: echo[:],
			})
		})
		if err != nil {
			g.party.cfg.Log.Warn("the digest of the shared bits was not posted", "err", err)
		}
	}
	say()
	agreed, err := g.task.await(ctx, func(k *kmstypes.Key) bool {
		if len(k.EchoDigest) > 0 {
			return true
		}
		said := slices.ContainsFunc(k.Echoes, func(e kmstypes.EchoCommitment) bool { return int(e.Index) == g.seat.identity.Self() })
		if !said {
			say()
		}
		return false
	})
	if err != nil {
		return mpc.Digest{}, err
	}
	if !bytes.Equal(agreed.EchoDigest, echo[:]) {
		return mpc.Digest{}, ErrEcho
	}
	return echo, nil
}

// open opens seed and body once the digest is agreed on, seals the share and
// publishes the key.
func (g *generation) open(ctx context.Context, bits *preproc.Machine) (*keygen.KeyShare, *kmstypes.KeyMaterial, *tfhe.CompactPublicKey, error) {
	echo, err := g.agree(ctx, bits.Echo())
	if err != nil {
		return nil, nil, nil, err
	}
	opened, err := keygen.OpenedSecrets(bits, keygenParameters(g.parameters))
	if err != nil {
		return nil, nil, nil, err
	}
	machine, err := keygen.NewOpening(keygen.OpeningConfig{
		Parameters: keygenParameters(g.parameters), Session: g.session(protocolOpening).ID(), Generation: bits, Posted: echo,
		KeyID: mpc.Digest(g.key.Id), Expand: expandMask,
	})
	if err != nil {
		return nil, nil, nil, err
	}
	var share *keygen.KeyShare
	var seed [keygen.SeedSize]byte
	var body []uint64
	read := func() { share, seed, body = machine.Share(), machine.Seed(), machine.Body() }
	if err := g.runOpening(ctx, protocolOpening, machine, read, func() {}); err != nil {
		return nil, nil, nil, err
	}
	if err := g.seat.sealShare(g.key, share, g.members, opened); err != nil {
		return nil, nil, nil, err
	}
	mask, err := expandMask(seed, g.parameters.PKEDimension)
	if err != nil {
		return nil, nil, nil, err
	}
	public, err := tfhe.NewCompactPublicKey(g.parameters, mask, body)
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

// post signs and posts this party's word on the key until the attempt is over.
func (g *generation) post(ctx context.Context, material *kmstypes.KeyMaterial) error {
	signing, err := crypto.ToECDSA(g.party.cfg.Identity.Signing.Key)
	if err != nil {
		return err
	}
	digest := eip712.KeyGeneration(g.party.cfg.ChainID, g.key.SignedKey(*material))
	signature, err := eip712.Sign(digest, signing)
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
