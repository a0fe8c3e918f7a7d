package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/client"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/query"

	"github.com/tkms-network/tkms/enclave/tfhe"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	"github.com/tkms-network/tkms/x/parties/types"
)

var testTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func register(b byte) []byte { return bytes.Repeat([]byte{b}, 48) }

func image(b byte) types.Measurement {
	return types.Measurement{TeeType: types.TEETypeNitro, Pcr0: register(b), Pcr1: register(2), Pcr2: register(3)}
}

// network has sixteen parties of which the first n hold a production key.
func network(n int) *Snapshot {
	s := &Snapshot{
		Authority: alice.String(), Now: testTime, Params: types.DefaultParams(), Bonds: map[uint64]uint64{},
		Keys: []kmstypes.Key{{Id: digest(9), Params: tfhe.NameProduction, Status: kmstypes.KEY_STATUS_ACTIVE, EpochId: 3}},
	}
	s.Params.Measurements = []types.Measurement{image(1)}
	s.Active = types.Epoch{Id: 3, Status: types.EPOCH_STATUS_ACTIVE, T: uint32((n - 1) / 3), CreatedHeight: 5}
	for i := range 16 {
		id := uint64(i + 1)
		s.Parties = append(s.Parties, types.Party{
			Id: id, Moniker: string(rune('a' + i)), Operator: alice.String(), TeeType: types.TEETypeNitro, Pcr0: register(1),
			AttestedUntil: testTime.Add(100 * time.Hour),
		})
		if i < n {
			s.Active.Members = append(s.Active.Members, types.Member{Index: uint32(i + 1), PartyId: id})
		}
	}
	return s
}

func TestWhoSitsAfterARotation(t *testing.T) {
	present := []uint64{1, 2, 3, 4}
	for name, c := range map[string]struct {
		wish Wish
		want []uint64
		err  error
	}{
		"a refresh":             {wish: Wish{Refresh: true}},
		"another t":             {wish: Wish{T: 1}},
		"all anew":              {wish: Wish{Members: []uint64{4, 3, 2, 5}}, want: []uint64{4, 3, 2, 5}},
		"three more":            {wish: Wish{Add: []uint64{7, 6, 5}}, want: []uint64{1, 2, 3, 4, 7, 6, 5}},
		"in the same seat":      {wish: Wish{Replace: []Swap{{2, 5}}}, want: []uint64{1, 5, 3, 4}},
		"one for three":         {wish: Wish{Remove: []uint64{1, 2, 3, 4}, Add: []uint64{5}}, want: []uint64{5}},
		"nobody's seat":         {wish: Wish{Replace: []Swap{{5, 6}}}, err: ErrWish},
		"who has none":          {wish: Wish{Remove: []uint64{5}}, err: ErrWish},
		"refreshed and changed": {wish: Wish{Refresh: true, Add: []uint64{5}}, err: ErrWish},
		"refreshed and named":   {wish: Wish{Refresh: true, Members: []uint64{5}}, err: ErrWish},
		"named and changed":     {wish: Wish{Members: []uint64{5}, Remove: []uint64{1}}, err: ErrWish},
	} {
		got, err := c.wish.committee(present)
		require.ErrorIs(t, err, c.err, name)
		require.Equal(t, c.want, got, name)
	}
	require.Equal(t, []uint64{1, 2, 3, 4}, present)
}

