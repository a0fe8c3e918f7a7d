package merkle

import (
	"encoding/hex"
	"testing"
)

func leaves(n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = []byte{byte(i), byte(i >> 8)}
	}
	return out
}

func TestRootsAreThoseOfRFC6962(t *testing.T) {
	// The well-known test tree of certificate-transparency implementations.
	data := [][]byte{{}, {0}, {0x10}, {0x20, 0x21}, {0x30, 0x31}, {0x40, 0x41, 0x42, 0x43},
		{0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57},
		{0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f}}
	for n, want := range map[int]string{
		1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	} {
		if got := Root(data[:n]); hex.EncodeToString(got[:]) != want {
			t.Errorf("%d leaves: %x", n, got)
		}
	}
}

func TestEveryLeafHasAPathAndNoOther(t *testing.T) {
	for n := 1; n <= 20; n++ {
		all := leaves(n)
		root := Root(all)
		for i := range n {
			path := Path(all, i)
			if !Verify(root, all[i], i, n, path) {
				t.Fatalf("%d of %d: refused", i, n)
			}
			if Verify(root, []byte("x"), i, n, path) || Verify(root, all[i], i+1, n, path) || Verify(root, all[i], i, n, append(path, Hash{})) {
				t.Fatalf("%d of %d: a wrong proof was accepted", i, n)
			}
			if n > 1 && (Verify(root, all[i], i, n, path[1:]) || Verify(root, all[i], -1, n, path)) {
				t.Fatalf("%d of %d: a short proof was accepted", i, n)
			}
		}
	}
}

func TestChunksCoverTheData(t *testing.T) {
	for _, n := range []int{0, 1, 9, 10, 11, 25} {
		var joined []byte
		for _, c := range Chunks(make([]byte, n), 10) {
			joined = append(joined, c...)
		}
		if len(joined) != n {
			t.Errorf("%d bytes became %d", n, len(joined))
		}
	}
}
