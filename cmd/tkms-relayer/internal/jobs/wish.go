package jobs

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/ethereum/go-ethereum/common"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/coprocessor"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// Tags separate ids of jobs from other hashes and from each other.
const (
	publicTag = "tkms/v1/relayer/public-decrypt"
	userTag   = "tkms/v1/relayer/user-decrypt"
	inputTag  = "tkms/v1/relayer/input-proof"
)

// UserRequest is a user's wish for shares that she can open.
type UserRequest struct {
	// Contracts, one a handle of the job: for which the handle is read.
	Contracts []common.Address `json:"contracts"`
	// Authorization is what the user signed.
	Authorization kmstypes.UserAuthorization `json:"authorization"`
}

// kind tells own handles from a delegator's.
func (u *UserRequest) kind() Kind {
	if len(u.Authorization.Delegator) != 0 {
		return DelegatedUserDecrypt
	}
	return UserDecrypt
}

// Input is an encrypted input for the coprocessor to verify.
type Input = coprocessor.Input

// Proven is the coprocessor's word on an input.
type Proven = coprocessor.Result

// publicID names the job of a list of handles: a hash of the tag, the host chain and
// the handles as ordered. Which key they are under is for the chain to say.
func publicID(hostChainID uint64, batch []handles.Handle) string {
	input := binary.BigEndian.AppendUint64([]byte(publicTag), hostChainID)
	for _, h := range batch {
		input = append(input, h[:]...)
	}
	return hashed(input)
}

// userID names the job of a user's request: a hash of the tag, the host chain, the
// handles with their contracts as ordered, and the authorization. The signature is
// in it: who repeats another's request with a signature that is none must not be
// able to make the other's job fail.
func userID(hostChainID uint64, batch []handles.Handle, request *UserRequest) (string, error) {
	input := binary.BigEndian.AppendUint64([]byte(userTag), hostChainID)
	input = binary.BigEndian.AppendUint32(input, uint32(len(batch)))
	for i, h := range batch {
		input = append(append(input, h[:]...), request.Contracts[i][:]...)
	}
	authorization, err := request.Authorization.Marshal()
	if err != nil {
		return "", err
	}
	return hashed(append(input, authorization...)), nil
}

// inputID names the job of an input: a hash of the tag and of all that is in it.
func inputID(input *Input) string {
	head := binary.BigEndian.AppendUint64([]byte(inputTag), input.ChainID)
	head = append(append(head, input.Contract[:]...), input.User[:]...)
	head = binary.BigEndian.AppendUint32(head, uint32(len(input.ExtraData)))
	head = append(head, input.ExtraData...)
	return hashed(append(head, input.Ciphertext...))
}

func hashed(input []byte) string {
	sum := sha256.Sum256(input)
	return hex.EncodeToString(sum[:])
}
