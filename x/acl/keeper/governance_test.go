package keeper_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	errorsmod "cosmossdk.io/errors"

	"github.com/cosmos/cosmos-sdk/types/query"

	"github.com/tkms-network/tkms/x/acl/acltest"
	"github.com/tkms-network/tkms/x/acl/qbft"
	"github.com/tkms-network/tkms/x/acl/types"
)

func TestOnlyGovernanceChangesRecordsAndParameters(t *testing.T) {
	f := newFixture(t)
	before := f.state()
	other := recordOf(acltest.New(4242, 4, "other chain"))
	for name, send := range map[string]func() error{
		"register": func() error {
			_, err := f.msgs.RegisterHostChain(f.ctx, &types.MsgRegisterHostChain{Authority: alice, HostChain: other})
			return err
		},
		"update": func() error {
			_, err := f.msgs.UpdateHostChain(f.ctx, &types.MsgUpdateHostChain{Authority: alice, HostChain: f.stored()})
			return err
		},
		"pause": func() error {
			_, err := f.msgs.SetHostChainPaused(f.ctx, &types.MsgSetHostChainPaused{Authority: alice, HostChainId: 31337, Paused: true})
			return err
		},
		"parameters": func() error {
			_, err := f.msgs.UpdateParams(f.ctx, &types.MsgUpdateParams{Authority: alice, Params: types.DefaultParams()})
			return err
		},
	} {
		require.ErrorIs(t, send(), types.ErrUnauthorized, name)
	}
	require.Equal(t, before, f.state())
}

