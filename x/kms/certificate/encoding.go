package certificate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cosmos/gogoproto/jsonpb"

	"github.com/tkms-network/tkms/x/kms/types"
)

// Format names what a file holds, in its field format.
const Format = "tkms/v1/certificate"

// MaxSize bounds a file in bytes. A message has at most 1 MiB, a hundred validators'
// commit about 25 kB a header; base64 adds a third.
const MaxSize = 8 << 20

// Encode returns the file of a certificate.
func Encode(c *types.ProvenCertificate) ([]byte, error) {
	var out bytes.Buffer
	marshaler := jsonpb.Marshaler{OrigName: true, EmitDefaults: false, Indent: "  "}
	if err := marshaler.Marshal(&out, c); err != nil {
		return nil, fmt.Errorf("encode certificate: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// Decode reads the file of a certificate, and refuses with ErrFormat what Encode would
// write in another way: unknown or repeated fields, other spellings, more than one value.
// Only white space between values is free.
func Decode(data []byte) (*types.ProvenCertificate, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrFormat, MaxSize)
	}
	var c types.ProvenCertificate
	if err := jsonpb.Unmarshal(bytes.NewReader(data), &c); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if c.Format != Format {
		return nil, fmt.Errorf("%w: format %.32q", ErrFormat, c.Format)
	}
	again, err := Encode(&c)
	if err != nil {
		return nil, err
	}
	var want, given bytes.Buffer
	if err := errors.Join(json.Compact(&want, again), json.Compact(&given, data)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if !bytes.Equal(want.Bytes(), given.Bytes()) {
		return nil, fmt.Errorf("%w: it is not as TKMS writes it", ErrFormat)
	}
	return &c, nil
}
