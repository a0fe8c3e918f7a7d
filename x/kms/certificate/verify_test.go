package certificate

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// frozen is a certificate that the test of package app makes with -freeze.
func frozen(t testing.TB) ([]byte, *types.ProvenCertificate) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "testutil", "hostchain", "testdata", "certificate.json"))
	require.NoError(t, err)
	c, err := Decode(raw)
	require.NoError(t, err)
	return raw, c
}

func trusted(c *types.ProvenCertificate) Trust {
	return Trust{Validators: [][]byte{c.LightBlocks[0].SignedHeader.Header.ValidatorsHash}}
}

// What the state proves was checked by consensus, so no genuine certificate fails in these steps. They are shown
// to judge for themselves by changing what was proven after its proof was checked.
func TestEachStepJudgesForItself(t *testing.T) {
	for name, test := range map[string]struct {
		change func(v *verification)
		check  func(v *verification) (string, error)
		want   error
	}{
		"open request": {
			func(v *verification) { v.request.Status = types.REQUEST_STATUS_ACCEPTED }, (*verification).checkRequest, ErrNotProven,
		},
		"another epoch":     {func(v *verification) { v.c.Epoch.Id++ }, (*verification).checkCommittee, ErrCommittee},
		"a member left out": {func(v *verification) { v.c.Members = v.c.Members[1:] }, (*verification).checkCommittee, ErrCommittee},
		"another threshold": {func(v *verification) { v.request.Threshold-- }, (*verification).checkCommittee, ErrCommittee},
		"a signer in another seat": {func(v *verification) {
			s := v.c.Certificate.Signers
			s[0], s[1] = s[1], s[0]
		}, (*verification).checkCommittee, ErrCommittee},
		"a member in another seat": {func(v *verification) {
			m, p, s := v.c.Members, v.c.MemberProofs, v.c.Certificate.Signers
			m[0], m[1], p[0], p[1], s[0], s[1] = m[1], m[0], p[1], p[0], s[1], s[0]
		}, (*verification).checkCommittee, ErrCommittee},
		"a result of others": {func(v *verification) { v.c.Certificate.Request.Plaintext[31]++ }, (*verification).checkSignatures, types.ErrInvalidCertificate},

		"another host chain":             {func(v *verification) { v.request.HostChainId++ }, (*verification).checkHostChain, ErrHostChain},
		"a host chain at another height": {func(v *verification) { v.c.HostChainProof.Height++ }, (*verification).checkHostChain, ErrHostChain},
		"another domain":                 {func(v *verification) { v.request.Domain.ChainId++ }, (*verification).checkHostChain, ErrHostChain},

		"another proof":     {func(v *verification) { v.c.Proof.Header = nil }, (*verification).checkSealed, ErrOtherProof},
		"another block":     {func(v *verification) { v.request.Authorization.HeaderHash[0]++ }, (*verification).checkSealed, ErrOtherHeader},
		"another height":    {func(v *verification) { v.request.Authorization.HeaderHeight++ }, (*verification).checkSealed, ErrOtherHeader},
		"another timestamp": {func(v *verification) { v.request.Authorization.HeaderTimestamp++ }, (*verification).checkSealed, ErrOtherHeader},
		"unknown validators": {
			func(v *verification) { v.c.HostChain.Validators[0][0]++ }, (*verification).checkSealed, acltypes.ErrStranger,
		},
		"later validators": {
			func(v *verification) { v.c.HostChain.ValidatorsHeight = 1 << 40 }, (*verification).checkSealed, acltypes.ErrHeightTooLow,
		},

		"an ACL with other code": {func(v *verification) { v.c.HostChain.Acl.CodeHash[0]++ }, (*verification).checkPermission, acltypes.ErrForeignCode},
		"another ciphertext":     {func(v *verification) { v.request.Ciphertexts[1].Digest[0]++ }, (*verification).checkPermission, ErrOtherCiphertext},
		"another handle":         {func(v *verification) { v.request.Ciphertexts[1].Handle[0]++ }, (*verification).checkPermission, acltypes.ErrBadStorageProof},
		"a handle too few":       {func(v *verification) { v.request.Ciphertexts = v.request.Ciphertexts[1:] }, (*verification).checkPermission, acltypes.ErrMalformedProof},
		"a stale header": {func(v *verification) {
			v.headers[v.request.AcceptedHeight].Time = v.headers[v.request.AcceptedHeight].Time.Add(time.Hour)
		}, (*verification).checkPermission, acltypes.ErrStaleHeader},
		"no block that accepted it": {func(v *verification) { delete(v.headers, v.request.AcceptedHeight) }, (*verification).checkPermission, ErrNotProven},
	} {
		t.Run(name, func(t *testing.T) {
			_, c := frozen(t)
			v := &verification{c: c, request: c.Certificate.Request, trust: trusted(c)}
			for _, check := range []func() (string, error){
				v.checkHeaders, v.checkRequest, v.checkCommittee, v.checkSignatures, v.checkHostChain, v.checkSealed, v.checkPermission,
			} {
				_, err := check()
				require.NoError(t, err)
			}
			test.change(v)
			_, err := test.check(v)
			require.ErrorIs(t, err, test.want)
		})
	}
}

