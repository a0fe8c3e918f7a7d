package reencrypt_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"

	"github.com/tkms-network/tkms/enclave/reencrypt"
)

func payload(entries int) *reencrypt.Payload {
	p := &reencrypt.Payload{Signer: [33]byte{2, 0xaa}, Link: [32]byte{0xbb}, Entries: []reencrypt.Entry{}, Party: 3, Degree: 1}
	for i := range entries {
		p.Entries = append(p.Entries, reencrypt.Entry{
			Type: uint32(i), Handle: [32]byte{0xcc, byte(i)}, Packing: 1, Signcrypted: bytes.Repeat([]byte{0xdd}, i+1),
		})
	}
	return p
}

func TestAPayloadHasTheBytesOfTheFormat(t *testing.T) {
	u64 := func(n byte) string { return hex.EncodeToString([]byte{n, 0, 0, 0, 0, 0, 0, 0}) }
	zeros := func(n int) string { return hex.EncodeToString(make([]byte, n)) }
	want := u64(41) + u64(33) + "02aa" + zeros(31) + // the signer
		u64(32) + "bb" + zeros(31) + // the link
		u64(1) + // entries
		"00000000" + u64(1) + "dd" + u64(32) + "cc" + zeros(31) + "01000000" +
		"03000000" + "01000000" // party and degree
	if got := hex.EncodeToString(payload(1).Encode()); got != want {
		t.Errorf("\n%s, not\n%s", got, want)
	}
}

func TestAPayloadIsAsLongAsTheClientsSay(t *testing.T) {
	for _, c := range []struct{ bits, packing, degree, want int }{
		{64, 1, 1, 1641}, {64, 2, 1, 1385}, {256, 1, 4, 3177}, {1, 1, 1, 1193}, {160, 1, 2, 2409}, // bytes as measured
		{64, 1, 0, 1129}, {1, 1, 0, 1122}, {4, 2, 0, 1122}, {160, 1, 0, 1141},
	} {
		l, err := reencrypt.NewLayout(c.bits, c.packing, c.degree)
		if err != nil {
			t.Fatal(err)
		}
		p := payload(2)
		for i := range p.Entries {
			p.Entries[i].Signcrypted = make([]byte, l.SigncryptedSize())
		}
		if got := reencrypt.PayloadSize(l); got != c.want {
			t.Errorf("%+v: %d bytes", c, got)
		}
		if got := len(p.Encode()); got != reencrypt.PayloadSize(l, l) {
			t.Errorf("%+v: %d bytes with two entries, not %d", c, got, reencrypt.PayloadSize(l, l))
		}
	}
}

func TestThereIsNoLayoutThatClientsDoNotRead(t *testing.T) {
	for _, c := range [][3]int{{0, 1, 1}, {-1, 1, 1}, {8, 0, 1}, {8, 3, 1}, {8, -1, 1}, {8, math.MinInt, 1}, {8, 1, -1}, {8, 1, 5}} {
		if _, err := reencrypt.NewLayout(c[0], c[1], c[2]); !errors.Is(err, reencrypt.ErrLayout) {
			t.Errorf("%v: %v", c, err)
		}
	}
}

func TestAPayloadIsReadAsItIsWritten(t *testing.T) {
	for entries := range 5 {
		want := payload(entries)
		got, err := reencrypt.DecodePayload(want.Encode(), entries)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%d entries: %+v, %v", entries, got, err)
		}
	}
	data := payload(1).Encode()
	got, err := reencrypt.DecodePayload(data, 1)
	if err != nil {
		t.Fatal(err)
	}
	clear(data)
	if !reflect.DeepEqual(got, payload(1)) {
		t.Error("the payload aliases what it was read from")
	}
}

func TestAPayloadOfAnotherFormIsRefused(t *testing.T) {
	good := payload(2).Encode()
	cases := map[string][]byte{"a trailing byte": append(bytes.Clone(good), 0)}
	for i := range good {
		cases[fmt.Sprintf("%d bytes of %d", i, len(good))] = good[:i]
	}
	lengths := map[string]int{"verification key": 0, "point": 8, "link": 49, "entries": 89, "signcrypted": 101, "handle": 110}
	for name, at := range lengths {
		for _, change := range []uint64{1, math.MaxUint64, 1 << 63, 1 << 32} {
			bad := bytes.Clone(good)
			binary.LittleEndian.PutUint64(bad[at:], binary.LittleEndian.Uint64(bad[at:])+change)
			cases[fmt.Sprintf("the length of the %s plus %#x", name, change)] = bad
		}
	}
	negative := bytes.Clone(good)
	negative[97+3] = 0x80
	cases["a negative type"] = negative
	for name, data := range cases {
		if _, err := reencrypt.DecodePayload(data, 2); !errors.Is(err, reencrypt.ErrPayload) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, entries := range []int{-1, 0, 1, 3, math.MaxInt} {
		if _, err := reencrypt.DecodePayload(good, entries); !errors.Is(err, reencrypt.ErrPayload) {
			t.Errorf("%d entries: %v", entries, err)
		}
	}
}

func FuzzDecodePayload(f *testing.F) {
	for entries := range 3 {
		f.Add(payload(entries).Encode(), entries)
	}
	f.Fuzz(func(t *testing.T, data []byte, entries int) {
		p, err := reencrypt.DecodePayload(data, entries)
		if err != nil {
			return
		}
		if len(p.Entries) != entries || !bytes.Equal(p.Encode(), data) {
			t.Fatal("a payload has two encodings")
		}
	})
}