func TestAWishBecomesTheMessagesThatTheChainTakes(t *testing.T) {
	every := uint64(1000)
	s := network(4)
	list, err := Wish{RefreshEvery: &every}.messages(s)
	require.NoError(t, err)
	require.Len(t, list, 1)
	params := list[0].(*types.MsgUpdateParams)
	require.Equal(t, every, params.Params.RefreshBlocks)
	params.Params.RefreshBlocks = 0
	require.Equal(t, s.Params, params.Params, "all others stay")

	next := Image{TeeType: types.TEETypeNitro, Pcr0: strings.Repeat("07", 48), Pcr1: strings.Repeat("02", 48), Pcr2: strings.Repeat("03", 48)}
	old := next
	old.Pcr0 = strings.Repeat("AQEB", 16)
	list, err = Wish{Refresh: true, RefreshEvery: &every, Accepts: []Image{next}, Rejects: []Image{old}}.messages(s)
	require.NoError(t, err)
	require.Equal(t, &types.MsgRotate{
		Authority: alice.String(), Accepts: []types.Measurement{image(7)}, Rejects: []types.Measurement{image(1)},
	}, list[1], "hexadecimal and base64")

	for name, c := range map[string]struct {
		wish Wish
		want error
	}{
		"nothing":                {Wish{Title: "x"}, ErrNothing},
		"a stranger":             {Wish{Replace: []Swap{{4, 17}}}, types.ErrUnknownParty},
		"two seats":              {Wish{Replace: []Swap{{4, 1}}}, ErrWish},
		"five members":           {Wish{Add: []uint64{5}}, types.ErrInvalidCommittee},
		"too large a t":          {Wish{Members: []uint64{1, 2, 3, 4}, T: 2}, types.ErrInvalidCommittee},
		"a short register":       {Wish{Accepts: []Image{{TeeType: "nitro", Pcr0: "00"}}}, ErrFile},
		"no hexadecimal":         {Wish{Rejects: []Image{{TeeType: "nitro", Pcr0: strings.Repeat("zz", 48)}}}, ErrFile},
		"a rehearsed upgrade":    {Wish{Rehearsal: true, Accepts: []Image{next}}, types.ErrInvalidMessage},
		"refreshed all the time": {Wish{RefreshEvery: ptr(uint64(1) << 60)}, types.ErrInvalidParams},
	} {
		_, err := c.wish.messages(s)
		require.ErrorIs(t, err, c.want, name)
	}
}

func ptr[T any](v T) *T { return &v }

