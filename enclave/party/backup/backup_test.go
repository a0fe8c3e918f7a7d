package backup

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/identity"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

const (
	chain = "tkms-test-1"
	alice = "tkms1alice"
	epoch = uint64(7)
)

func newStore(t testing.TB, chain, party string) *seal.Store {
	t.Helper()
	secret := make(seal.Secret, 32)
	_, _ = rand.Read(secret)
	device, err := seal.NewSimulatedDevice(secret)
	require.NoError(t, err)
	store, err := seal.Open(t.TempDir(), device, chain, party)
	require.NoError(t, err)
	return store
}

// shareOf returns a made-up key share as it is sealed.
func shareOf(t testing.TB, id byte) (name string, raw []byte) {
	t.Helper()
	p, key := tfhe.Test(), mpc.Digest(bytes.Repeat([]byte{id}, mpc.DigestSize))
	code, err := sharing.New(4, 1, 4)
	require.NoError(t, err)
	narrow, broad := map[tfhe.Secret][]uint64{}, map[tfhe.Secret][]wide.Word{}
	for _, s := range p.Secrets() {
		for i := range 4 * p.Dimension(s) {
			word := 0x9e3779b97f4a7c15 * (uint64(i) + uint64(id))
			if p.SecretWidth(s) == 64 {
				narrow[s] = append(narrow[s], word)
			} else {
				broad[s] = append(broad[s], wide.Word{Lo: word, Hi: ^word})
			}
		}
	}
	share, err := keygen.NewKeyShare(p, key, code, 2, narrow, broad)
	require.NoError(t, err)
	raw, err = share.MarshalBinary()
	require.NoError(t, err)
	return fmt.Sprintf("%x-1", key), raw
}

func shareObject(name string, epoch uint64) seal.Object {
	return seal.Object{Kind: KindKeyShare, Key: name, Epoch: epoch}
}

// party returns a store as a party at work has it: besides identity and shares it is full
// of what must stay.
func newParty(t testing.TB) *seal.Store {
	t.Helper()
	store := newStore(t, chain, alice)
	own, err := identity.Generate()
	require.NoError(t, err)
	raw, err := own.MarshalBinary()
	require.NoError(t, err)
	require.NoError(t, store.Put(Identity, raw))
	for _, key := range []byte{1, 2} {
		name, raw := shareOf(t, key)
		require.NoError(t, store.Put(shareObject(name, epoch), raw))
	}
	earlier, raw := shareOf(t, 3)
	require.NoError(t, store.Put(shareObject(earlier, epoch-1), raw))
	for _, kind := range []string{"prss-contribution", "prss-openings", "prss-keys", "offline-batch", "key-opened", "key-step", "reshare-vector"} {
		require.NoError(t, store.Put(seal.Object{Kind: kind, Key: "attempt-1", Epoch: epoch}, []byte("must stay in the enclave")))
	}
	return store
}

// custodians returns m custodians of whom k are enough, every other hybrid, and their
// identities.
func newCustodians(t testing.TB, k, m int) (*Custodians, []age.Identity) {
	t.Helper()
	var recipients []string
	var own []age.Identity
	for i := range m {
		if i%2 == 0 {
			id, err := age.GenerateHybridIdentity()
			require.NoError(t, err)
			recipients, own = append(recipients, id.Recipient().String()), append(own, id)
			continue
		}
		id, err := age.GenerateX25519Identity()
		require.NoError(t, err)
		recipients, own = append(recipients, id.Recipient().String()), append(own, id)
	}
	to, err := NewCustodians(recipients, k)
	require.NoError(t, err)
	return to, own
}

func pieces(t testing.TB, raw []byte, to string, own ...age.Identity) (out [][]byte) {
	t.Helper()
	for _, id := range own {
		p, _, err := Piece(raw, []age.Identity{id}, to)
		require.NoError(t, err)
		out = append(out, p)
	}
	return out
}

func recipientOf(t testing.TB, store *seal.Store) string {
	t.Helper()
	r, err := Recipient(store)
	require.NoError(t, err)
	return r
}

