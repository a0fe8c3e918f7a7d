package preproc_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// batches makes a batch at every party.
func batches(t testing.TB, c cluster, shape preproc.Shape, first uint64, count int) []*preproc.Batch {
	t.Helper()
	machines, list := map[int]mpc.Machine{}, make([]*preproc.Machine, c.n+1)
	for i := 1; i <= c.n; i++ {
		m, err := preproc.NewBatch(preproc.Config{Source: c.sources[i], Session: session, From: sharing.AllParties(c.n), Identity: c.identities[i]}, shape, first, count)
		if err != nil {
			t.Fatal(err)
		}
		machines[i], list[i] = m, m
	}
	var network mpctest.Network
	if err := mpctest.FirstError(network.Run(machines, c.n)); err != nil {
		t.Fatal(err)
	}
	out := make([]*preproc.Batch, c.n+1)
	for i := 1; i <= c.n; i++ {
		var err error
		if out[i], err = preproc.FromMachine(list[i], shape); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

var production = preproc.Production()

func survives(t *testing.T, c cluster, shape preproc.Shape) {
	t.Helper()
	whole := batches(t, c, shape, 100, 9)
	encode := func(b *preproc.Batch, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := b.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for i := 1; i <= 4; i++ {
		raw := encode(whole[i], nil)
		if !bytes.Equal(encode(preproc.UnmarshalBatch(raw)), raw) {
			t.Fatal("sealing changes the batch")
		}
		if !bytes.Equal(encode(preproc.RebuildBatch(c.sources[i], shape, 100, 9, whole[1].Opened())), raw) {
			t.Fatal("the rebuilt batch differs")
		}
	}
	// Items do not depend on the batch that they are made in.
	part := batches(t, c, shape, 103, 4)
	for i := 1; i <= 4; i++ {
		if !bytes.Equal(encode(whole[i].Cut(103, 4)), encode(part[i], nil)) {
			t.Fatal("a cut differs from a batch of the same items")
		}
		if part[i].OpenedDigest() != part[1].OpenedDigest() || part[i].OpenedDigest() == whole[i].OpenedDigest() {
			t.Fatal("digests of opened values")
		}
	}
}

func TestABatchIsTakenOutOnce(t *testing.T) {
	c := newCluster(t, 1)
	m, err := preproc.NewBatch(preproc.Config{Source: c.sources[1], Session: session, From: sharing.AllParties(1), Identity: c.identities[1]}, production, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	var network mpctest.Network
	if err := mpctest.FirstError(network.Run(map[int]mpc.Machine{1: m}, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := preproc.FromMachine(m, production); err != nil {
		t.Fatal(err)
	}
	if _, err := preproc.FromMachine(m, production); !errors.Is(err, preproc.ErrSpent) {
		t.Error(err)
	}
}

func TestABatchSurvivesSealingCuttingAndRebuilding(t *testing.T) {
	c := newCluster(t, 4)
	chained := production
	chained.Chain = true
	for _, shape := range []preproc.Shape{production, chained} {
		survives(t, c, shape)
	}
	whole := batches(t, c, production, 100, 9)
	for _, r := range [][2]uint64{{99, 1}, {100, 10}, {109, 1}, {110, 1}, {100, 0}, {^uint64(0), 1}} {
		if _, err := whole[1].Cut(r[0], int(r[1])); !errors.Is(err, preproc.ErrSection) {
			t.Errorf("cut %v: %v", r, err)
		}
	}
	whole[1].Zero()
	if slices.Max(whole[1].Bits(0)) != 0 || slices.Max(whole[1].Product(0).At(0)) != 0 || slices.Max(whole[1].Product(1).At(4)) != 0 {
		t.Error("not erased")
	}
	if _, err := whole[1].MarshalBinary(); !errors.Is(err, preproc.ErrSpent) {
		t.Error(err)
	}
	if _, err := whole[1].Cut(100, 1); !errors.Is(err, preproc.ErrSpent) {
		t.Error(err)
	}
	m, err := preproc.New(preproc.Config{Source: c.sources[1], From: sharing.AllParties(4), Identity: c.identities[1]})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{whole[2], whole[2].Product(0), m, c.sources[1], c.identities[1]} {
		if s := fmt.Sprintf("%v %+v %#v", v, v, v); len(s) > 200 || strings.Count(s, "redacted") != 3 {
			t.Errorf("shows %s", s)
		}
	}
}

func TestRebuildRefusesMalformedOpenedValues(t *testing.T) {
	c := newCluster(t, 4)
	opened := batches(t, c, production, 0, 3)[1].Opened()
	for name, bad := range map[string][]byte{
		"short": opened[:len(opened)-1], "long": append(bytes.Clone(opened), 0), "none": nil,
		"odd": append([]byte{opened[0] ^ 1}, opened[1:]...),
	} {
		if _, err := preproc.RebuildBatch(c.sources[1], production, 0, 3, bad); !errors.Is(err, preproc.ErrEncoding) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestShapesOutOfBoundsAreRefused(t *testing.T) {
	for _, s := range []preproc.Shape{{}, {K: 5, W: 5}, {K: 33, W: 5}, {K: 5}} {
		if err := s.Check(); !errors.Is(err, preproc.ErrShape) {
			t.Errorf("%v: %v", s, err)
		}
	}
}

func FuzzUnmarshalBatch(f *testing.F) {
	c := newCluster(f, 4)
	raw, _ := batches(f, c, preproc.Shape{K: 3, W: 1}, 0, 1)[1].MarshalBinary()
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := preproc.UnmarshalBatch(raw)
		if err != nil {
			if !errors.Is(err, preproc.ErrEncoding) {
				t.Fatal(err)
			}
			return
		}
		if again, _ := b.MarshalBinary(); !bytes.Equal(again, raw) {
			t.Fatal("two encodings of one batch")
		}
		first, count := b.Range()
		if _, err := b.Cut(first, count); err != nil {
			t.Fatal(err)
		}
	})
}
