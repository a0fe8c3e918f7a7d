package session

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
)

// ID is a session id, the SHA-256 over everything that distinguishes a session.
type ID [32]byte

// String returns the first eight bytes in hexadecimal, enough for logs.
func (id ID) String() string { return hex.EncodeToString(id[:8]) }

// Frames begin with their kind:
//
//	message: 1 ‖ session id (32) ‖ round (2) ‖ payload
//	call:    2 ‖ call id (8) ‖ length of method (1) ‖ method ‖ body
//	reply:   3 ‖ call id (8) ‖ status (1) ‖ body
//
// Integers are big-endian.
const (
	kindMessage = 1
	kindCall    = 2
	kindReply   = 3

	messageHeader = 1 + 32 + 2
	callHeader    = 1 + 8 + 1
	replyHeader   = 1 + 8 + 1
)

// status is the outcome of a call as told to the caller. The text of an error
// stays where it arose: it might tell a peer more than it may know.
type status uint8

const (
	statusOK status = iota
	statusFailed
	statusUnknownMethod
	statusBusy
	statusCount
)

var errMalformed = errors.New("session: malformed frame")

func putMessageHeader(to *[messageHeader]byte, id ID, round uint16) {
	to[0] = kindMessage
	copy(to[1:], id[:])
	binary.BigEndian.PutUint16(to[33:], round)
}

// parseMessage returns a payload that shares the frame's memory.
func parseMessage(frame []byte) (id ID, round uint16, payload []byte, err error) {
	if len(frame) < messageHeader || frame[0] != kindMessage {
		return ID{}, 0, nil, errMalformed
	}
	copy(id[:], frame[1:])
	return id, binary.BigEndian.Uint16(frame[33:]), frame[messageHeader:len(frame):len(frame)], nil
}

func appendCallHeader(to []byte, call uint64, method string) []byte {
	to = append(to, kindCall)
	to = binary.BigEndian.AppendUint64(to, call)
	to = append(to, byte(len(method)))
	return append(to, method...)
}

func parseCall(frame []byte) (call uint64, method string, body []byte, err error) {
	if len(frame) < callHeader || frame[0] != kindCall {
		return 0, "", nil, errMalformed
	}
	end := callHeader + int(frame[9])
	if frame[9] == 0 || len(frame) < end {
		return 0, "", nil, errMalformed
	}
	return binary.BigEndian.Uint64(frame[1:]), string(frame[callHeader:end]), frame[end:len(frame):len(frame)], nil
}

func appendReplyHeader(to []byte, call uint64, outcome status) []byte {
	to = append(to, kindReply)
	to = binary.BigEndian.AppendUint64(to, call)
	return append(to, byte(outcome))
}

func parseReply(frame []byte) (call uint64, outcome status, body []byte, err error) {
	if len(frame) < replyHeader || frame[0] != kindReply || frame[9] >= byte(statusCount) {
		return 0, 0, nil, errMalformed
	}
	outcome = status(frame[9])
	if outcome != statusOK && len(frame) != replyHeader {
		return 0, 0, nil, errMalformed
	}
	return binary.BigEndian.Uint64(frame[1:]), outcome, frame[replyHeader:len(frame):len(frame)], nil
}