func TestFlagsAndAFileSayTheSame(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "image.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"tee_type":"nitro","pcr0":"x","note":"v2"}`), 0o600))
	parse := func(args ...string) (Wish, error) {
		cmd := &cobra.Command{}
		addWishFlags(cmd)
		require.NoError(t, cmd.Flags().Parse(args))
		return wishOf(cmd.Flags(), strings.NewReader(`{"replace":[{"old":4,"new":5}],"t":1,"refresh_every":0,"title":"x"}`))
	}
	w, err := parse("--members=1,2", "--members=3", "--add=4", "--remove=5,6", "--replace=7=8", "--t=1", "--accept-measurement", file,
		"--reject-measurement", file, "--refresh-every=0", "--rehearsal", "--refresh")
	require.NoError(t, err)
	v2 := []Image{{TeeType: "nitro", Pcr0: "x", Note: "v2"}}
	require.Equal(t, Wish{
		Refresh: true, Members: []uint64{1, 2, 3}, Add: []uint64{4}, Remove: []uint64{5, 6}, Replace: []Swap{{7, 8}}, T: 1,
		Accepts: v2, Rejects: v2, RefreshEvery: ptr(uint64(0)), Rehearsal: true,
	}, w)
	w, err = parse("--file=-")
	require.NoError(t, err)
	require.Equal(t, Wish{Replace: []Swap{{4, 5}}, T: 1, RefreshEvery: ptr(uint64(0)), Title: "x"}, w)
	w, err = parse()
	require.NoError(t, err)
	require.Zero(t, w)
	for _, wrong := range []string{"--members=x", "--add=0", "--replace=4", "--replace=4=x", "--replace=x=4"} {
		_, err = parse(wrong)
		require.ErrorIs(t, err, ErrWish, wrong)
	}
	_, err = parse("--accept-measurement", filepath.Join(dir, "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func FuzzReadWish(f *testing.F) {
	f.Add(`{"members":[1,2,3,4],"accept_measurements":[{"tee_type":"nitro"}]}`)
	f.Add(`{"refresh":true} {}`)
	f.Add(`{"unknown":1}`)
	s := network(4)
	f.Fuzz(func(t *testing.T, raw string) {
		w, err := readWish("-", strings.NewReader(raw))
		if err != nil {
			require.ErrorIs(t, err, ErrFile)
			return
		}
		if list, err := w.messages(s); err == nil {
			_, err = planOf(list, s)
			require.NoError(t, err)
		}
	})
}

func TestAFileHoldsNothingElse(t *testing.T) {
	for name, raw := range map[string]string{
		"nothing": "", "no JSON": "{", "an unknown field": `{"member":[1]}`, "another document": "{} {}", "too much": "{}" + strings.Repeat(" ", maxFileBytes),
	} {
		_, err := readWish("-", strings.NewReader(raw))
		require.ErrorIs(t, err, ErrFile, name)
	}
}

func outlookOf(t *testing.T, s *Snapshot, w Wish) *Outlook {
	t.Helper()
	_, outlook, err := w.proposal(s)
	require.NoError(t, err)
	return outlook
}

func TestTheOutlookShowsWhoComesAndGoesAndWhatIsSurvived(t *testing.T) {
	s := network(4)
	s.Active.Absences = []types.Absence{{Index: 2, Excluded: true}}
	o := outlookOf(t, s, Wish{Add: []uint64{5, 6, 7, 8}, Remove: []uint64{2}})
	require.Equal(t, 0, o.Before.Margin, "one is excluded already")
	require.Equal(t, []int{7, 2, 2}, []int{o.After.N, o.After.T, o.After.Margin})
	require.Equal(t, []Seat{{2, 2, "b", alice.String()}}, o.Leaves)
	require.Len(t, o.Joins, 4)
	require.Empty(t, o.Warnings)

	var text strings.Builder
	require.NoError(t, printOutlook(&text, "text", o))
	for _, part := range []string{
		"rotation ", "of epoch 3", "4 -> 7", "1 -> 2", "0 -> 2 more failures", "+ member 4", "party 5 (e), its operator has to accept",
		"  member 2", "- member", "party 2 (b)", "production,", "(estimates)",
	} {
		require.Contains(t, text.String(), part)
	}
	text.Reset()
	require.NoError(t, printOutlook(&text, "json", o))
	var read Outlook
	require.NoError(t, json.Unmarshal([]byte(text.String()), &read))
	require.Equal(t, *o, read)
}

func TestAnOutlookOfAnUpgradeAndOfTheCadence(t *testing.T) {
	s := network(4)
	o := outlookOf(t, s, Wish{RefreshEvery: ptr(uint64(500))})
	require.Equal(t, &Change{0, 500}, o.RefreshBlocks)
	require.Nil(t, o.After)

	next := imageOf(image(7))
	next.Note = "v2\x1b[2J"
	o = outlookOf(t, s, Wish{Accepts: []Image{next}, Rejects: []Image{imageOf(image(1))}})
	require.Equal(t, []Image{next}, o.Accepts)
	require.Equal(t, []Image{imageOf(image(1))}, o.Rejects)
	require.Len(t, o.Warnings, 4, "all members run the old image")
	var text strings.Builder
	require.NoError(t, printOutlook(&text, "text", o))
	require.Contains(t, text.String(), "refresh ")
	require.NotContains(t, text.String(), "\x1b")
}

func TestWhatSpeaksAgainstARotationIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		n     int
		wish  Wish
		spoil func(*Snapshot)
		want  string
	}{
		"sixteen members":    {n: 13, wish: Wish{Add: []uint64{14, 15, 16}}, want: "kms/42"},
		"thirteen members":   {n: 10, wish: Wish{Add: []uint64{11, 12, 13}}, want: "no production key"},
		"a small t":          {n: 7, wish: Wish{Members: []uint64{1, 2, 3, 4, 5, 6, 7}, T: 1}, want: "kms/42"},
		"a newcomer":         {n: 4, wish: Wish{Replace: []Swap{{4, 5}}, Rehearsal: true}, want: "gives party 5 shares"},
		"one member":         {n: 4, wish: Wish{Members: []uint64{1}}, want: "alone"},
		"a removed party":    {n: 4, spoil: func(s *Snapshot) { s.Parties[3].Removed = true }, want: "was removed"},
		"a lapsed one":       {n: 4, spoil: func(s *Snapshot) { s.Parties[3].AttestedUntil = testTime }, want: "no valid attestation"},
		"one about to lapse": {n: 4, spoil: func(s *Snapshot) { s.Parties[3].AttestedUntil = testTime.Add(time.Hour) }, want: "only"},
		"a simulation":       {n: 4, spoil: func(s *Snapshot) { s.Parties[3].Simulated = true }, want: "simulated"},
		"no bond":            {n: 4, spoil: func(s *Snapshot) { s.Params.MinBond = 5; s.Bonds[4] = 4; s.Bonds[1], s.Bonds[2], s.Bonds[3] = 5, 5, 5 }, want: "bond of 4 of the 5"},
		"an image too old":   {n: 4, spoil: func(s *Snapshot) { s.Parties[3].Pcr0 = register(8) }, want: "cannot renew"},
		"a draining epoch": {n: 4, spoil: func(s *Snapshot) {
			s.Others = []types.Epoch{{Id: 2, Status: types.EPOCH_STATUS_DRAINING, DrainDeadline: 77}}
		}, want: "until block 77"},
		"another rotation": {n: 4, spoil: func(s *Snapshot) { s.Others = []types.Epoch{{Id: 4, Status: types.EPOCH_STATUS_PROVING}} }, want: "in the making"},
		"a rehearsal": {n: 4, spoil: func(s *Snapshot) {
			s.Others = []types.Epoch{{Id: 4, Status: types.EPOCH_STATUS_PROVING, Rehearsal: true}}
		}, want: "rehearsal under way (epoch 4) ends"},
	} {
		s := network(c.n)
		if c.spoil != nil {
			c.spoil(s)
			c.wish.Refresh = true
		}
		warnings := outlookOf(t, s, c.wish).Warnings
		require.Condition(t, func() bool {
			return slices.ContainsFunc(warnings, func(w string) bool { return strings.Contains(w, c.want) })
		}, "%s: %v", name, warnings)
	}
}

