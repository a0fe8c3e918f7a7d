package backup

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/tkms-network/tkms/enclave/party/identity"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/seal"
)

// Make backs up the identity of a party and the shares that it holds in an epoch, none
// if the epoch has no keys. Nothing else of the store is read. Errors: ErrSecret, those
// of the store.
func Make(store *seal.Store, epoch uint64, to *Custodians) ([]byte, error) {
	contents, secrets, err := gather(store, epoch)
	if err != nil {
		return nil, err
	}
	return assemble(contents, secrets, to)
}

// assemble makes the file and zeroes the secrets.
func assemble(contents *Contents, secrets []seal.Secret, to *Custodians) ([]byte, error) {
	defer zero(secrets)
	contents.Custodians = to
	_, _ = rand.Read(contents.salt[:])
	if _, err := contents.encodeRest(); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	secret, pieces, err := split(contents.ID, to)
	defer func() {
		clear(secret[:])
		for _, p := range pieces {
			p.zero()
		}
	}()
	if err != nil {
		return nil, err
	}
	for _, p := range pieces {
		contents.commitments = append(contents.commitments, p.commitment())
	}
	f := &file{contents: contents}
	if f.about, err = contents.encode(); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	if f.pieces, err = encryptPieces(pieces, to); err != nil {
		return nil, err
	}
	if f.body, err = sealSecrets(secret, contents, f.about, secrets); err != nil {
		return nil, err
	}
	session, err := sessionKey(secrets[0])
	if err != nil {
		return nil, err
	}
	defer clear(session)
	return f.encode(session)
}

func zero(secrets []seal.Secret) {
	for _, s := range secrets {
		s.Zero()
	}
}

func sealSecrets(secret [scalarSize]byte, c *Contents, about []byte, secrets []seal.Secret) ([]byte, error) {
	plain := make([]byte, 0, c.bodySize()) // in one piece: growing would leave copies
	defer func() { clear(plain) }()
	for _, s := range secrets {
		plain = append(plain, s...)
	}
	return sealBody(secret, c.ID, about, plain)
}

// gather reads what a backup holds: the identity first, then the key shares in the order
// of the contents. The caller zeroes the secrets.
func gather(store *seal.Store, epoch uint64) (c *Contents, secrets []seal.Secret, err error) {
	defer func() {
		if err != nil {
			zero(secrets)
		}
	}()
	shares, err := keyShares(store, epoch)
	if err != nil {
		return nil, nil, err
	}
	total := 0
	for _, o := range append([]seal.Object{Identity}, shares...) {
		raw, err := store.Get(o)
		if err != nil {
			return nil, secrets, err
		}
		secrets = append(secrets, raw)
		if err := admit(o, raw); err != nil {
			return nil, secrets, err
		}
		if total += len(raw); len(raw) > maxEntry || total > maxBody {
			return nil, secrets, fmt.Errorf("%w: more than %d bytes", ErrSecret, maxBody)
		}
	}
	session, err := sessionKey(secrets[0])
	if err != nil {
		return nil, secrets, err
	}
	defer clear(session)
	c = &Contents{Epoch: epoch, SessionKey: bytes.Clone(session.Public().(ed25519.PublicKey)), identitySize: len(secrets[0])}
	c.Chain, c.Party = store.Owner()
	for i, o := range shares {
		c.Keys = append(c.Keys, Key{Name: o.Key, Size: len(secrets[i+1])})
	}
	return c, secrets, nil
}

// keyShares lists the sealed shares of an epoch, in ascending order of their names.
func keyShares(store *seal.Store, epoch uint64) ([]seal.Object, error) {
	all, err := store.List()
	if err != nil {
		return nil, err
	}
	var out []seal.Object
	for _, o := range all {
		if o.Kind == KindKeyShare && o.Epoch == epoch {
			out = append(out, o)
		}
	}
	if len(out) > maxKeys {
		return nil, fmt.Errorf("%w: %d keys, at most %d", ErrSecret, len(out), maxKeys)
	}
	return out, nil
}

// admit refuses whatever is not the identity or a key share, by name and by content, so
// that no key of a set-up and no stock can slip in under another name.
func admit(o seal.Object, raw seal.Secret) error {
	switch {
	case o == Identity:
		session, err := sessionKey(raw)
		clear(session)
		return err
	case o.Kind == KindKeyShare && o.Epoch != 0 && o.Key != "":
		share, err := keygen.UnmarshalKeyShare(raw)
		if err != nil {
			return fmt.Errorf("%w: %s of epoch %d: %w", ErrSecret, o.Key, o.Epoch, err)
		}
		defer share.Zero()
		if id := share.ID(); !strings.HasPrefix(o.Key, hex.EncodeToString(id[:])) {
			return fmt.Errorf("%w: %s is the share of key %x", ErrSecret, o.Key, id)
		}
		return nil
	}
	return fmt.Errorf("%w: kind %q", ErrSecret, o.Kind)
}

// sessionKey returns the session key of a sealed identity.
func sessionKey(raw seal.Secret) (ed25519.PrivateKey, error) {
	own, err := identity.Unmarshal(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSecret, err)
	}
	clear(own.Signing.Key)
	return own.Session, nil
}
