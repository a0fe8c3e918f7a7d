package party

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/committee"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/protocol/reshare"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/enclave/tfhe/evaluate"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// kindVector is the kind of sealed object of a vector that was handed over. It says
// nothing to who has no masks of the epoch, and a member that was away needs it.
const kindVector = "reshare-vector"

// methodVector names the peer call for such a vector: the attempt and the old index, 4
// bytes each, big-endian.
const methodVector = "reshare/vector"

// Errors of taking over.
var (
	errVectorRequest = errors.New("party: malformed request for a vector")
	errTestsFailed   = errors.New("party: what is encrypted under the public key does not decrypt with the new shares")
)

// serveVector hands on a vector that this party holds.
func (s *seat) serveVector(_ int, body []byte) ([]byte, error) {
	if len(body) != 8 {
		return nil, errVectorRequest
	}
	attempt, old := binary.BigEndian.Uint32(body), binary.BigEndian.Uint32(body[4:])
	return s.party.cfg.Store.Get(vectorObject(s.epochID(), attempt, int(old)))
}

// askVector asks the other members for the vector that an old one posted, nil if nobody
// has it.
func (s *seat) askVector(ctx context.Context, of mpc.Digest, attempt uint32, entry partiestypes.SetupEntry) []byte {
	body := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, attempt), entry.Index)
	for peer := 1; peer <= s.code.N() && ctx.Err() == nil; peer++ {
		if peer == s.identity.Self() {
			continue
		}
		calling, cancel := context.WithTimeout(ctx, callTime)
		vector, err := s.router.Call(calling, peer, methodVector, body)
		cancel()
		if err != nil {
			continue
		}
		if digest := reshare.VectorDigest(of, int(entry.Index), vector); bytes.Equal(digest[:], entry.Digest) {
			return vector
		}
	}
	return nil
}

// takeOver makes this party's shares in the new epoch, seals them, and decrypts with
// them what everybody can encrypt under the public keys.
func (s *seat) takeOver(ctx context.Context, config reshare.Config, keys []*kmstypes.Key, next *committee.Committee, vectors map[int][]byte) *proof {
	machine, err := reshare.NewConclusion(config, vectors)
	if err != nil {
		return &proof{err: err}
	}
	of := s.party.reshareSession(next, "resharing, taking over", config.Members)
	if err := s.run(ctx, session.ID(of.ID()), reshareOwner(next), config.Members, machine); err != nil {
		return &proof{err: err}
	}
	if culprits := machine.Culprits(); culprits != 0 {
		s.name(of, culprits)
	}
	shares := machine.Shares()
	defer func() {
		for _, share := range shares {
			share.Zero()
		}
	}()
	found := &proof{transcript: machine.Transcript(), wrong: machine.Wrong()}
	if found.err = s.sealReshared(keys, shares); found.err != nil {
		return found
	}
	for i, key := range keys {
		if found.err = s.testReshared(ctx, next, under(key, next.Epoch.Id), shares[i]); found.err != nil {
			return found
		}
	}
	return found
}

// reshareOwner owns what was sent in an attempt, as long as the seat: members that were
// away come for it.
func reshareOwner(next *committee.Committee) string {
	return fmt.Sprintf("resharing %d", next.Epoch.Resharing.Attempt)
}

// testReshared decrypts with a new share.
func (s *seat) testReshared(ctx context.Context, next *committee.Committee, key *kmstypes.Key, share *keygen.KeyShare) error {
	held, err := s.prepare(share.Parameters(), share)
	if err != nil {
		return err
	}
	of := s.party.reshareSession(next, "", reshareMembers(next))
	of.Subject, of.Parameters = key.Id, key.Params
	named := func(protocol string) mpc.Session {
		named := of
		named.Protocol = "resharing, " + protocol
		return named
	}
	source, err := s.drawn(named("tests").ID(), of.Parties)
	if err != nil {
		return err
	}
	e := &examination{
		party: s.party, key: key, parameters: share.Parameters(),
		sessions: sessions{seat: s, owner: reshareOwner(next), members: of.Parties, source: source, session: named},
		compute: func(ctx context.Context) ([]evaluate.Trial, error) {
			return s.party.trials.Trials(mpc.Digest(key.Id), share.Parameters(), func() ([]evaluate.Trial, error) { return s.party.trialsOf(ctx, key) })
		},
	}
	var material kmstypes.KeyMaterial
	if err := e.test(ctx, held, &material); err != nil {
		return fmt.Errorf("test decryptions of key %x: %w", key.Id, err)
	}
	if !material.TestDecryptionOk {
		return fmt.Errorf("%w: key %x", errTestsFailed, key.Id)
	}
	return nil
}

