package seal

import (
	"encoding/json"
	"fmt"
	"io"
)

const redacted = "[secret]"

// Secret is bytes that no log, error or JSON document shows.
type Secret []byte

// Format implements fmt.Formatter: every verb prints the same.
func (Secret) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, redacted) }

// String implements fmt.Stringer.
func (Secret) String() string { return redacted }

// MarshalJSON implements json.Marshaler.
func (Secret) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// MarshalText implements encoding.TextMarshaler.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Zero overwrites the bytes.
func (s Secret) Zero() { clear(s) }