func TestRecordsOutsideTheirBoundsAreRefused(t *testing.T) {
	f := newFixture(t)
	base := acltest.New(4242, 4, "other chain")
	for name, change := range map[string]func(h *types.HostChain){
		"id zero":                     func(h *types.HostChain) { h.Id = 0 },
		"no name":                     func(h *types.HostChain) { h.Name = "" },
		"name too long":               func(h *types.HostChain) { h.Name = strings.Repeat("x", 65) },
		"no header kind":              func(h *types.HostChain) { h.HeaderKind = 0 },
		"unknown header kind":         func(h *types.HostChain) { h.HeaderKind = 2 },
		"no validators":               func(h *types.HostChain) { h.Validators = nil },
		"a validator twice":           func(h *types.HostChain) { h.Validators[1] = h.Validators[0] },
		"a validator of 19 bytes":     func(h *types.HostChain) { h.Validators[1] = h.Validators[1][1:] },
		"unknown layout":              func(h *types.HostChain) { h.AclLayout = "fhevm-0.8" },
		"no ACL":                      func(h *types.HostChain) { h.Acl.Address = nil },
		"ACL at zero":                 func(h *types.HostChain) { h.Acl.Address = make([]byte, 20) },
		"short code hash of the ACL":  func(h *types.HostChain) { h.Acl.CodeHash = make([]byte, 31) },
		"no binding rule":             func(h *types.HostChain) { h.BindingRule = 0 },
		"registry at zero":            func(h *types.HostChain) { h.Registry.Address = make([]byte, 20) },
		"registry at the ACL":         func(h *types.HostChain) { h.Registry.Address = h.Acl.Address },
		"no code hash of registry":    func(h *types.HostChain) { h.Registry.CodeHash = nil },
		"short registry slot":         func(h *types.HostChain) { h.RegistrySlot = h.RegistrySlot[1:] },
		"no domain name":              func(h *types.HostChain) { h.VerifierDomain.Name = "" },
		"no domain version":           func(h *types.HostChain) { h.VerifierDomain.Version = "" },
		"domain chain zero":           func(h *types.HostChain) { h.VerifierDomain.ChainId = 0 },
		"no verifying contract":       func(h *types.HostChain) { h.VerifierDomain.VerifyingContract = nil },
		"price too high":              func(h *types.HostChain) { h.Fees.PublicDecryptionPerBlock = types.MaxPrice + 1 },
		"request price too high":      func(h *types.HostChain) { h.Fees.PerRequest = types.MaxPrice + 1 },
		"user price too high":         func(h *types.HostChain) { h.Fees.UserDecryptionPerBlock = types.MaxPrice + 1 },
		"too many bits":               func(h *types.HostChain) { h.Limits.MaxUserDecryptionBits = types.MaxUserDecryptionBits + 1 },
		"delegations above freshness": func(h *types.HostChain) { h.Freshness.DelegationMaxAgeSeconds = h.Freshness.MaxAgeSeconds + 1 },
		"too many wallets":            func(h *types.HostChain) { h.Wallets = make([]types.WalletRule, types.MaxWallets+1) },
		"no wallet kind":              func(h *types.HostChain) { h.Wallets[0].Kind = 0 },
		"unknown wallet kind":         func(h *types.HostChain) { h.Wallets[0].Kind = 2 },
		"short code hash of a wallet": func(h *types.HostChain) { h.Wallets[0].CodeHash = make([]byte, 31) },
		"no wallet implementation":    func(h *types.HostChain) { h.Wallets[0].Implementation = nil },
		"wallet at zero":              func(h *types.HostChain) { h.Wallets[0].Implementation = make([]byte, 20) },
		"a wallet rule twice":         func(h *types.HostChain) { h.Wallets = append(h.Wallets, h.Wallets[0]) },
		"no handles in a request":     func(h *types.HostChain) { h.Limits.MaxHandlesPerRequest = 0 },
		"too many handles":            func(h *types.HostChain) { h.Limits.MaxHandlesPerRequest = types.MaxHandles + 1 },
		"no blocks in a request":      func(h *types.HostChain) { h.Limits.MaxBlocksPerRequest = 0 },
		"a window below a request":    func(h *types.HostChain) { h.Limits.MaxBlocksPerWindow = 1023 },
		"no window":                   func(h *types.HostChain) { h.Limits.WindowBlocks = 0 },
		"no deadline":                 func(h *types.HostChain) { h.Limits.DeadlineBlocks = 0 },
		"no freshness":                func(h *types.HostChain) { h.Freshness.MaxAgeSeconds = 0 },
		"freshness over a week":       func(h *types.HostChain) { h.Freshness.MaxAgeSeconds = types.MaxHeaderAge + 1 },
		"headers too far ahead":       func(h *types.HostChain) { h.Freshness.MaxAheadSeconds = types.MaxHeaderAhead + 1 },
		"too many endpoints":          func(h *types.HostChain) { h.BlobEndpoints = make([]string, types.MaxEndpoints+1) },
		"an endpoint of another kind": func(h *types.HostChain) { h.BlobEndpoints[0] = "file:///etc/passwd" },
		"an endpoint without host":    func(h *types.HostChain) { h.BlobEndpoints[0] = "http:///blobs" },
		"an endpoint with a space":    func(h *types.HostChain) { h.BlobEndpoints[0] = "http://host/a b" },
		"an endpoint too long":        func(h *types.HostChain) { h.BlobEndpoints[0] = "http://" + strings.Repeat("x", 256) },
		"verifier at zero":            func(h *types.HostChain) { h.Verifier.Address = make([]byte, 20) },
		"verifier at the ACL":         func(h *types.HostChain) { h.Verifier.Address = h.Acl.Address },
		"verifier at the registry":    func(h *types.HostChain) { h.Verifier.Address = h.Registry.Address },
		"short code hash of verifier": func(h *types.HostChain) { h.Verifier.CodeHash = make([]byte, 31) },
		"unknown layout of verifier":  func(h *types.HostChain) { h.VerifierLayout = "fhevm-0.11" },
		"no layout of the verifier":   func(h *types.HostChain) { h.VerifierLayout = "" },
		"a layout, and no verifier":   func(h *types.HostChain) { h.Verifier = nil },
		"too many simulated parts":    func(h *types.HostChain) { h.Simulated = make([]string, types.MaxSimulated+1) },
		"a simulated part unnamed":    func(h *types.HostChain) { h.Simulated[0] = "" },
	} {
		t.Run(name, func(t *testing.T) {
			before := f.state()
			record := recordOf(base)
			change(&record)
			_, err := f.msgs.RegisterHostChain(f.ctx, &types.MsgRegisterHostChain{Authority: governance, HostChain: record})
			require.ErrorIs(t, err, types.ErrInvalidHostChain)
			require.Equal(t, before, f.state())
		})
	}
	f.register(base)
}