// trialsOf computes test ciphertexts of an active key with what is published of it.
func (p *Party) trialsOf(ctx context.Context, key *kmstypes.Key) ([]evaluate.Trial, error) {
	parameters, err := tfhe.ByName(key.Params)
	if err != nil {
		return nil, err
	}
	if key.Material == nil || len(key.Material.PublicKeyDigest) != mpc.DigestSize {
		return nil, fmt.Errorf("%w: key %x has no material", committee.ErrRecord, key.Id)
	}
	file, _, err := p.cfg.Vault.Open([32]byte(key.Material.PublicKeyDigest))
	if err != nil {
		return nil, fmt.Errorf("public key %x: %w", key.Id, err)
	}
	raw, err := io.ReadAll(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	public, err := tfhe.UnmarshalCompactPublicKey(raw, parameters)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(key.Material.Objects, func(o kmstypes.KeyObject) bool { return o.Kind == tfhe.ObjectXofKeySet.String() })
	if at < 0 {
		return p.computeTrials(ctx, key.Id, public, nil)
	}
	set, size, err := p.cfg.Vault.Local([32]byte(key.Material.Objects[at].Digest))
	if err != nil {
		return nil, fmt.Errorf("key set %x: %w", key.Id, err)
	}
	defer func() { _ = set.Close() }()
	keys, err := tfhe.OpenKeySet(set, size, parameters)
	if err != nil {
		return nil, err
	}
	return p.computeTrials(ctx, key.Id, public, keys)
}

// reshared reports whether a key came to the seat's epoch from another.
func (s *seat) reshared(key *kmstypes.Key) bool {
	r := s.current().Epoch.Resharing
	return r != nil && slices.ContainsFunc(r.KeyIds, func(id []byte) bool { return bytes.Equal(id, key.Id) })
}

// restoreReshared makes this party's share of keys again that came from another epoch:
// what it needs besides its own masks the others have.
func (p *Party) restoreReshared(ctx context.Context, s *seat) error {
	next := s.current()
	r := next.Epoch.Resharing
	if next.Epoch.Dealt {
		return fmt.Errorf("%w: its members dealt what new shares were made of; the next refresh brings one", ErrNoKeys)
	}
	height := p.heightNow()
	previous, err := loadCommittee(ctx, p.cfg.Chain, next.Epoch.From, p.id, height)
	if err != nil {
		return err
	}
	keys, err := p.resharedKeys(ctx, r, next.Epoch.Id, height)
	if err != nil {
		return err
	}
	config, err := p.reshareConfig(next, previous, keys)
	if err != nil {
		return err
	}
	if config.Masks, err = s.source(config.Session); err != nil {
		return err
	}
	vectors := map[int][]byte{}
	for _, entry := range r.Digests {
		if !slices.Contains(r.Used, entry.Index) {
			continue
		}
		vector, err := p.cfg.Store.Get(vectorObject(next.Epoch.Id, r.Attempt, int(entry.Index)))
		if err != nil {
			vector = s.askVector(ctx, config.Session, r.Attempt, entry)
		}
		if vector == nil {
			return fmt.Errorf("%w: of old member %d", errKeyUnvouched, entry.Index)
		}
		vectors[int(entry.Index)] = vector
	}
	shares, err := reshare.Rebuild(config, vectors, wrongOf(next))
	if err != nil {
		return err
	}
	defer func() {
		for _, share := range shares {
			share.Zero()
		}
	}()
	return s.sealReshared(keys, shares)
}

// wrongOf returns the old members that a quorum of the epoch found to have handed over
// something wrong.
func wrongOf(next *committee.Committee) sharing.Parties {
	type word struct {
		transcript mpc.Digest
		wrong      sharing.Parties
	}
	votes := map[word]int{}
	for _, w := range next.Epoch.Resharing.Words {
		if len(w.Transcript) != mpc.DigestSize {
			continue
		}
		said := word{transcript: mpc.Digest(w.Transcript)}
		for _, old := range w.Wrong {
			said.wrong = said.wrong.With(int(old))
		}
		if votes[said]++; votes[said] >= next.N-next.T {
			return said.wrong
		}
	}
	return 0
}

// sealReshared seals new shares.
func (s *seat) sealReshared(keys []*kmstypes.Key, shares []*keygen.KeyShare) error {
	for i, key := range keys {
		if err := s.sealKeyShare(under(key, s.epochID()), shares[i]); err != nil {
			return err
		}
	}
	return nil
}
