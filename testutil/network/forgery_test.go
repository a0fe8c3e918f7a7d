package network_test

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/cometbft/cometbft/crypto"
	"github.com/cometbft/cometbft/crypto/tmhash"
	"github.com/cometbft/cometbft/privval"
	cmtcrypto "github.com/cometbft/cometbft/proto/tendermint/crypto"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	rpcclient "github.com/cometbft/cometbft/rpc/client"
	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	coretypes "github.com/cometbft/cometbft/rpc/core/types"
	"github.com/cometbft/cometbft/types"

	"github.com/tkms-network/tkms/app"
	"github.com/tkms-network/tkms/testutil/carrier"
	"github.com/tkms-network/tkms/testutil/network"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// liedAbout is the record that carriers lie about: the parameters of x/kms, which governance has changed.
var liedAbout = kmstypes.ParamsPrefix.Bytes()

// forgery is a real chain and what a liar before one of its nodes can have: its history, and the consensus
// keys of its validators.
type forgery struct {
	n       *network.Network
	honest  *rpchttp.HTTP
	keys    map[string]crypto.PrivKey
	members []*types.Validator
	// height is the trusted one, and the one of which is proven. The record was another at older.
	height, older int64
	before, after *abci.ResponseQuery
	// next is the header that proves the state of height, stale the one that proves that of older.
	trusted, next, stale *types.SignedHeader
}

func newForgery(t *testing.T, n *network.Network) *forgery {
	t.Helper()
	f := &forgery{n: n, keys: make(map[string]crypto.PrivKey)}
	var err error
	f.honest, err = n.Client(3)
	require.NoError(t, err)
	for _, node := range n.Layout.Nodes {
		key := privval.LoadFilePVEmptyState(filepath.Join(node.Home, "config", "priv_validator_key.json"), "").Key
		f.keys[key.Address.String()] = key.PrivKey
	}
	f.older = n.Height(3)
	n.WaitFor(3, f.older+1)
	f.before = f.ask(t, kmstypes.StoreKey, liedAbout, f.older)

	var answer struct {
		Params map[string]any `json:"params"`
	}
	n.Query(0, &answer, "kms", "params")
	answer.Params["max_key_attempts"] = 77
	require.Equal(t, "PROPOSAL_STATUS_PASSED", govern(t, n, map[string]any{
		"@type": "/tkms.kms.v1.MsgUpdateParams", "authority": app.Authority(), "params": answer.Params,
	}, "alice", "bob", "carol"))

	f.height = n.Height(0)
	n.WaitFor(3, f.height+4)
	f.after = f.ask(t, kmstypes.StoreKey, liedAbout, f.height)
	require.NotEqual(t, f.before.Value, f.after.Value)
	var params kmstypes.Params
	require.NoError(t, params.Unmarshal(f.after.Value))
	require.EqualValues(t, 77, params.MaxKeyAttempts)
	f.trusted, f.next, f.stale = f.header(t, f.height), f.header(t, f.height+1), f.header(t, f.older+1)
	require.NotEqual(t, f.next.AppHash, f.stale.AppHash)
	set, err := f.honest.Validators(t.Context(), &f.height, nil, nil)
	require.NoError(t, err)
	f.members = set.Validators
	require.Len(t, f.members, 4)
	return f
}

func (f *forgery) ask(t *testing.T, store string, key []byte, height int64) *abci.ResponseQuery {
	t.Helper()
	result, err := f.honest.ABCIQueryWithOptions(t.Context(), "/store/"+store+"/key", key, rpcclient.ABCIQueryOptions{Height: height, Prove: true})
	require.NoError(t, err)
	require.Zero(t, result.Response.Code, result.Response.Log)
	require.Len(t, result.Response.ProofOps.Ops, 2)
	return &result.Response
}

func (f *forgery) header(t *testing.T, height int64) *types.SignedHeader {
	t.Helper()
	result, err := f.honest.Commit(t.Context(), &height)
	require.NoError(t, err)
	return &result.SignedHeader
}