// What BenchmarkReshare of enclave/protocol/reshare counts that the busiest member sends.
func TestTheEstimateIsWhatWasMeasured(t *testing.T) {
	s := network(4)
	for n2, want := range map[int]struct{ bytes, seconds float64 }{4: {10.89e6, 0.195}, 7: {19.05e6, 0.408}} {
		cost, err := costOf(s.Keys, 4, 1, n2, (n2-1)/3, false)
		require.NoError(t, err)
		require.InEpsilon(t, want.bytes, float64(cost.BytesPerParty), 0.02)
		processor := cost.Seconds - float64(cost.BytesPerParty)/linkBytesPerSecond - phaseSeconds
		require.InEpsilon(t, want.seconds, processor, 0.02)
	}
	dealt, err := costOf(s.Keys, 13, 4, 16, 5, true)
	require.NoError(t, err)
	require.True(t, dealt.Dealt)
	none, err := costOf(nil, 4, 1, 7, 2, false)
	require.NoError(t, err)
	require.Zero(t, none.Seconds)
	_, err = costOf([]kmstypes.Key{{Id: digest(1), Params: "unknown"}}, 4, 1, 4, 1, false)
	require.ErrorIs(t, err, tfhe.ErrUnknownParameters)
}

func TestAProposalOfGovernanceIsReadWhole(t *testing.T) {
	s := network(4)
	rotate := &types.MsgRotate{Authority: alice.String()}
	for name, c := range map[string]struct {
		list []sdk.Msg
		want error
	}{
		"two rotations": {[]sdk.Msg{rotate, rotate}, ErrWish},
		"none of it":    {[]sdk.Msg{&types.MsgFormCommittee{}}, ErrNothing},
		"unknown image": {[]sdk.Msg{&types.MsgSetMeasurement{Measurement: image(9), Remove: true}}, types.ErrUnknownMeasurement},
	} {
		_, err := planOf(c.list, s)
		require.ErrorIs(t, err, c.want, name)
	}
	plan, err := planOf([]sdk.Msg{&types.MsgFormCommittee{}, &types.MsgSetMeasurement{Measurement: image(1), Remove: true}, rotate}, s)
	require.NoError(t, err)
	o, err := plan.outlook(s)
	require.NoError(t, err)
	require.Equal(t, []Image{imageOf(image(1))}, o.Rejects)
	_, err = (&Plan{Rotate: &types.MsgRotate{PartyIds: []uint64{99}}, Params: s.Params}).outlook(s)
	require.ErrorIs(t, err, types.ErrUnknownParty)
}