func TestAnyKCustodiansRestoreIdentityAndSharesAndNothingElse(t *testing.T) {
	old := newParty(t)
	to, own := newCustodians(t, 3, 5)
	raw, err := Make(old, epoch, to)
	require.NoError(t, err)
	for _, chosen := range [][]int{{0, 1, 2}, {4, 2, 0}, {1, 3, 4}, {0, 1, 2, 3, 4}} {
		store := newStore(t, chain, alice)
		one := recipientOf(t, store)
		require.Equal(t, one, recipientOf(t, store), "custodians may be asked one by one")
		var given [][]byte
		for _, i := range chosen {
			given = append(given, pieces(t, raw, one, own[i])...)
		}
		c, err := Restore(store, raw, given, epoch)
		require.NoError(t, err)
		require.Len(t, c.Keys, 2)

		first, _ := shareOf(t, 1)
		second, _ := shareOf(t, 2)
		want := []seal.Object{Identity, shareObject(first, epoch), shareObject(second, epoch), {Kind: KindRestored, Epoch: epoch}}
		got, err := store.List()
		require.NoError(t, err)
		require.Equal(t, want, got)
		for _, o := range want[:3] {
			before, err := old.Get(o)
			require.NoError(t, err)
			after, err := store.Get(o)
			require.NoError(t, err)
			require.True(t, bytes.Equal(before, after), o)
		}
		restored, err := Restored(store, epoch)
		require.NoError(t, err)
		require.True(t, restored)
		restored, err = Restored(store, epoch+1)
		require.NoError(t, err)
		require.False(t, restored, "in the next epoch it is as any other")
		_, err = Restore(store, raw, given, epoch)
		require.ErrorIs(t, err, ErrNotFresh)
		_, err = Recipient(store)
		require.ErrorIs(t, err, ErrNotFresh)
	}
	restored, err := Restored(old, epoch)
	require.NoError(t, err)
	require.False(t, restored)
}

func TestFewerThanKPiecesGiveNothing(t *testing.T) {
	to, own := newCustodians(t, 3, 4)
	raw, err := Make(newParty(t), epoch, to)
	require.NoError(t, err)
	store := newStore(t, chain, alice)
	one := recipientOf(t, store)
	_, err = Restore(store, raw, pieces(t, raw, one, own[:2]...), epoch)
	require.ErrorIs(t, err, ErrTooFew)
	list, err := store.List()
	require.NoError(t, err)
	require.Equal(t, []seal.Object{recipientObject}, list)

	// Nor do they without the check: two points say nothing of a polynomial of degree 2.
	f, err := decode(raw)
	require.NoError(t, err)
	_, err = f.openBody(secretOf(t, raw, own[:2]...))
	require.ErrorIs(t, err, ErrFormat)
	_, err = f.openBody(secretOf(t, raw, own[:3]...))
	require.NoError(t, err)
}