func TestHostChainsThatCouldBeTakenForEachOtherAreRefused(t *testing.T) {
	f := newFixture(t)
	other := acltest.New(4242, 4, "other chain")
	register := func(record types.HostChain) error {
		_, err := f.msgs.RegisterHostChain(f.ctx, &types.MsgRegisterHostChain{Authority: governance, HostChain: record})
		return err
	}
	require.ErrorIs(t, register(recordOf(f.chain)), types.ErrHostChainExists)

	domain := recordOf(other)
	domain.VerifierDomain = f.stored().VerifierDomain
	require.ErrorIs(t, register(domain), types.ErrDomainTaken)

	shared := recordOf(other)
	copy(shared.Validators, f.stored().Validators[:3])
	require.ErrorIs(t, register(shared), types.ErrValidatorsShared)

	require.NoError(t, register(recordOf(other)))
	update := recordOf(other)
	update.VerifierDomain = f.stored().VerifierDomain
	_, err := f.msgs.UpdateHostChain(f.ctx, &types.MsgUpdateHostChain{Authority: governance, HostChain: update})
	require.ErrorIs(t, err, types.ErrDomainTaken)
}

func TestAnUpdateNeverGoesBackToOlderValidators(t *testing.T) {
	f := newFixture(t)
	prepared := f.stored()
	f.grow()
	_, err := f.submit(f.chain.Sealed(30, now))
	require.NoError(t, err)
	update := func(record types.HostChain) error {
		_, err := f.msgs.UpdateHostChain(f.ctx, &types.MsgUpdateHostChain{Authority: governance, HostChain: record})
		return err
	}
	require.ErrorIs(t, update(prepared), types.ErrInvalidHostChain)
	prepared.ValidatorsHeight = 30
	require.ErrorIs(t, update(prepared), types.ErrInvalidHostChain, "another set for the height that is known")
	require.Len(t, f.headers(), 1)

	kept := f.stored()
	kept.Name = "renamed"
	require.NoError(t, update(kept))
	require.Len(t, f.headers(), 1, "headers of the same set stay verified")

	prepared.ValidatorsHeight = 31
	require.NoError(t, update(prepared))
	require.Empty(t, f.headers())
	require.Equal(t, prepared, f.stored())

	unknown := recordOf(acltest.New(4242, 4, "other chain"))
	require.ErrorIs(t, update(unknown), types.ErrUnknownHostChain)
}

func TestAnUpdateLeavesThePauseSwitchAlone(t *testing.T) {
	f := newFixture(t)
	prepared := f.stored()
	_, err := f.msgs.SetHostChainPaused(f.ctx, &types.MsgSetHostChainPaused{Authority: governance, HostChainId: 31337, Paused: true})
	require.NoError(t, err)
	_, err = f.msgs.UpdateHostChain(f.ctx, &types.MsgUpdateHostChain{Authority: governance, HostChain: prepared})
	require.NoError(t, err)
	require.True(t, f.stored().Paused)
	_, err = f.msgs.SetHostChainPaused(f.ctx, &types.MsgSetHostChainPaused{Authority: governance, HostChainId: 1, Paused: true})
	require.ErrorIs(t, err, types.ErrUnknownHostChain)
}

