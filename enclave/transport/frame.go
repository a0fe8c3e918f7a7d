package transport

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// A frame is a 4-byte big-endian length and that many bytes. Length 0 is a
// heartbeat and never delivered.
const frameHeader = 4

// allocationStep bounds what a peer can make us allocate ahead of the bytes it
// has really sent.
const allocationStep = 256 << 10

// appendFrame appends the frame whose payload is the concatenation of parts.
func appendFrame(to []byte, size int, parts [][]byte) []byte {
	to = binary.BigEndian.AppendUint32(to, uint32(size))
	for _, part := range parts {
		to = append(to, part...)
	}
	return to
}

// readFrame reads one frame of at most limit payload bytes. The result is a
// fresh slice owned by the caller, nil for a heartbeat.
func readFrame(from *bufio.Reader, limit int) ([]byte, error) {
	header, err := from.Peek(frameHeader)
	if err != nil {
		if err == io.EOF && len(header) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	declared := binary.BigEndian.Uint32(header)
	if _, err := from.Discard(frameHeader); err != nil {
		return nil, err
	}
	if uint64(declared) > uint64(limit) {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrFrameTooLarge, declared, limit)
	}
	size := int(declared)
	if size == 0 {
		return nil, nil
	}
	payload := make([]byte, min(size, allocationStep))
	for filled := 0; ; {
		n, err := io.ReadFull(from, payload[filled:])
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if filled += n; filled == size {
			return payload, nil
		}
		grown := make([]byte, min(size, 2*len(payload)))
		copy(grown, payload)
		payload = grown
	}
}
