package soak

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

// needle is how much of an encoded secret is looked for: short enough for a part of one,
// too long to be met by chance.
const needle = 16

// canary finds parts of known secrets in texts: raw, as numbers, in hexadecimal of both cases
// and in base64 at every offset.
type canary struct {
	// needles have the name of the secret that they are of.
	needles map[[needle]byte]string
}

func newCanary() *canary { return &canary{map[[needle]byte]string{}} }

// samples is at how many places of a long secret parts are taken.
const samples = 64

// add makes a secret one that is looked for. Of long ones parts are taken that are not
// mostly the same byte, since headers and zeros are no secrets.
func (c *canary) add(name string, secret []byte) {
	const part = 32
	step := max(1, (len(secret)-part)/samples)
	for at := 0; at+part <= len(secret); at += step {
		c.addPart(name, secret[at:at+part])
	}
}

// variety is how many different bytes random bytes have at least, of half a needle.
const variety = 6

func (c *canary) addPart(name string, part []byte) {
	encoded := [][]byte{part, []byte(hex.EncodeToString(part))}
	// Numbers are how Go prints bytes by default.
	encoded = append(encoded, upper(encoded[1]), []byte(fmt.Sprint(part))[1:])
	for shift := range 3 {
		encoded = append(encoded, []byte(base64.StdEncoding.EncodeToString(part[shift:])), []byte(base64.URLEncoding.EncodeToString(part[shift:])))
	}
	distinct := map[byte]bool{}
	for _, b := range part[:needle/2] {
		distinct[b] = true
	}
	if len(distinct) < variety {
		return
	}
	for _, e := range encoded {
		c.needles[[needle]byte(e)] = name
	}
}

func upper(text []byte) []byte {
	out := make([]byte, len(text))
	for i, b := range text {
		if 'a' <= b && b <= 'f' {
			b -= 'a' - 'A'
		}
		out[i] = b
	}
	return out
}

// find returns the name of a secret of which a text has a part, "" if there is none.
func (c *canary) find(text io.Reader) (string, error) {
	reader := bufio.NewReaderSize(text, 1<<20)
	var window [needle]byte
	for read := 0; ; read++ {
		b, err := reader.ReadByte()
		if errors.Is(err, io.EOF) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		copy(window[:], window[1:])
		window[needle-1] = b
		if name, ok := c.needles[window]; ok && read >= needle-1 {
			return name, nil
		}
	}
}

// findFile is find for a file.
func (c *canary) findFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	return c.find(file)
}