func TestAProposalIsNamedOrSaid(t *testing.T) {
	cmd := newRehearseCommand()
	require.NoError(t, cmd.Flags().Parse([]string{"--refresh"}))
	_, err := planFrom(cmd, client.Context{}, []string{"7"}, network(4))
	require.ErrorIs(t, err, ErrWish)
	plan, err := planFrom(cmd, client.Context{}, nil, network(4))
	require.NoError(t, err)
	require.NotNil(t, plan.Rotate)

	file := filepath.Join(t.TempDir(), "proposal.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"replace":[{"old":4,"new":5}]}`), 0o600))
	plan, err = planFrom(newRehearseCommand(), client.Context{}, []string{file}, network(4))
	require.NoError(t, err)
	require.Equal(t, []uint64{1, 2, 3, 5}, plan.Rotate.PartyIds)
}

func TestAnOperatorRehearsesARefreshOnly(t *testing.T) {
	s := network(4)
	plan := &Plan{Rotate: &types.MsgRotate{PartyIds: []uint64{2, 1, 3, 4}, Accepts: []types.Measurement{image(7)}}, Params: s.Params}
	msg, err := plan.rehearsal(s, alice)
	require.NoError(t, err)
	require.Equal(t, &types.MsgRotate{Authority: alice.String(), PartyIds: []uint64{2, 1, 3, 4}, Rehearsal: true}, msg)
	plan.Rotate.PartyIds[0] = 5
	_, err = plan.rehearsal(s, alice)
	require.ErrorIs(t, err, ErrGovernance)
	_, err = (&Plan{}).rehearsal(s, alice)
	require.ErrorIs(t, err, ErrNothing)
}

// chain answers queries from a snapshot.
type chain struct {
	snapshot *Snapshot
	// epochs are what asking for one epoch answers, one after the other.
	epochs []types.Epoch
}

type partiesOf struct {
	types.QueryClient
	*chain
}

type keysOf struct {
	kmstypes.QueryClient
	*chain
}

func (c partiesOf) Params(context.Context, *types.QueryParamsRequest, ...grpc.CallOption) (*types.QueryParamsResponse, error) {
	return &types.QueryParamsResponse{Params: c.snapshot.Params}, nil
}

func (c partiesOf) Parties(_ context.Context, req *types.QueryPartiesRequest, _ ...grpc.CallOption) (*types.QueryPartiesResponse, error) {
	if len(req.Pagination.Key) == 0 {
		return &types.QueryPartiesResponse{Parties: c.snapshot.Parties[:10], Pagination: &query.PageResponse{NextKey: []byte{1}}}, nil
	}
	return &types.QueryPartiesResponse{Parties: c.snapshot.Parties[10:]}, nil
}

func (c partiesOf) Bond(_ context.Context, req *types.QueryBondRequest, _ ...grpc.CallOption) (*types.QueryBondResponse, error) {
	return &types.QueryBondResponse{Bond: types.Bond{Amount: req.PartyId}}, nil
}

func (c partiesOf) Epochs(context.Context, *types.QueryEpochsRequest, ...grpc.CallOption) (*types.QueryEpochsResponse, error) {
	return &types.QueryEpochsResponse{Epochs: []types.Epoch{{Id: 4, Status: types.EPOCH_STATUS_PROVING}, c.snapshot.Active, {Id: 2, Status: types.EPOCH_STATUS_DRAINING}, {Id: 1, Status: types.EPOCH_STATUS_RETIRED}}}, nil
}

func (c partiesOf) Epoch(_ context.Context, req *types.QueryEpochRequest, _ ...grpc.CallOption) (*types.QueryEpochResponse, error) {
	if req.Id == 0 && c.snapshot.Active.Id == 0 {
		return nil, status.Error(codes.NotFound, "no epoch is active")
	}
	if req.Id == 0 {
		return &types.QueryEpochResponse{Epoch: c.snapshot.Active}, nil
	}
	epoch := c.epochs[0]
	if len(c.epochs) > 1 {
		c.epochs = c.epochs[1:]
	}
	return &types.QueryEpochResponse{Epoch: epoch}, nil
}

func (c keysOf) Keys(context.Context, *kmstypes.QueryKeysRequest, ...grpc.CallOption) (*kmstypes.QueryKeysResponse, error) {
	other, retired := c.snapshot.Keys[0], c.snapshot.Keys[0]
	other.EpochId, retired.Status = 2, kmstypes.KEY_STATUS_RETIRED
	return &kmstypes.QueryKeysResponse{Keys: []kmstypes.Key{other, c.snapshot.Keys[0], retired}}, nil
}

func TestTheSnapshotIsWhatANodeAnswers(t *testing.T) {
	want := network(4)
	c := &chain{snapshot: want}
	got, err := take(t.Context(), partiesOf{chain: c}, keysOf{chain: c}, testTime)
	require.NoError(t, err)
	require.Len(t, got.Parties, 16)
	require.Equal(t, want.Keys, got.Keys, "those that the active epoch holds")
	require.EqualValues(t, 7, got.Bonds[7])
	require.Equal(t, []uint64{2, 4}, []uint64{got.Others[0].Id, got.Others[1].Id})
	want.Active = types.Epoch{}
	_, err = take(t.Context(), partiesOf{chain: c}, keysOf{chain: c}, testTime)
	var hint interface{ Hint() string }
	require.ErrorAs(t, err, &hint)
	require.Contains(t, hint.Hint(), "form-committee")
}

func TestARehearsalIsFollowedToItsEnd(t *testing.T) {
	epochs := []types.Epoch{
		{Id: 4, Status: types.EPOCH_STATUS_COMMITTING, Attempt: 1},
		{Id: 4, Status: types.EPOCH_STATUS_COMMITTING, Attempt: 1},
		{Id: 4, Status: types.EPOCH_STATUS_RESHARING, Attempt: 1, Resharing: &types.Resharing{Attempt: 2}},
		{Id: 4, Status: types.EPOCH_STATUS_REHEARSED, Attempt: 1, Resharing: &types.Resharing{Attempt: 2}},
	}
	follow := func(asJSON bool, epochs ...types.Epoch) (string, error) {
		var out strings.Builder
		p := phases{out: &out, json: asJSON, now: func() time.Time { return testTime }}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err := p.follow(ctx, partiesOf{chain: &chain{epochs: epochs}}, 4)
		return out.String(), err
	}
	text, err := follow(false, epochs...)
	require.NoError(t, err)
	require.Equal(t, "   0.0 s  epoch 4  committing, attempt 1\n   0.0 s  epoch 4  resharing, attempt 2\n   0.0 s  epoch 4  rehearsed, attempt 2\n", text)
	text, err = follow(true, epochs[0], types.Epoch{Id: 4, Status: types.EPOCH_STATUS_FAILED, Failure: types.EPOCH_FAILURE_RESHARING})
	require.ErrorIs(t, err, ErrNotRehearsed)
	require.Contains(t, text, `"failure":"no attempt of the resharing succeeded"`)
}

func TestEveryFailureHasItsWords(t *testing.T) {
	said := map[string]bool{}
	for value := range types.EpochFailure_name {
		said[failureText(types.EpochFailure(value))] = true
	}
	require.Len(t, said, len(types.EpochFailure_name))
}
