package backup

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/tkms-network/tkms/enclave/seal"
)

var (
	// ErrOwner reports a backup of another chain or party.
	ErrOwner = errors.New("backup: it is of another chain or party")
	// ErrEpoch reports a backup of another epoch than the chain's: its shares are of no
	// use, or, if that epoch is to come, not the chain's word yet.
	ErrEpoch = errors.New("backup: it is of another epoch than the one that the chain serves")
	// ErrTooFew reports fewer different pieces than the threshold.
	ErrTooFew = errors.New("backup: not enough pieces")
	// ErrNotFresh reports a sealed store that has an identity.
	ErrNotFresh = errors.New("backup: the sealed store has an identity")
	// ErrNoPiece reports identities that are no custodian's.
	ErrNoPiece = errors.New("backup: no piece is encrypted to this identity")
	// ErrNoRecipient reports a store that asked for no pieces.
	ErrNoRecipient = errors.New("backup: this store made no one-time recipient")
)

// Kinds of sealed objects of a party that is being restored, and afterwards.
const (
	kindRecipient = "backup-recipient"
	// KindRestored is the kind of the mark, with its epoch, that Restored finds.
	KindRestored = "restored"
)

var recipientObject = seal.Object{Kind: kindRecipient}

// PieceError says which of the pieces given to Restore is wrong.
type PieceError struct {
	// Number is its place among them, from 0.
	Number int
	Err    error
}

// Error implements error.
func (e *PieceError) Error() string { return fmt.Sprintf("piece %d: %v", e.Number+1, e.Err) }

// Unwrap implements errors.Unwrap.
func (e *PieceError) Unwrap() error { return e.Err }

// Piece decrypts the piece of a custodian with its age identities and encrypts it again to
// the one-time recipient of the restoring party, in age's text form. index is the
// custodian's, from 1. Errors: those of Read, ErrNoPiece, ErrPiece, ErrCustodians.
func Piece(raw []byte, own []age.Identity, to string) (encrypted []byte, index int, err error) {
	f, err := decode(raw)
	if err != nil {
		return nil, 0, err
	}
	for i, sealed := range f.pieces {
		p, err := decryptPiece(bytes.NewReader(sealed), own...)
		if err != nil && !errors.Is(err, ErrPiece) {
			continue
		}
		if err == nil {
			defer p.zero()
			err = f.contents.check(p)
		}
		if err != nil {
			return nil, 0, err
		}
		encrypted, err := encryptArmored(p, to)
		return encrypted, i + 1, err
	}
	return nil, 0, ErrNoPiece
}

// encryptArmored writes a piece to one recipient in age's text form.
func encryptArmored(p *piece, to string) ([]byte, error) {
	var out bytes.Buffer
	text := armor.NewWriter(&out)
	if err := encryptPiece(text, p, to); err != nil {
		return nil, err
	}
	if err := text.Close(); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return out.Bytes(), nil
}

// Recipient returns the one-time recipient of a store that a backup is to be restored to,
// and makes it, safe against quantum computers, when it is first asked for. Errors:
// ErrNotFresh, those of the store.
func Recipient(store *seal.Store) (string, error) {
	if err := fresh(store); err != nil {
		return "", err
	}
	own, err := oneTime(store)
	if err == nil {
		return own.Recipient().String(), nil
	}
	if !errors.Is(err, ErrNoRecipient) {
		return "", err
	}
	if own, err = age.GenerateHybridIdentity(); err != nil {
		return "", fmt.Errorf("backup: %w", err)
	}
	if err := store.Put(recipientObject, []byte(own.String())); err != nil {
		return "", err
	}
	return own.Recipient().String(), nil
}

func oneTime(store *seal.Store) (*age.HybridIdentity, error) {
	raw, err := store.Get(recipientObject)
	if errors.Is(err, seal.ErrNotFound) {
		return nil, ErrNoRecipient
	}
	if err != nil {
		return nil, err
	}
	defer raw.Zero()
	own, err := age.ParseHybridIdentity(string([]byte(raw)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoRecipient, err)
	}
	return own, nil
}

// fresh refuses a store with an identity: what it seals is in use.
func fresh(store *seal.Store) error {
	raw, err := store.Get(Identity)
	if errors.Is(err, seal.ErrNotFound) {
		return nil
	}
	raw.Zero()
	if err != nil {
		return err
	}
	return ErrNotFresh
}