func TestAWrongPieceIsNamed(t *testing.T) {
	old := newParty(t)
	to, own := newCustodians(t, 2, 3)
	raw, err := Make(old, epoch, to)
	require.NoError(t, err)
	earlier, err := Make(old, epoch, to)
	require.NoError(t, err)
	store := newStore(t, chain, alice)
	one := recipientOf(t, store)
	right := pieces(t, raw, one, own...)

	stranger, err := age.GenerateHybridIdentity()
	require.NoError(t, err)
	forged := func(change func(*piece)) []byte {
		f, err := decode(raw)
		require.NoError(t, err)
		p, err := decryptPiece(bytes.NewReader(f.pieces[1]), own[1])
		require.NoError(t, err)
		change(p)
		lying, err := age.GenerateX25519Identity()
		require.NoError(t, err)
		var sealed bytes.Buffer
		require.NoError(t, encryptPiece(&sealed, p, lying.Recipient().String()))
		f.pieces[1] = sealed.Bytes()
		// A custodian that lies checks nothing.
		again, err := decryptPiece(&sealed, lying)
		require.NoError(t, err)
		return armored(t, again, one)
	}
	for name, wrong := range map[string][]byte{
		"of another backup":           pieces(t, earlier, one, own[1])[0],
		"for somebody else":           pieces(t, raw, stranger.Recipient().String(), own[1])[0],
		"the other's again":           right[0],
		"garbage":                     []byte("-----BEGIN AGE ENCRYPTED FILE-----\nAAAA\n-----END AGE ENCRYPTED FILE-----\n"),
		"nothing":                     nil,
		"of the right id, other data": forged(func(p *piece) { p.value[3] ^= 1 }),
		"of another custodian":        forged(func(p *piece) { p.index = 3 }),
		"of nobody":                   forged(func(p *piece) { p.index = 0 }),
		"beyond the last":             forged(func(p *piece) { p.index = 4 }),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Restore(store, raw, [][]byte{right[0], wrong}, epoch)
			require.ErrorIs(t, err, ErrPiece)
			var which *PieceError
			require.ErrorAs(t, err, &which)
			require.Equal(t, 1, which.Number)
			_, err = Restore(store, raw, [][]byte{right[0], right[2], wrong}, epoch)
			require.ErrorAs(t, err, &which)
			require.Equal(t, 2, which.Number)
		})
	}
	_, err = Restore(newStore(t, chain, alice), raw, right, epoch)
	require.ErrorIs(t, err, ErrNoRecipient)
	_, _, err = Piece(raw, []age.Identity{stranger}, one)
	require.ErrorIs(t, err, ErrNoPiece)
	_, _, err = Piece(raw, own[:1], "age1nobody")
	require.ErrorIs(t, err, ErrCustodians)
}

func TestABackupOfAnotherChainPartyOrEpochIsRefused(t *testing.T) {
	to, own := newCustodians(t, 2, 2)
	raw, err := Make(newParty(t), epoch, to)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		chain, party string
		epoch        uint64
		want         error
	}{
		"chain":         {"tkms-test-2", alice, epoch, ErrOwner},
		"party":         {chain, "tkms1bob", epoch, ErrOwner},
		"later epoch":   {chain, alice, epoch + 1, ErrEpoch},
		"earlier epoch": {chain, alice, epoch - 1, ErrEpoch},
	} {
		t.Run(name, func(t *testing.T) {
			store := newStore(t, c.chain, c.party)
			_, err := Restore(store, raw, pieces(t, raw, recipientOf(t, store), own...), c.epoch)
			require.ErrorIs(t, err, c.want)
			list, err := store.List()
			require.NoError(t, err)
			require.Equal(t, []seal.Object{recipientObject}, list)
		})
	}
}

func TestATamperedFileIsRefused(t *testing.T) {
	to, own := newCustodians(t, 2, 2)
	raw, err := Make(newParty(t), epoch, to)
	require.NoError(t, err)
	_, err = Read(raw)
	require.NoError(t, err)
	f, err := decode(raw)
	require.NoError(t, err)
	ahead := len(raw) - len(f.body)
	for at := 0; at < len(raw); at++ {
		if at > ahead && at < len(raw)-ed25519.SignatureSize && at%997 != 0 {
			continue
		}
		changed := bytes.Clone(raw)
		changed[at] ^= 1
		if _, err := Read(changed); err == nil {
			t.Fatalf("byte %d may be changed", at)
		}
	}
	for _, size := range []int{0, 7, 8, 100, ahead, len(raw) - 1} {
		_, err = Read(raw[:size])
		require.Error(t, err)
	}
	_, err = Read(append(bytes.Clone(raw), 0))
	require.ErrorIs(t, err, ErrFormat)

	// Whoever signs it anew with a key of its own cannot make it another backup.
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	_, err = f.openBody(secretOf(t, raw, own...))
	require.NoError(t, err)
	f.contents.SessionKey, f.contents.Epoch = public, epoch+1
	f.about, err = f.contents.encode()
	require.NoError(t, err)
	forged, err := f.encode(private)
	require.NoError(t, err)
	c, err := Read(forged)
	require.NoError(t, err)
	require.EqualValues(t, public, c.SessionKey, "the list shows another key than the registered one")
	_, _, err = Piece(forged, own[:1], recipientOf(t, newStore(t, chain, alice)))
	require.ErrorIs(t, err, ErrPiece, "a custodian gives its piece for what it was made for only")
	secret := secretOf(t, raw, own...)
	g, err := decode(forged)
	require.NoError(t, err)
	_, err = g.openBody(secret)
	require.ErrorIs(t, err, ErrFormat)
}

