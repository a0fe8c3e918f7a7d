package enginebench

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
)

// partyArgument makes the test's binary a party.
const partyArgument = "engine-party"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == partyArgument {
		if err := Serve(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func testInput(t *testing.T) *input {
	t.Helper()
	in, err := newInput(t.TempDir())
	require.NoError(t, err)
	return in
}

func testFleet(t *testing.T, n int, roundTrip time.Duration, in *input) *fleet {
	t.Helper()
	return fleetOf(t, n, &Options{RoundTrip: roundTrip}, in)
}

func fleetOf(t *testing.T, n int, o *Options, in *input) *fleet {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	o.Command, o.Progress = []string{os.Args[0], partyArgument}, io.Discard
	shape, err := Tree.Shape(0)
	require.NoError(t, err)
	f, err := startFleet(ctx, o, n, shape, in)
	require.NoError(t, err)
	t.Cleanup(f.close)
	return f
}

func TestPartiesInProcessesDecryptWhatWasEncrypted(t *testing.T) {
	in := testInput(t)
	for _, n := range []int{1, 4} {
		f := testFleet(t, n, 0, in)
		for _, kind := range []jobKind{jobOnline, jobTotal} {
			j := job{Kind: kind, Runs: 2, Blocks: 5, Last: 3, Batches: 3, Overlap: 2}
			r, err := f.run(j, in.digest(&j))
			require.NoError(t, err)
			require.Len(t, r.times, j.Runs)
			require.Positive(t, r.allocations)
			require.Equal(t, n > 1, r.sent > 0)
		}
		written, err := os.ReadFile(filepath.Join(in.dir, fmt.Sprintf("echo-%d-1", n)))
		require.NoError(t, err)
		require.Equal(t, n > 1, bytes.Trim(written, "\x00") != nil, "ECHOs are on disk")
	}
}

func TestPartiesThatDealEachOtherRandomnessDecryptWhatWasEncrypted(t *testing.T) {
	in := testInput(t)
	f := fleetOf(t, 4, &Options{Dealt: true}, in)
	sent := map[jobKind]int64{}
	for _, kind := range []jobKind{jobOnline, jobTotal} {
		j := job{Kind: kind, Runs: 2, Blocks: 5, Last: 3, Batches: 3, Overlap: 2}
		r, err := f.run(j, in.digest(&j))
		require.NoError(t, err)
		sent[kind] = r.sent
	}
	drawn := testFleet(t, 4, 0, in)
	j := job{Kind: jobTotal, Runs: 2, Blocks: 5, Last: 3, Batches: 3, Overlap: 2}
	r, err := drawn.run(j, in.digest(&j))
	require.NoError(t, err)
	require.Greater(t, sent[jobTotal], 2*r.sent, "what is dealt is sent")
	require.Less(t, sent[jobOnline], r.sent)
	_, err = f.run(job{Kind: jobBits, Runs: 1, Blocks: 100, Last: 100, Batches: 1}, nil)
	require.NoError(t, err)
}

func TestManyPartiesDeal(t *testing.T) {
	for n, want := range map[int]bool{1: false, 4: false, 13: false, 16: true} {
		require.Equal(t, want, (&Options{}).dealt(n))
		require.Equal(t, n > 1, (&Options{Dealt: true}).dealt(n))
	}
}

func TestARunWithAWrongValueIsAFailure(t *testing.T) {
	in := testInput(t)
	f := testFleet(t, 4, 0, in)
	j := job{Kind: jobTotal, Runs: 1, Blocks: 8, Last: 8, Batches: 1}
	in.digits[7] ^= 1
	_, err := f.run(j, in.digest(&j))
	require.ErrorIs(t, err, ErrParty)
}

func TestKernelsMakeItemsAndMemoryIsThatOfTheRun(t *testing.T) {
	in := testInput(t)
	f := testFleet(t, 4, 0, in)
	var sent []int64
	for _, kind := range []jobKind{jobBits, jobProducts} {
		r, err := f.run(job{Kind: kind, Runs: 1, Blocks: 1000, Last: 1000, Batches: 1}, nil)
		require.NoError(t, err)
		sent = append(sent, r.sent)
	}
	// To each of three: 17 bits a coordinate for a bit, 5 for a product; as much again if
	// each of them fetched a vector here; the rest is for signatures and echoes.
	for i, least := range []int64{3 * 1000 * 4 * 17 / 8, 3 * 1000 * 4 * 5 / 8} {
		require.Greater(t, sent[i], least)
		require.Less(t, sent[i], 3*least)
	}
	if _, err := os.Stat("/proc/self/clear_refs"); err != nil {
		t.Skip(err)
	}
	j := job{Kind: jobTotal, Runs: 1, Blocks: 1024, Last: 1024, Batches: 1, Memory: true}
	r, err := f.run(j, in.digest(&j))
	require.NoError(t, err)
	require.Greater(t, r.peak, int64(16<<20), "the ciphertext alone is as large")
}

func TestARoundTripLengthensEveryRound(t *testing.T) {
	const roundTrip = 20 * time.Millisecond
	in := testInput(t)
	f := testFleet(t, 4, roundTrip, in)
	j := job{Kind: jobOnline, Runs: 1, Blocks: 1, Last: 1, Batches: 1}
	r, err := f.run(j, in.digest(&j))
	require.NoError(t, err)
	require.GreaterOrEqual(t, r.times[0], 3*roundTrip/2)
}

func TestAPartyThatEndsFailsTheRun(t *testing.T) {
	in := testInput(t)
	f := testFleet(t, 4, 0, in)
	require.NoError(t, f.parties[2].command.Process.Kill())
	j := job{Kind: jobTotal, Runs: 1, Blocks: 1, Last: 1, Batches: 1}
	_, err := f.run(j, in.digest(&j))
	require.ErrorIs(t, err, ErrParty)
}

func TestAPartyRefusesCommandsOutOfOrder(t *testing.T) {
	var in, out bytes.Buffer
	require.NoError(t, writeMessage(&in, &command{Finish: &finishCommand{}}))
	require.NoError(t, writeMessage(&in, &command{}))
	require.NoError(t, Serve(t.Context(), &in, &out))
	for range 2 {
		var a answer
		require.NoError(t, readMessage(&out, &a))
		require.NotEmpty(t, a.Error)
	}
}

func TestOptionsThatMeasureNothingAreRefused(t *testing.T) {
	good := Options{Command: []string{"x"}, Parties: []int{4}, Repeats: 1, Variant: Tree}
	require.NoError(t, good.check())
	for _, change := range []func(*Options){
		func(o *Options) { o.Command = nil },
		func(o *Options) { o.Parties = nil },
		func(o *Options) { o.Repeats = 0 },
		func(o *Options) { o.RoundTrip = -1 },
		func(o *Options) { o.Variant = "none" },
	} {
		o := good
		change(&o)
		_, err := Run(t.Context(), o)
		require.ErrorIs(t, err, ErrOptions)
		_, err = Scale(t.Context(), o)
		require.ErrorIs(t, err, ErrOptions)
		o.Silent = 1
		_, err = MeasureSilence(t.Context(), o)
		require.ErrorIs(t, err, ErrOptions)
	}
	for _, silent := range []int{-1, 0, 2} {
		o := good
		o.Silent = silent
		_, err := MeasureSilence(t.Context(), o)
		require.ErrorIs(t, err, ErrOptions)
	}
}

func TestEveryVariantHasItsShape(t *testing.T) {
	for _, c := range []struct {
		variant, want Variant
		roundTrip     time.Duration
	}{
		{Tree, Tree, time.Second}, {Chain, Chain, 0}, {Auto, Tree, 0}, {Auto, Chain, 80 * time.Millisecond}, {Auto, Chain, 2 * time.Hour},
	} {
		shape, err := c.variant.Shape(c.roundTrip)
		require.NoError(t, err)
		require.NoError(t, shape.Check())
		require.Equal(t, c.want, variantOf(shape))
	}
}

func TestATimeEndsWithTheQuorum(t *testing.T) {
	all := []*ran{{Start: 103, End: 900}, {Start: 100, End: 150}, {Start: 101, End: 170}, {Start: 102, End: 160}}
	require.Equal(t, time.Duration(70), timeOf(all, 3))
	require.Equal(t, 2, median([]int{3, 1, 2}))
}

func TestBulkIsAllBlocksInBatches(t *testing.T) {
	for _, n := range []int{4, 13} {
		j := bulkJob(n)
		total := 0
		for b := range j.Batches {
			total += j.size(b)
			require.LessOrEqual(t, j.size(b), batchBlocks)
		}
		require.Equal(t, total, j.perRun())
		require.GreaterOrEqual(t, j.Batches, j.Overlap)
	}
	j := bulkJob(4)
	require.Equal(t, bulkBlocks, j.perRun())
}

func TestMessagesOfPipesAreBounded(t *testing.T) {
	var buffer bytes.Buffer
	want := command{Prepare: &job{Kind: jobBits, Number: 7, Runs: 1, Blocks: 2, Last: 2, Batches: 1}}
	require.NoError(t, writeMessage(&buffer, &want))
	whole := buffer.Bytes()
	var got command
	require.NoError(t, readMessage(bytes.NewReader(whole), &got))
	require.Equal(t, want, got)
	require.ErrorIs(t, readMessage(bytes.NewReader(nil), &got), io.EOF)
	require.ErrorIs(t, readMessage(bytes.NewReader(whole[:len(whole)-1]), &got), ErrWire)
	require.ErrorIs(t, readMessage(bytes.NewReader(binary.BigEndian.AppendUint32(nil, maxMessage+1)), &got), ErrWire)
	require.ErrorIs(t, readMessage(bytes.NewReader([]byte{0, 0, 0, 1, '{'}), &got), ErrWire)
	require.ErrorIs(t, writeMessage(io.Discard, make([]byte, maxMessage)), ErrWire)
}

func TestAReportIsTablesOrJSON(t *testing.T) {
	report := &Report{Date: "2026-01-02", CPUs: 2, RoundTripMS: 80, Networks: []Network{{
		Parties: 4, Variant: "tree", Bulk: Bulk{Blocks: 10, Batch: 5, PerSecond: 1234},
		Rows:     []Row{{Blocks: 32, Online: Phase{Runs: 9, P50: 1.5, P95: 2.25, Allocations: 20, BytesPerBlock: 250}}},
		Profiles: []Profile{{Name: "bulk", CPUMicros: 30, Shares: []Share{{"PRSS", 25}, {otherGroup, 75}}}},
	}, {Parties: 1}}}
	var text, encoded bytes.Buffer
	require.NoError(t, report.WriteText(&text))
	require.Regexp(t, `32 +\| +9 +1\.50 +2\.25 +20 +250 +\|`, text.String())
	require.Regexp(t, `PRSS +\| +25\n`, text.String())
	require.Regexp(t, `us a block +\| +30\.0\n`, text.String())
	require.Contains(t, text.String(), "1234 blocks/s")
	require.Contains(t, text.String(), "round trip of 80 ms")
	require.Contains(t, text.String(), "1 party,")
	require.NoError(t, report.WriteJSON(&encoded))
	var back Report
	require.NoError(t, json.Unmarshal(encoded.Bytes(), &back))
	require.Equal(t, *report, back)
}

func TestDelayedFramesComeLaterAndInOrder(t *testing.T) {
	const by = 10 * time.Millisecond
	type arrival struct {
		peer int
		body byte
		at   time.Time
	}
	arrivals := make(chan arrival, 100)
	d := newDelayed(2, by, func(peer int, frame []byte) { arrivals <- arrival{peer, frame[0], time.Now()} })
	start := time.Now()
	for i := range byte(20) {
		d.Receive(1+int(i)%2, []byte{i})
	}
	next := map[int]byte{1: 0, 2: 1}
	for range 20 {
		a := <-arrivals
		require.Equal(t, next[a.peer], a.body)
		require.GreaterOrEqual(t, a.at.Sub(start), by)
		next[a.peer] += 2
	}
	d.Close()
	d.Receive(1, []byte{0}) // dropped, and does not block
	require.Empty(t, arrivals)
}

func FuzzReadMessage(f *testing.F) {
	var buffer bytes.Buffer
	if err := writeMessage(&buffer, &command{Join: &joinCommand{Keys: [][]byte{{1}}, Epoch: mpc.Digest{2}}}); err != nil {
		f.Fatal(err)
	}
	f.Add(buffer.Bytes())
	f.Fuzz(func(t *testing.T, raw []byte) {
		var c command
		if readMessage(bytes.NewReader(raw), &c) != nil {
			return
		}
		var again bytes.Buffer
		require.NoError(t, writeMessage(&again, &c))
	})
}
