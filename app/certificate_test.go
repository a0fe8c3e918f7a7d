package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	cmtcrypto "github.com/cometbft/cometbft/proto/tendermint/crypto"
	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/apptest"
	"github.com/tkms-network/tkms/x/acl/acltest"
	"github.com/tkms-network/tkms/x/acl/slots"
	"github.com/tkms-network/tkms/x/kms/certificate"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// freeze writes the certificate that tests of other packages read.
var freeze = flag.Bool("freeze", false, "write testutil/hostchain/testdata/certificate.json anew")

// frozenCertificate is where, from this directory.
var frozenCertificate = filepath.Join("..", "testutil", "hostchain", "testdata", "certificate.json")

// publicCertificate is of a public decryption of two handles that all parties signed.
func (w *world) publicCertificate() *kmstypes.ProvenCertificate {
	w.t.Helper()
	response := w.ask(alice, w.request(alice, w.disclosed(w.host, handles.Uint8, handles.Uint64)...))
	w.answer(response.RequestId, w.plaintext(response.RequestId, 5, 6), w.parties...)
	return w.provenCertificate(response.RequestId)
}

// provenCertificate gathers a certificate from a node that has the next block.
func (w *world) provenCertificate(id []byte) *kmstypes.ProvenCertificate {
	w.t.Helper()
	w.Blocks(2)
	c, err := certificate.Gather(w.t.Context(), apptest.Node{Chain: w.Chain}, id, 0)
	require.NoError(w.t, err)
	return c
}

// trusting is a verifier who knows the validators, or the latest header.
func (w *world) trusting(c *kmstypes.ProvenCertificate) (validators, header certificate.Trust) {
	last := c.LightBlocks[len(c.LightBlocks)-1].SignedHeader
	validators = certificate.Trust{Validators: [][]byte{last.Header.ValidatorsHash}}
	header = certificate.Trust{Header: last.Commit.BlockID.Hash, Height: last.Header.Height, Period: time.Hour, Now: w.Now}
	return validators, header
}

func requireHolds(t testing.TB, steps []certificate.Step) {
	t.Helper()
	require.Nil(t, certificate.Failed(steps), "%v", steps)
}

func TestACertificateStandsAlone(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]*kmstypes.ProvenCertificate{
		"public": w.publicCertificate(), "user": w.userCertificate(false), "delegated": w.userCertificate(true),
	} {
		encoded, err := certificate.Encode(c)
		require.NoError(t, err)
		decoded, err := certificate.Decode(encoded)
		require.NoError(t, err, name)
		validators, header := w.trusting(c)
		requireHolds(t, certificate.Verify(decoded, validators))
		requireHolds(t, certificate.Verify(decoded, header))
	}
}

// TestAChangedCertificateIsRefused changes the values in the file, one after the other; of lists the first and the
// last.
func TestAChangedCertificateIsRefused(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]*kmstypes.ProvenCertificate{"public": w.publicCertificate(), "user": w.userCertificate(true)} {
		trust, _ := w.trusting(c)
		encoded, err := certificate.Encode(c)
		require.NoError(t, err)
		var file map[string]any
		decoder := json.NewDecoder(bytes.NewReader(encoded))
		decoder.UseNumber()
		require.NoError(t, decoder.Decode(&file))
		changed := 0
		eachValue(file, "", func(path string) {
			raw, err := json.Marshal(file)
			require.NoError(t, err)
			changed++
			decoded, err := certificate.Decode(raw)
			if err != nil {
				return
			}
			require.NotNil(t, certificate.Failed(certificate.Verify(decoded, trust)), "%s: %s was changed", name, path)
		})
		require.Greater(t, changed, 200, "values")
	}
}

// eachValue calls visit with each value below node changed, and changes it back.
func eachValue(node any, path string, visit func(path string)) {
	change := func(value any, set func(any), path string) {
		switch v := value.(type) {
		case string:
			set(otherText(v))
		case json.Number:
			set(json.Number(v.String() + "1"))
		case bool:
			set(!v)
		default:
			eachValue(value, path, visit)
			return
		}
		visit(path)
		set(value)
	}
	switch n := node.(type) {
	case map[string]any:
		for key, value := range n {
			change(value, func(v any) { n[key] = v }, path+"."+key)
			delete(n, key)
			visit("without " + path + "." + key)
			n[key] = value
		}
	case []any:
		for i, value := range n {
			if i != 0 && i != len(n)-1 {
				continue
			}
			change(value, func(v any) { n[i] = v }, fmt.Sprintf("%s[%d]", path, i))
		}
	}
}

// otherText changes a character in the middle to one that base64 and hex, or at least
// text, may have there.
func otherText(s string) string {
	if s == "" {
		return "1"
	}
	at := len(s) / 2
	for _, c := range "12ab" {
		if other := s[:at] + string(c) + s[at+1:]; other != s {
			return other
		}
	}
	return s + "1"
}

func TestACertificateNeedsWhatItsVerifierTrusts(t *testing.T) {
	w := newWorld(t)
	c := w.publicCertificate()
	validators, header := w.trusting(c)
	other := header
	other.Header = bytes.Repeat([]byte{1}, 32)
	height := header
	height.Height++
	first := c.LightBlocks[0].SignedHeader
	early := certificate.Trust{Header: first.Commit.BlockID.Hash, Period: time.Hour, Now: w.Now}
	requireHolds(t, certificate.Verify(c, early))
	expired := early
	expired.Now = w.Now.Add(2 * time.Hour)
	strangers := validators
	strangers.Validators = [][]byte{bytes.Repeat([]byte{1}, 32)}
	for name, test := range map[string]struct {
		trust certificate.Trust
		want  error
	}{
		"nothing":           {certificate.Trust{}, certificate.ErrNoTrust},
		"another header":    {other, certificate.ErrUntrusted},
		"another height":    {height, certificate.ErrUntrusted},
		"other validators":  {strangers, certificate.ErrUntrusted},
		"an expired header": {expired, certificate.ErrExpired},
	} {
		steps := certificate.Verify(c, test.trust)
		require.ErrorIs(t, steps[0].Err, test.want, name)
		for _, step := range steps[1:] {
			require.ErrorIs(t, step.Err, certificate.ErrNotChecked, name)
		}
	}
	short := *c
	short.LightBlocks = c.LightBlocks[1:]
	require.NotNil(t, certificate.Failed(certificate.Verify(&short, validators)))
}