// secretOf joins the pieces of a backup.
func secretOf(t testing.TB, raw []byte, own ...age.Identity) [scalarSize]byte {
	t.Helper()
	f, err := decode(raw)
	require.NoError(t, err)
	var held []*piece
	for i, id := range own {
		p, err := decryptPiece(bytes.NewReader(f.pieces[i]), id)
		require.NoError(t, err)
		held = append(held, p)
	}
	secret, err := join(held)
	require.NoError(t, err)
	return secret
}

func TestNothingButIdentityAndKeySharesIsBackedUp(t *testing.T) {
	to, _ := newCustodians(t, 2, 2)
	for name, disguised := range map[string][]byte{
		"keys of a set-up": []byte("prss keys"),
		"share of another": func() []byte { _, raw := shareOf(t, 9); return raw }(),
		"nothing":          {},
	} {
		t.Run(name, func(t *testing.T) {
			store := newParty(t)
			share, _ := shareOf(t, 1)
			require.NoError(t, store.Put(shareObject(share, epoch), disguised))
			_, err := Make(store, epoch, to)
			require.ErrorIs(t, err, ErrSecret)
		})
	}
	store := newParty(t)
	require.NoError(t, store.Put(Identity, []byte("prss keys")))
	_, err := Make(store, epoch, to)
	require.ErrorIs(t, err, ErrSecret)

	store = newParty(t)
	objects, err := store.List()
	require.NoError(t, err)
	for _, o := range objects {
		raw, err := store.Get(o)
		require.NoError(t, err)
		if o.Kind == KindIdentity || o.Kind == KindKeyShare {
			require.NoError(t, admit(o, raw))
		} else {
			require.ErrorIs(t, admit(o, raw), ErrSecret, o.Kind)
		}
	}
	// What comes out of a file is looked at in the same way.
	c, secrets, err := gather(store, epoch)
	require.NoError(t, err)
	c.Custodians = to
	plain := append(bytes.Clone(secrets[0]), bytes.Repeat([]byte{1}, len(secrets[1])+len(secrets[2]))...)
	into := newStore(t, chain, alice)
	require.ErrorIs(t, c.keep(into, plain), ErrSecret)
	list, err := into.List()
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestSecretsAreZeroed(t *testing.T) {
	store := newParty(t)
	to, own := newCustodians(t, 2, 2)
	c, secrets, err := gather(store, epoch)
	require.NoError(t, err)
	require.Len(t, secrets, 3)
	raw, err := assemble(c, secrets, to)
	require.NoError(t, err)
	for _, s := range secrets {
		require.NotEmpty(t, s)
		require.Equal(t, make([]byte, len(s)), []byte(s))
	}
	f, err := decode(raw)
	require.NoError(t, err)
	into := newStore(t, chain, alice)
	one, err := oneTimeAfter(t, into)
	require.NoError(t, err)
	secret, err := f.collect(pieces(t, raw, one.Recipient().String(), own...), one)
	require.NoError(t, err)
	plain, err := f.openBody(secret)
	require.NoError(t, err)
	require.NoError(t, f.contents.keep(into, plain))
	require.Equal(t, make([]byte, len(plain)), plain)
}

func oneTimeAfter(t testing.TB, store *seal.Store) (*age.HybridIdentity, error) {
	recipientOf(t, store)
	return oneTime(store)
}

func TestARestoreThatWasInterruptedMayBeRepeated(t *testing.T) {
	to, own := newCustodians(t, 2, 2)
	old := newParty(t)
	raw, err := Make(old, epoch, to)
	require.NoError(t, err)
	store := newStore(t, chain, alice)
	given := pieces(t, raw, recipientOf(t, store), own...)
	name, _ := shareOf(t, 2)
	require.NoError(t, store.Put(seal.Object{Kind: KindRestored, Epoch: epoch}, nil))
	require.NoError(t, store.Put(shareObject(name, epoch), []byte("cut off")))
	_, err = Restore(store, raw, given, epoch)
	require.NoError(t, err)
	want, err := old.Get(shareObject(name, epoch))
	require.NoError(t, err)
	got, err := store.Get(shareObject(name, epoch))
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got))
}