// sign makes the commit that the first of the real validators give for a header of any content.
func (f *forgery) sign(header *types.Header, signers int) *types.Commit {
	hash := header.Hash()
	commit := &types.Commit{Height: header.Height, BlockID: types.BlockID{Hash: hash, PartSetHeader: types.PartSetHeader{Total: 1, Hash: tmhash.Sum(hash)}}}
	for i, member := range f.members {
		if i >= signers {
			commit.Signatures = append(commit.Signatures, types.NewCommitSigAbsent())
			continue
		}
		vote := &types.Vote{
			Type: cmtproto.PrecommitType, Height: header.Height, BlockID: commit.BlockID, Timestamp: header.Time,
			ValidatorAddress: member.Address, ValidatorIndex: int32(i),
		}
		signature, err := f.keys[member.Address.String()].Sign(types.VoteSignBytes(header.ChainID, vote.ToProto()))
		if err != nil {
			panic(err)
		}
		vote.Signature = signature
		commit.Signatures = append(commit.Signatures, vote.CommitSig())
	}
	return commit
}

// oldState makes a header claim the state in which the record was another.
func (f *forgery) oldState(header *types.Header) { header.AppHash = bytes.Clone(f.stale.AppHash) }

// oldAnswer answers as of the older height what was asked of the new one.
func (f *forgery) oldAnswer(r *abci.ResponseQuery) bool {
	if !bytes.Equal(r.Key, liedAbout) || r.Height != f.height {
		return false
	}
	r.Value, r.ProofOps = f.before.Value, f.before.ProofOps
	return true
}

// commitLie changes every header above the trusted one, as asked for or as the latest.
func (f *forgery) commitLie(change func(*types.SignedHeader)) carrier.Lie {
	return carrier.Lie{Query: f.oldAnswer, Commit: func(result *coretypes.ResultCommit) bool {
		if result.Height <= f.height {
			return false
		}
		change(&result.SignedHeader)
		return true
	}}
}

// headerLies are carriers whose headers are wrong. Each also answers the old state when asked about the new
// one, which fits the header of some of them.
func (f *forgery) headerLies() map[string]carrier.Lie {
	field := func(change func(*types.Header)) carrier.Lie {
		return f.commitLie(func(h *types.SignedHeader) { change(h.Header) })
	}
	forged := func(signers int, change func(*types.Header)) carrier.Lie {
		return f.commitLie(func(h *types.SignedHeader) {
			change(h.Header)
			h.Commit = f.sign(h.Header, signers)
		})
	}
	other := tmhash.Sum([]byte("other"))
	return map[string]carrier.Lie{
		"the state changed":                  field(f.oldState),
		"the time changed":                   field(func(h *types.Header) { h.Time = h.Time.Add(time.Millisecond) }),
		"the height changed":                 field(func(h *types.Header) { h.Height++ }),
		"the validators changed":             field(func(h *types.Header) { h.ValidatorsHash = other }),
		"the next validators changed":        field(func(h *types.Header) { h.NextValidatorsHash = other }),
		"the data changed":                   field(func(h *types.Header) { h.DataHash = other }),
		"the predecessor changed":            field(func(h *types.Header) { h.LastBlockID.Hash = other }),
		"another chain id, real commit":      field(func(h *types.Header) { h.ChainID = "tkms-other" }),
		"another chain id, signed by 4 of 4": forged(4, func(h *types.Header) { h.ChainID = "tkms-other"; f.oldState(h) }),
		"forged, signed by 2 of 4":           forged(2, f.oldState),
		"real, cut to 2 of 4":                f.commitLie(func(h *types.SignedHeader) { h.Commit = cut(h.Commit, 2) }),
		"real, 2 of 4 signatures repeated": f.commitLie(func(h *types.SignedHeader) {
			h.Commit = f.sign(h.Header, 2)
			h.Commit.Signatures[2], h.Commit.Signatures[3] = h.Commit.Signatures[0], h.Commit.Signatures[1]
		}),
		"real, no commit of its own": f.commitLie(func(h *types.SignedHeader) { h.Commit = f.trusted.Commit }),
		"forged, block of the real commit": f.commitLie(func(h *types.SignedHeader) {
			f.oldState(h.Header)
			h.Commit.BlockID.Hash = h.Hash()
		}),
		"time of the future, signed by 4 of 4": forged(4, func(h *types.Header) { h.Time = h.Time.Add(time.Hour) }),
		"time of the past, signed by 4 of 4":   forged(4, func(h *types.Header) { h.Time = f.stale.Time }),
		"an old header":                        f.commitLie(func(h *types.SignedHeader) { *h = *f.stale }),
		"an old header with the height changed": f.commitLie(func(h *types.SignedHeader) {
			height, header := h.Height, *f.stale.Header
			header.Height = height
			h.Header, h.Commit = &header, f.stale.Commit
		}),
	}
}