func TestACertificateIsOfAFulfilledRequest(t *testing.T) {
	w := newWorld(t)
	node := apptest.Node{Chain: w.Chain}
	_, err := certificate.Gather(t.Context(), node, bytes.Repeat([]byte{7}, 32), 0)
	require.ErrorIs(t, err, certificate.ErrNoRecord)
	response := w.ask(alice, w.request(alice, w.disclosed(w.host, handles.Uint8)...))
	w.Blocks(2)
	_, err = certificate.Gather(t.Context(), node, response.RequestId, 0)
	require.ErrorIs(t, err, kmstypes.ErrNotFulfilled)
	w.answer(response.RequestId, w.plaintext(response.RequestId, 5), w.parties...)
	w.Blocks(2)
	c, err := certificate.Gather(t.Context(), node, response.RequestId, w.Height-20)
	require.NoError(t, err)
	require.Len(t, c.LightBlocks, 4, "the header that the verifier trusts is among them")

	// The record as it was before the answers.
	open := c.Certificate.Request
	value, proof, err := node.Prove(t.Context(), kmstypes.StoreKey, kmstypes.StoreKeyOfRequest(open.Id), open.AcceptedHeight)
	require.NoError(t, err)
	open.Reset()
	require.NoError(t, open.Unmarshal(value))
	c.Certificate.Request = open
	c.RequestProof = kmstypes.StateProof{Height: open.AcceptedHeight, Store: proof[0].Data, App: proof[1].Data}
	trust, _ := w.trusting(c)
	require.ErrorIs(t, certificate.Failed(certificate.Verify(c, trust)).Err, kmstypes.ErrNotFulfilled)
}

// forger changes the records that a node shows.
type forger struct {
	apptest.Node
	change func([]byte) []byte
}

func (f forger) Prove(ctx context.Context, store string, key []byte, height int64) ([]byte, []cmtcrypto.ProofOp, error) {
	value, steps, err := f.Node.Prove(ctx, store, key, height)
	return f.change(value), steps, err
}

func TestAKeysRecordIsProvenToFollowFromATrustedHeader(t *testing.T) {
	w := newWorld(t)
	w.Blocks(2)
	node := apptest.Node{Chain: w.Chain}
	signed, err := node.SignedHeader(t.Context(), w.Height-5)
	require.NoError(t, err)
	trust := certificate.Trust{Header: signed.Commit.BlockID.Hash, Height: signed.Height, Period: time.Hour, Now: w.Now}
	key, err := certificate.Key(t.Context(), node, w.key, trust)
	require.NoError(t, err)
	require.Equal(t, w.keyRecord(w.key), *key)

	_, err = certificate.Key(t.Context(), node, bytes.Repeat([]byte{7}, 32), trust)
	require.ErrorIs(t, err, certificate.ErrNoRecord)
	_, err = certificate.Key(t.Context(), node, w.key, certificate.Trust{})
	require.ErrorIs(t, err, certificate.ErrNoTrust)
	other := trust
	other.Header = bytes.Repeat([]byte{1}, 32)
	_, err = certificate.Key(t.Context(), node, w.key, other)
	require.ErrorIs(t, err, certificate.ErrUntrusted)
	old := trust
	old.Now = w.Now.Add(2 * time.Hour)
	_, err = certificate.Key(t.Context(), node, w.key, old)
	require.ErrorIs(t, err, certificate.ErrExpired)

	forged := *key
	forged.Material.PublicKeyDigest[0]++
	raw, err := forged.Marshal()
	require.NoError(t, err)
	_, err = certificate.Key(t.Context(), forger{node, func([]byte) []byte { return raw }}, w.key, trust)
	require.ErrorIs(t, err, certificate.ErrNotProven)
}

func TestTheFrozenCertificateHolds(t *testing.T) {
	if *freeze {
		encoded, err := certificate.Encode(newWorld(t).publicCertificate())
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(frozenCertificate, encoded, 0o600))
	}
	raw, err := os.ReadFile(frozenCertificate)
	require.NoError(t, err)
	c, err := certificate.Decode(raw)
	require.NoError(t, err)
	requireHolds(t, certificate.Verify(c, certificate.Trust{Validators: [][]byte{c.LightBlocks[0].SignedHeader.Header.ValidatorsHash}}))
}

// userCertificate is of a decryption for carol, of her own values or of dave's.
func (w *world) userCertificate(delegated bool) *kmstypes.ProvenCertificate {
	w.t.Helper()
	batch := w.granted([]common.Address{acltest.Address(carol), acltest.Address(dave), dapp}, handles.Uint64, handles.Bool)
	msg := w.userRequest(batch...)
	if delegated {
		w.host.Delegate(acltest.Address(dave), acltest.Address(carol), dapp, slots.Delegation{Expires: uint64(w.Now.Unix()) + 3600, Counter: 1})
		msg = w.delegated(msg)
	}
	id := w.askUser(msg).RequestId
	w.postShares(w.sharesFor(id, 77, 1), w.parties...)
	return w.provenCertificate(id)
}