func TestAnEpochWithoutKeysHasABackupOfTheIdentity(t *testing.T) {
	to, _ := newCustodians(t, 2, 2)
	raw, err := Make(newParty(t), epoch+5, to)
	require.NoError(t, err)
	c, err := Read(raw)
	require.NoError(t, err)
	require.Empty(t, c.Keys)
	require.Equal(t, []any{chain, alice, epoch + 5}, []any{c.Chain, c.Party, c.Epoch})
}

func TestCustodiansThatCannotBeUsedAreRefused(t *testing.T) {
	to, _ := newCustodians(t, 2, 3)
	r := to.Recipients
	for name, c := range map[string]struct {
		recipients []string
		threshold  int
	}{
		"one alone":       {r, 1},
		"too few":         {r, 4},
		"none":            {nil, 0},
		"twice":           {[]string{r[0], r[1], r[0]}, 2},
		"in capitals":     {[]string{r[0], strings.ToUpper(r[1])}, 2},
		"no recipient":    {[]string{r[0], "age1"}, 2},
		"a secret key":    {[]string{r[0], "AGE-SECRET-KEY-1"}, 2},
		"too many":        {slices.Repeat(r, 11), 2},
		"white space":     {[]string{r[0], r[1] + "\n"}, 2},
		"negative":        {r, -1},
		"overflows uint8": {r, 258},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewCustodians(c.recipients, c.threshold)
			require.ErrorIs(t, err, ErrCustodians)
		})
	}
}

func armored(t testing.TB, p *piece, to string) []byte {
	t.Helper()
	text, err := encryptArmored(p, to)
	require.NoError(t, err)
	return text
}

// TestABackupOfTheFirstFormatStaysReadable reads a file that UPDATE_VECTORS=1 go
// test wrote, with identities that are for this test only.
func TestABackupOfTheFirstFormatStaysReadable(t *testing.T) {
	const file, keys = "testdata/identity.backup", "testdata/custodians.txt"
	if os.Getenv("UPDATE_VECTORS") != "" {
		to, own := newCustodians(t, 2, 2)
		raw, err := Make(newParty(t), epoch+1, to)
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, raw, 0o600))
		require.NoError(t, os.WriteFile(keys, fmt.Appendf(nil, "%s\n%s\n", own[0], own[1]), 0o600))
	}
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	text, err := os.Open(keys)
	require.NoError(t, err)
	defer text.Close()
	own, err := age.ParseIdentities(text)
	require.NoError(t, err)
	store := newStore(t, chain, alice)
	_, err = Restore(store, raw, pieces(t, raw, recipientOf(t, store), own...), epoch+1)
	require.NoError(t, err)
	kept, err := store.Get(Identity)
	require.NoError(t, err)
	require.Equal(t, "32fb7439013a95557309d254362701c335b3a0719a8bdb4f429d36965ac5ff24", fmt.Sprintf("%x", sha256.Sum256(kept)))
}

func FuzzRead(f *testing.F) {
	raw, err := os.ReadFile(filepath.Join("testdata", "identity.backup"))
	require.NoError(f, err)
	f.Add(raw)
	whole, err := decode(raw)
	require.NoError(f, err)
	f.Add(whole.about)
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, _ = decode(raw)
		c, err := decodeContents(raw)
		if err != nil {
			return
		}
		again, err := c.encode()
		require.NoError(t, err)
		require.True(t, bytes.Equal(raw, again), "two encodings of one list")
	})
}

func FuzzPiece(f *testing.F) {
	f.Add((&piece{index: 3}).encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := decodePiece(raw)
		if err == nil {
			require.True(t, bytes.Equal(raw, p.encode()))
		}
	})
}
