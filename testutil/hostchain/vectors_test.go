package hostchain

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/hostchain/api"
	"github.com/tkms-network/tkms/testutil/hostchain/client"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

var updateVectors = flag.Bool("update-vectors", false, "write testdata/evidence.json anew")

// evidenceFile is testdata/evidence.json: headers and proofs of a chain with fixed keys and clock,
// for tests of verifiers that do not want to run a chain. TestFrozenEvidenceIsReproduced made it,
// with -update-vectors.
type evidenceFile struct {
	Comment    string           `json:"comment"`
	ChainID    uint64           `json:"chainId"`
	Validators []common.Address `json:"validators"` // that the header must be sealed by
	Seals      int              `json:"seals"`
	ACL        common.Address   `json:"acl"`
	Registry   common.Address   `json:"registry"`
	User       common.Address   `json:"user"` // may re-encrypt the secret value
	DApp       common.Address   `json:"dapp"`
	Header     hexutil.Bytes    `json:"header"` // RLP
	Number     uint64           `json:"number"`
	Time       uint64           `json:"time"`
	StateRoot  common.Hash      `json:"stateRoot"`
	SealHash   common.Hash      `json:"sealHash"`
	BesuHash   common.Hash      `json:"besuHash"`

	ACLAccount      []hexutil.Bytes `json:"aclAccountProof"`      // nodes, root first
	RegistryAccount []hexutil.Bytes `json:"registryAccountProof"` // nodes, root first
	Foreign         evidenceAccount `json:"strangersRegistry"`    // its slot holds a digest for the first handle too
	Values          []evidenceValue `json:"values"`

	Forged map[api.Forgery]hexutil.Bytes `json:"forged"` // RLP of variants of the header
}

type evidenceAccount struct {
	Address common.Address  `json:"address"`
	Account []hexutil.Bytes `json:"accountProof"`
	Slot    evidenceSlot    `json:"slot"`
}

// evidenceValue is one ciphertext handle.
type evidenceValue struct {
	Name       string        `json:"name"`
	Handle     fhevm.Handle  `json:"handle"`
	Ciphertext hexutil.Bytes `json:"ciphertext"`
	Public     evidenceSlot  `json:"publicDecryption"`
	User       evidenceSlot  `json:"persistedAllowedUser"`
	DApp       evidenceSlot  `json:"persistedAllowedDapp"`
	Digest     evidenceSlot  `json:"digest"`
}

type evidenceSlot struct {
	Slot  common.Hash     `json:"slot"`
	Value common.Hash     `json:"value"` // zero when absent
	Proof []hexutil.Bytes `json:"proof"`
}

func TestFrozenEvidenceIsReproduced(t *testing.T) {
	made := makeEvidence(t)
	path := filepath.Join("testdata", "evidence.json")
	if *updateVectors {
		raw, err := json.MarshalIndent(made, "", " ")
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, append(raw, '\n'), 0o644))
	}
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	var frozen evidenceFile
	require.NoError(t, json.Unmarshal(raw, &frozen))
	require.Equal(t, frozen, *made, "keys and clock are fixed: the chain has changed its headers, state or proofs")
}

func TestFrozenEvidenceVerifies(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("testdata", "evidence.json"))
	require.NoError(t, err)
	var e evidenceFile
	require.NoError(t, json.Unmarshal(raw, &e))
	var header types.Header
	require.NoError(t, rlp.DecodeBytes(e.Header, &header))
	require.NoError(t, VerifySeals(&header, e.Validators))
	require.Equal(t, e.StateRoot, header.Root)
	for _, v := range e.Values {
		for _, s := range []evidenceSlot{v.Public, v.User, v.DApp} {
			requireSlot(t, header.Root, e.ACL, e.ACLAccount, s)
		}
		requireSlot(t, header.Root, e.Registry, e.RegistryAccount, v.Digest)
	}
	requireSlot(t, header.Root, e.Foreign.Address, e.Foreign.Account, e.Foreign.Slot)
}

func requireSlot(t *testing.T, root common.Hash, account common.Address, nodes []hexutil.Bytes, s evidenceSlot) {
	t.Helper()
	values := provenSlots(t, root, client.AccountProof{
		Address: account,
		Nodes:   plainNodes(nodes),
		Storage: []client.StorageProof{{Slot: s.Slot, Value: s.Value.Big(), Nodes: plainNodes(s.Proof)}},
	})
	require.Equal(t, s.Value, values[0])
}