func TestAFrozenHostChainIsFreedOnlyAboveTheFork(t *testing.T) {
	f := newFixture(t)
	prepared := f.stored()
	_, err := f.msgs.SubmitForkEvidence(f.ctx, &types.MsgSubmitForkEvidence{
		Sender: alice, HostChainId: 31337, HeaderA: f.chain.Sealed(20, now), HeaderB: f.chain.Sealed(20, now+1),
	})
	require.NoError(t, err)
	update := func(record types.HostChain) error {
		_, err := f.msgs.UpdateHostChain(f.ctx, &types.MsgUpdateHostChain{Authority: governance, HostChain: record})
		return err
	}
	require.ErrorIs(t, update(prepared), types.ErrInvalidHostChain, "a proposal from before the fork")
	prepared.ValidatorsHeight = 20
	require.ErrorIs(t, update(prepared), types.ErrInvalidHostChain)
	prepared.ValidatorsHeight = 21
	require.NoError(t, update(prepared))
	_, err = f.keeper.VerifyPublicDecryption(f.ctx, 31337, f.fresh(21, f.one), words(f.one), nil)
	require.NoError(t, err)
}

func TestParametersOutsideTheirBoundsAreRefused(t *testing.T) {
	f := newFixture(t)
	for name, change := range map[string]func(p *types.Params){
		"cache too large":       func(p *types.Params) { p.HeaderCache = types.MaxHeaderCache + 1 },
		"seal too dear":         func(p *types.Params) { p.GasPerSeal = types.MaxGasPrice + 1 },
		"node too dear":         func(p *types.Params) { p.GasPerProofNode = types.MaxGasPrice + 1 },
		"no header bytes":       func(p *types.Params) { p.MaxHeaderBytes = 0 },
		"too many header bytes": func(p *types.Params) { p.MaxHeaderBytes = qbft.MaxHeaderSize + 1 },
		"no proof bytes":        func(p *types.Params) { p.MaxProofBytes = 0 },
		"too many proof bytes":  func(p *types.Params) { p.MaxProofBytes = types.MaxProofBytes + 1 },
	} {
		params := types.DefaultParams()
		change(&params)
		_, err := f.msgs.UpdateParams(f.ctx, &types.MsgUpdateParams{Authority: governance, Params: params})
		require.ErrorIs(t, err, types.ErrInvalidParams, name)
	}
	params := types.DefaultParams()
	params.HeaderCache = 7
	_, err := f.msgs.UpdateParams(f.ctx, &types.MsgUpdateParams{Authority: governance, Params: params})
	require.NoError(t, err)
	response, err := f.queries.Params(f.ctx, &types.QueryParamsRequest{})
	require.NoError(t, err)
	require.Equal(t, params, response.Params)
}

func TestGenesisExportsAndImports(t *testing.T) {
	f := newFixture(t)
	f.register(acltest.New(4242, 7, "other chain"))
	f.grow()
	_, err := f.submit(f.chain.Sealed(30, now))
	require.NoError(t, err)
	_, err = f.submit(f.chain.Sealed(40, now))
	require.NoError(t, err)
	exported, err := f.keeper.ExportGenesis(f.ctx)
	require.NoError(t, err)
	require.NoError(t, exported.Validate())
	require.Equal(t, []types.LatestHeight{{HostChainId: 31337, Height: 40}}, exported.LatestHeights)

	fresh := emptyFixture(t)
	require.NoError(t, fresh.keeper.InitGenesis(fresh.ctx, *exported))
	again, err := fresh.keeper.ExportGenesis(fresh.ctx)
	require.NoError(t, err)
	require.Equal(t, exported, again)
	_, err = fresh.keeper.VerifyPublicDecryption(fresh.ctx, 31337, f.fresh(41, f.one), words(f.one), nil)
	require.NoError(t, err)
}

