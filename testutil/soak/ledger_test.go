package soak

import (
	"testing"

	"github.com/stretchr/testify/require"

	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

func fulfilled(plaintext string) kmstypes.Request {
	return kmstypes.Request{
		Id: []byte("id"), Attempt: 1, Kind: kmstypes.REQUEST_KIND_PUBLIC_DECRYPTION, Status: kmstypes.REQUEST_STATUS_FULFILLED, Plaintext: []byte(plaintext),
	}
}

func TestARightAnswerSeenManyTimesIsNoViolation(t *testing.T) {
	l := newLedger()
	l.expect(1, []byte("id"), []byte("right"))
	l.record("alice", fulfilled("right"))
	l.record("bob", fulfilled("right"))
	require.Empty(t, l.violations)
}

func TestAWrongAnswerIsAViolation(t *testing.T) {
	l := newLedger()
	l.expect(1, []byte("id"), []byte("right"))
	l.record("alice", fulfilled("wrong"))
	require.Len(t, l.violations, 1)
}

func TestTwoAnswersToOneRequestAreAViolation(t *testing.T) {
	l := newLedger()
	l.expect(1, []byte("id"), []byte("right"))
	l.record("alice", fulfilled("right"))
	l.record("bob", fulfilled("wrong"))
	require.Len(t, l.violations, 2, "it is wrong, and another")
}

func TestARequestThatNobodyMadeIsAViolation(t *testing.T) {
	l := newLedger()
	l.record("alice", fulfilled("right"))
	require.Len(t, l.violations, 1)
}

func TestAPlaintextWithoutFulfilmentIsAViolation(t *testing.T) {
	l := newLedger()
	l.expect(1, []byte("id"), []byte("right"))
	request := fulfilled("right")
	request.Status = kmstypes.REQUEST_STATUS_EXPIRED
	l.record("alice", request)
	require.Len(t, l.violations, 1)
}