// makeEvidence runs a chain with fixed keys and clock: one value disclosed, one that alice may
// re-encrypt, one that is only submitted, and one handle that nobody submitted.
func makeEvidence(t *testing.T) *evidenceFile {
	t.Helper()
	clock := time.Unix(1_800_000_000, 0)
	chain := newTestChain(t, func(c *Config) { c.Now = func() time.Time { return clock } })
	ctx, c, _ := dialNoFunds(t, chain)
	alice := client.AccountOf(keyring{[]byte("tests")}.key("alice", 0))
	require.NoError(t, c.Fund(ctx, alice.Address(), nil))
	e := &evidenceFile{
		Comment:    "Made by TestFrozenEvidenceIsReproduced of testutil/hostchain with -update-vectors; keys and clock are fixed.",
		ChainID:    chain.config.ChainID,
		Validators: chain.Validators(),
		Seals:      Quorum(len(chain.Validators())),
		ACL:        fhevm.ACLAddress,
		Registry:   chain.Registry(),
		User:       alice.Address(),
		DApp:       chain.Disclosure(),
		Forged:     make(map[api.Forgery]hexutil.Bytes),
	}
	for _, v := range []struct {
		name   string
		typeOf fhevm.Type
	}{{"disclosed", fhevm.Uint64}, {"disclosed wide", fhevm.Uint2048}, {"for alice", fhevm.Uint8}, {"only submitted", fhevm.Bool}} {
		clock = clock.Add(time.Second)
		input, err := c.SubmitCiphertext(ctx, common.Address{}, alice.Address(), v.typeOf, []byte(v.name))
		require.NoError(t, err)
		_, err = c.Submit(ctx, alice, input.Handle, input.InputProof)
		require.NoError(t, err)
		switch v.name {
		case "disclosed", "disclosed wide":
			_, err = c.MakePubliclyDecryptable(ctx, alice, input.Handle)
		case "for alice":
			_, err = c.Allow(ctx, alice, input.Handle, alice.Address())
		}
		require.NoError(t, err)
		e.Values = append(e.Values, evidenceValue{Name: v.name, Handle: input.Handle, Ciphertext: []byte(v.name)})
	}
	unknown := []byte("unknown")
	e.Values = append(e.Values, evidenceValue{
		Name: "unknown", Ciphertext: unknown,
		Handle: fhevm.InputHandle(unknown, 0, fhevm.ACLAddress, chain.config.ChainID, fhevm.Uint64),
	})
	var err error
	e.Foreign.Address, err = c.DeployRegistry(ctx, alice.Address())
	require.NoError(t, err)
	_, err = c.Register(ctx, alice, e.Foreign.Address, e.Values[0].Handle, fhevm.CiphertextDigest([]byte("other bytes")))
	require.NoError(t, err)
	fillEvidence(t, chain, c, e)
	return e
}

func fillEvidence(t *testing.T, chain *Chain, c *client.Client, e *evidenceFile) {
	t.Helper()
	ctx, head := t.Context(), chain.Head()
	raw, err := rlp.EncodeToBytes(head)
	require.NoError(t, err)
	e.Header, e.Number, e.Time, e.StateRoot = raw, head.Number.Uint64(), head.Time, head.Root
	e.SealHash, err = SealHash(head)
	require.NoError(t, err)
	e.BesuHash, err = BesuHash(head)
	require.NoError(t, err)
	for _, kind := range api.Forgeries() {
		e.Forged[kind], err = c.ForgeHeader(ctx, kind, e.Number)
		require.NoError(t, err)
	}
	one := func(account common.Address, slot common.Hash, into *evidenceSlot) []hexutil.Bytes {
		proof, err := c.AccountProof(ctx, account, []common.Hash{slot}, head.Number)
		require.NoError(t, err)
		*into = evidenceSlot{Slot: slot, Value: common.BigToHash(proof.Storage[0].Value), Proof: hexNodes(proof.Storage[0].Nodes)}
		return hexNodes(proof.Nodes)
	}
	for i := range e.Values {
		v := &e.Values[i]
		e.ACLAccount = one(e.ACL, fhevm.PublicDecryptionSlot(v.Handle), &v.Public)
		one(e.ACL, fhevm.PersistedAllowedSlot(v.Handle, e.User), &v.User)
		one(e.ACL, fhevm.PersistedAllowedSlot(v.Handle, e.DApp), &v.DApp)
		e.RegistryAccount = one(e.Registry, fhevm.RegistrySlot(v.Handle), &v.Digest)
	}
	e.Foreign.Account = one(e.Foreign.Address, fhevm.RegistrySlot(e.Values[0].Handle), &e.Foreign.Slot)
}

func hexNodes(nodes [][]byte) []hexutil.Bytes {
	list := make([]hexutil.Bytes, len(nodes))
	for i, n := range nodes {
		list[i] = n
	}
	return list
}

func plainNodes(nodes []hexutil.Bytes) [][]byte {
	list := make([][]byte, len(nodes))
	for i, n := range nodes {
		list[i] = n
	}
	return list
}