func TestInconsistentGenesisIsRefused(t *testing.T) {
	one, two := recordOf(acltest.New(1, 4, "a")), recordOf(acltest.New(2, 4, "b"))
	for name, change := range map[string]func(g *types.GenesisState){
		"invalid parameters":   func(g *types.GenesisState) { g.Params.MaxHeaderBytes = 0 },
		"invalid record":       func(g *types.GenesisState) { g.HostChains[0].Name = "" },
		"a chain twice":        func(g *types.GenesisState) { g.HostChains[1] = g.HostChains[0] },
		"a domain twice":       func(g *types.GenesisState) { g.HostChains[1].VerifierDomain = g.HostChains[0].VerifierDomain },
		"validators twice":     func(g *types.GenesisState) { g.HostChains[1].Validators = g.HostChains[0].Validators },
		"a height of no chain": func(g *types.GenesisState) { g.LatestHeights = []types.LatestHeight{{HostChainId: 3}} },
		"a height twice": func(g *types.GenesisState) {
			g.LatestHeights = []types.LatestHeight{{HostChainId: 1}, {HostChainId: 1}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			state := types.DefaultGenesis()
			state.HostChains = []types.HostChain{one, two}
			require.NoError(t, state.Validate())
			change(state)
			require.Error(t, state.Validate())
			f := emptyFixture(t)
			require.Error(t, f.keeper.InitGenesis(f.ctx, *state))
		})
	}
}

func TestHostChainsAreQueriedOneByOneAndInPages(t *testing.T) {
	f := newFixture(t)
	f.register(acltest.New(4242, 4, "other chain"))
	one, err := f.queries.HostChain(f.ctx, &types.QueryHostChainRequest{Id: 31337})
	require.NoError(t, err)
	require.Equal(t, f.stored(), one.HostChain)
	_, err = f.queries.HostChain(f.ctx, &types.QueryHostChainRequest{Id: 1})
	require.ErrorContains(t, err, "not registered")

	page, err := f.queries.HostChains(f.ctx, &types.QueryHostChainsRequest{Pagination: &query.PageRequest{Limit: 1}})
	require.NoError(t, err)
	require.Len(t, page.HostChains, 1)
	require.Equal(t, uint64(4242), page.HostChains[0].Id)
	page, err = f.queries.HostChains(f.ctx, &types.QueryHostChainsRequest{Pagination: &query.PageRequest{Key: page.Pagination.NextKey}})
	require.NoError(t, err)
	require.Equal(t, []types.HostChain{f.stored()}, page.HostChains)
}

func TestValidatorsAreStoredInOneOrder(t *testing.T) {
	f := newFixture(t)
	validators := f.stored().Validators
	for i := 1; i < len(validators); i++ {
		require.Negative(t, bytes.Compare(validators[i-1], validators[i]))
	}
}

func TestErrorCodesStayWhatClientsKnow(t *testing.T) {
	for code, err := range map[uint32]*errorsmod.Error{
		2: types.ErrUnauthorized, 3: types.ErrInvalidParams, 4: types.ErrInvalidHostChain, 5: types.ErrUnknownHostChain,
		6: types.ErrHostChainExists, 7: types.ErrHostChainPaused, 8: types.ErrHostChainFrozen, 9: types.ErrDomainTaken,
		10: types.ErrValidatorsShared, 11: types.ErrMalformedHeader, 12: types.ErrBadSeal, 13: types.ErrStranger,
		14: types.ErrNoQuorum, 15: types.ErrForeignValidators, 16: types.ErrNoSuccession, 17: types.ErrStaleHeader,
		18: types.ErrFutureHeader, 19: types.ErrHeightTooLow, 20: types.ErrConflictingHeader, 21: types.ErrNoFork,
		22: types.ErrMalformedProof, 23: types.ErrBadAccountProof, 24: types.ErrBadStorageProof, 25: types.ErrForeignCode,
		26: types.ErrForeignHandle, 27: types.ErrUnknownHandleVersion, 28: types.ErrNotPermitted, 29: types.ErrNoDigest,
		30: types.ErrDigestMismatch, 31: types.ErrOwnerNotAllowed, 32: types.ErrContractNotAllowed, 33: types.ErrContractIsOwner,
		34: types.ErrNoDelegation, 35: types.ErrDelegationRevoked, 36: types.ErrDelegationExpired, 37: types.ErrDelegationOff,
		38: types.ErrStaleDelegation, 39: types.ErrUnknownWallet, 40: types.ErrNotApproved,
	} {
		require.Equal(t, code, err.ABCICode(), err.Error())
		require.Equal(t, "acl", err.Codespace())
	}
}