// Restore seals the identity and the key shares of a backup anew in a store without
// identity. pieces are what Piece gave for the store's Recipient, which is used up.
// epoch is the one that the chain serves, proven. The party then has shares only in that
// epoch; Restored says so. A restore that was interrupted may be repeated. Errors: those
// of Read, ErrOwner, ErrEpoch, ErrNotFresh, ErrNoRecipient, *PieceError with ErrPiece,
// ErrTooFew, ErrSecret, those of the store.
func Restore(store *seal.Store, raw []byte, pieces [][]byte, epoch uint64) (*Contents, error) {
	f, err := decode(raw)
	if err != nil {
		return nil, err
	}
	c := f.contents
	if chain, party := store.Owner(); c.Chain != chain || c.Party != party {
		return nil, fmt.Errorf("%w: %s on %s, here is %s on %s", ErrOwner, c.Party, c.Chain, party, chain)
	}
	if c.Epoch != epoch {
		return nil, fmt.Errorf("%w: epoch %d, the chain's is %d", ErrEpoch, c.Epoch, epoch)
	}
	if err := fresh(store); err != nil {
		return nil, err
	}
	own, err := oneTime(store)
	if err != nil {
		return nil, err
	}
	secret, err := f.collect(pieces, own)
	if err != nil {
		return nil, err
	}
	defer clear(secret[:])
	plain, err := f.openBody(secret)
	if err != nil {
		return nil, err
	}
	return c, c.keep(store, plain)
}

// collect decrypts the pieces and joins the first k.
func (f *file) collect(pieces [][]byte, own age.Identity) (secret [scalarSize]byte, err error) {
	var held []*piece
	defer func() {
		for _, p := range held {
			p.zero()
		}
	}()
	from := map[int]bool{}
	for i, text := range pieces {
		p, err := decryptPiece(armor.NewReader(io.LimitReader(bytes.NewReader(text), 2*maxPiece)), own)
		if err != nil {
			return secret, &PieceError{i, fmt.Errorf("%w: it is not encrypted to this party's one-time recipient, or damaged: %w", ErrPiece, err)}
		}
		held = append(held, p)
		if err := f.contents.check(p); err != nil {
			return secret, &PieceError{i, err}
		}
		if from[p.index] {
			return secret, &PieceError{i, fmt.Errorf("%w: custodian %d's is there already", ErrPiece, p.index)}
		}
		from[p.index] = true
	}
	threshold := f.contents.Custodians.Threshold
	if len(held) < threshold {
		return secret, fmt.Errorf("%w: %d of %d", ErrTooFew, len(held), threshold)
	}
	return join(held[:threshold])
}

// keep seals the secrets and zeroes them. The identity comes last: as long as it is
// missing the party does not start, and the restore may be repeated.
func (c *Contents) keep(store *seal.Store, plain []byte) error {
	defer clear(plain)
	objects := []seal.Object{Identity}
	for _, k := range c.Keys {
		objects = append(objects, seal.Object{Kind: KindKeyShare, Key: k.Name, Epoch: c.Epoch})
	}
	secrets, rest := make([]seal.Secret, len(objects)), plain
	for i, size := range c.sizes() {
		secrets[i], rest = rest[:size:size], rest[size:]
		if err := admit(objects[i], secrets[i]); err != nil {
			return err
		}
	}
	session, err := sessionKey(secrets[0])
	if err != nil {
		return err
	}
	defer clear(session)
	if !c.SessionKey.Equal(session.Public().(ed25519.PublicKey)) {
		return ErrSignature
	}
	if err := store.Put(seal.Object{Kind: KindRestored, Epoch: c.Epoch}, c.ID[:]); err != nil {
		return err
	}
	for i := len(objects) - 1; i >= 0; i-- {
		if err := store.Put(objects[i], secrets[i]); err != nil {
			return err
		}
	}
	return store.Delete(recipientObject)
}

// Restored reports whether the party holds its shares of an epoch from a backup: it has
// no keys of the epoch's set-up and can have none, so that it takes part in nothing but
// the handing over of its shares, does not say that it is back, and above all makes no
// contribution to that set-up again.
func Restored(store *seal.Store, epoch uint64) (bool, error) {
	raw, err := store.Get(seal.Object{Kind: KindRestored, Epoch: epoch})
	if errors.Is(err, seal.ErrNotFound) {
		return false, nil
	}
	raw.Zero()
	return err == nil, err
}