func TestARecordNeedsAllOfItsProof(t *testing.T) {
	_, c := frozen(t)
	h, err := verifyHeaders(c.LightBlocks, trusted(c))
	require.NoError(t, err)
	key, good := partiestypes.EpochKey(c.Epoch.Id), c.EpochProof
	require.NoError(t, h.proven(partiestypes.StoreKey, key, &c.Epoch, good))
	for name, change := range map[string]func(p *types.StateProof){
		"another height":          func(p *types.StateProof) { p.Height++ },
		"a step left out":         func(p *types.StateProof) { p.App = nil },
		"one step for both":       func(p *types.StateProof) { p.Store = p.App },
		"more than a step":        func(p *types.StateProof) { p.Store = append(bytes.Clone(p.Store), 0x78, 1) },
		"another record's proof":  func(p *types.StateProof) { *p = c.RequestProof },
		"another member's record": func(p *types.StateProof) { *p = c.MemberProofs[0] },
	} {
		p := good
		change(&p)
		require.ErrorIs(t, h.proven(partiestypes.StoreKey, key, &c.Epoch, p), ErrNotProven, name)
	}
	require.ErrorIs(t, h.proven(types.StoreKey, key, &c.Epoch, good), ErrNotProven, "another store")
	require.ErrorIs(t, h.proven(partiestypes.StoreKey, partiestypes.EpochKey(9), &c.Epoch, good), ErrNotProven, "another key")
}

func TestHeadersAreOfOneChainInOrderAndWhole(t *testing.T) {
	for name, change := range map[string]func(c *types.ProvenCertificate){
		"none":          func(c *types.ProvenCertificate) { c.LightBlocks = nil },
		"too many":      func(c *types.ProvenCertificate) { c.LightBlocks = append(c.LightBlocks, c.LightBlocks...) },
		"missing":       func(c *types.ProvenCertificate) { c.LightBlocks[1] = nil },
		"empty":         func(c *types.ProvenCertificate) { c.LightBlocks[1].Reset() },
		"no validators": func(c *types.ProvenCertificate) { c.LightBlocks[1].ValidatorSet = nil },
		"no commit":     func(c *types.ProvenCertificate) { c.LightBlocks[1].SignedHeader.Commit = nil },
		"out of order": func(c *types.ProvenCertificate) {
			b := c.LightBlocks
			b[0], b[1] = b[1], b[0]
		},
		"a signature that is none": func(c *types.ProvenCertificate) { c.LightBlocks[1].SignedHeader.Commit.Signatures[3].Signature[0]++ },
		"a turn to propose":        func(c *types.ProvenCertificate) { c.LightBlocks[1].ValidatorSet.Validators[0].ProposerPriority = 5 },
		"another proposer": func(c *types.ProvenCertificate) {
			c.LightBlocks[1].ValidatorSet.Proposer = c.LightBlocks[1].ValidatorSet.Validators[1]
		},
	} {
		_, c := frozen(t)
		trust := trusted(c)
		change(c)
		_, err := verifyHeaders(c.LightBlocks, trust)
		require.ErrorIs(t, err, ErrUntrusted, name)
	}
}

func TestACertificateIsWrittenInOneWay(t *testing.T) {
	raw, c := frozen(t)
	again, err := Encode(c)
	require.NoError(t, err)
	require.Equal(t, raw, again)
	var compact bytes.Buffer
	require.NoError(t, json.Compact(&compact, raw))
	_, err = Decode(compact.Bytes())
	require.NoError(t, err, "white space is free")

	replace := func(old, with string) []byte { return bytes.Replace(raw, []byte(old), []byte(with), 1) }
	for name, changed := range map[string][]byte{
		"nothing":        nil,
		"no object":      []byte("[]"),
		"another format": replace(Format, "tkms/v2/certificate"),
		"an extra field": replace(`"format"`, `"extra": 1, "format"`),
		"a field twice":  replace(`"format"`, `"format": "tkms/v1/certificate", "format"`),
		"another name":   replace(`"host_chain_id"`, `"hostChainId"`),
		"a null":         replace(`"format"`, `"request_proof": null, "format"`),
		"more after it":  append(bytes.Clone(raw), '1'),
		"too long":       append(bytes.Clone(raw), bytes.Repeat([]byte{' '}, MaxSize)...),
	} {
		_, err := Decode(changed)
		require.ErrorIs(t, err, ErrFormat, name)
	}
}

func FuzzDecode(f *testing.F) {
	raw, c := frozen(f)
	trust := trusted(c)
	f.Add(raw)
	f.Add([]byte(`{"format":"tkms/v1/certificate"}`))
	f.Add([]byte(`{"format":"tkms/v1/certificate","light_blocks":[{"signed_header":{}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		decoded, err := Decode(data)
		if err != nil {
			return
		}
		if Failed(Verify(decoded, trust)) == nil {
			require.Equal(t, c, decoded)
		}
	})
}