// cut leaves the first signatures of a commit.
func cut(commit *types.Commit, signatures int) *types.Commit {
	short := commit.Clone()
	for i, signature := range short.Signatures {
		if signature.BlockIDFlag != types.BlockIDFlagCommit {
			continue
		}
		if signatures--; signatures < 0 {
			short.Signatures[i] = types.NewCommitSigAbsent()
		}
	}
	return short
}

// recordLies change the answer about the record as of f.height.
func (f *forgery) recordLies(t *testing.T) map[string]func(*abci.ResponseQuery) {
	sibling := f.ask(t, kmstypes.StoreKey, kmstypes.FencePrefix.Bytes(), f.height)
	require.NotEmpty(t, sibling.Value)
	stranger := f.ask(t, partiestypes.StoreKey, partiestypes.ParamsKey(), f.height)
	require.NotEmpty(t, stranger.Value)
	absent := f.ask(t, kmstypes.StoreKey, kmstypes.StoreKeyOfItemCounter(1), f.height)
	require.Empty(t, absent.Value)
	var params kmstypes.Params
	require.NoError(t, params.Unmarshal(f.after.Value))
	params.PauseResults = !params.PauseResults
	plausible, err := params.Marshal()
	require.NoError(t, err)
	flip := func(step, at int) func(*abci.ResponseQuery) {
		return func(r *abci.ResponseQuery) {
			data := r.ProofOps.Ops[step].Data
			data[(at+len(data))%len(data)] ^= 1
		}
	}
	give := func(other *abci.ResponseQuery) func(*abci.ResponseQuery) {
		return func(r *abci.ResponseQuery) { r.Value, r.ProofOps = other.Value, other.ProofOps }
	}
	return map[string]func(*abci.ResponseQuery){
		"a plausible value": func(r *abci.ResponseQuery) { r.Value = plausible },
		"a value cut short": func(r *abci.ResponseQuery) { r.Value = r.Value[:len(r.Value)-1] },
		"the value of the old state under the new proof": func(r *abci.ResponseQuery) { r.Value = f.before.Value },
		"the old state":                      give(f.before),
		"the old state that says its height": func(r *abci.ResponseQuery) { *r = *f.before },
		"the old state in the new tree":      func(r *abci.ResponseQuery) { r.Value = f.before.Value; r.ProofOps.Ops[0] = f.before.ProofOps.Ops[0] },
		"the old tree under the new hash":    func(r *abci.ResponseQuery) { r.Value = f.before.Value; r.ProofOps.Ops[1] = f.before.ProofOps.Ops[1] },
		"absence without a proof":            func(r *abci.ResponseQuery) { r.Value, r.ProofOps = nil, nil },
		"absence by the proof of presence":   func(r *abci.ResponseQuery) { r.Value = nil },
		"absence by that of another record":  give(absent),
		"absence by that of another record, relabelled": func(r *abci.ResponseQuery) {
			r.Value, r.ProofOps = nil, relabelled(absent, liedAbout, kmstypes.StoreKey)
		},
		"another record of the store": give(sibling),
		"another record of the store, relabelled": func(r *abci.ResponseQuery) {
			r.Value, r.ProofOps = sibling.Value, relabelled(sibling, liedAbout, kmstypes.StoreKey)
		},
		"the same key of another store": give(stranger),
		"the same key of another store, relabelled": func(r *abci.ResponseQuery) {
			r.Value, r.ProofOps = stranger.Value, relabelled(stranger, liedAbout, kmstypes.StoreKey)
		},
		"a changed leaf":           flip(0, 6),
		"a changed path":           flip(0, -1),
		"a changed path of stores": flip(1, -1),
		"a proof cut short":        func(r *abci.ResponseQuery) { r.ProofOps.Ops[0].Data = r.ProofOps.Ops[0].Data[:20] },
		"no proof":                 func(r *abci.ResponseQuery) { r.ProofOps = nil },
		"the tree's proof alone":   func(r *abci.ResponseQuery) { r.ProofOps.Ops = r.ProofOps.Ops[:1] },
	}
}

// relabelled is the proof of an answer under the names of another record.
func relabelled(r *abci.ResponseQuery, key []byte, store string) *cmtcrypto.ProofOps {
	ops := slices.Clone(r.ProofOps.Ops)
	ops[0].Key, ops[1].Key = key, []byte(store)
	return &cmtcrypto.ProofOps{Ops: ops}
}
