// Package merkle is the Merkle tree that parties sign instead of a whole batch,
// so that one item can be shown later with its signature and a short path.
//
// The tree is that of RFC 6962, section 2.1, with SHA-256: leaves and inner nodes
// are hashed under different prefixes, so that neither passes for the other, and
// the shape is fixed by the number of leaves, which the verifier must know.
package merkle

import "crypto/sha256"

// Size is the length of a hash.
const Size = sha256.Size

// Hash is a node of the tree.
type Hash = [Size]byte

func leafHash(data []byte) Hash {
	var b [1 + 1536]byte // most leaves fit, which saves an allocation each
	if len(data) < len(b) {
		return sha256.Sum256(b[:1+copy(b[1:], data)])
	}
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(data)
	var sum Hash
	h.Sum(sum[:0])
	return sum
}

func nodeHash(left, right Hash) Hash {
	var b [1 + 2*Size]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+Size:], right[:])
	return sha256.Sum256(b[:])
}

// split returns the largest power of two smaller than n (n ≥ 2).
func split(n int) int {
	k := 1
	for k<<1 < n {
		k <<= 1
	}
	return k
}

// Root returns the root of the leaves, the hash of nothing if there are none.
func Root(leaves [][]byte) Hash {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leafHash(leaves[0])
	}
	k := split(len(leaves))
	return nodeHash(Root(leaves[:k]), Root(leaves[k:]))
}

// Path returns the siblings from leaf index up to the root. It panics if there is
// no such leaf.
func Path(leaves [][]byte, index int) []Hash {
	if index < 0 || index >= len(leaves) {
		panic("merkle: no such leaf")
	}
	if len(leaves) == 1 {
		return nil
	}
	k := split(len(leaves))
	if index < k {
		return append(Path(leaves[:k], index), Root(leaves[k:]))
	}
	return append(Path(leaves[k:], index-k), Root(leaves[:k]))
}

// Verify reports whether data is leaf index of the count leaves under root.
func Verify(root Hash, data []byte, index, count int, path []Hash) bool {
	h, ok := Climb(data, index, count, path)
	return ok && h == root
}

// Climb returns the root under which data is leaf index of count leaves, false if
// the path has not as many hashes as it needs.
func Climb(data []byte, index, count int, path []Hash) (Hash, bool) {
	if index < 0 || index >= count {
		return Hash{}, false
	}
	h, rest, ok := climb(leafHash(data), index, count, path)
	return h, ok && len(rest) == 0
}

func climb(h Hash, index, count int, path []Hash) (Hash, []Hash, bool) {
	if count == 1 {
		return h, path, true
	}
	k := split(count)
	right := index >= k
	if right {
		index, count = index-k, count-k
	} else {
		count = k
	}
	h, path, ok := climb(h, index, count, path)
	if !ok || len(path) == 0 {
		return h, nil, false
	}
	if right {
		return nodeHash(path[0], h), path[1:], true
	}
	return nodeHash(h, path[0]), path[1:], true
}

// Chunks cuts data into leaves of size bytes, the last one shorter.
func Chunks(data []byte, size int) [][]byte {
	out := make([][]byte, 0, (len(data)+size-1)/size)
	for len(data) > size {
		out = append(out, data[:size])
		data = data[size:]
	}
	return append(out, data)
}
