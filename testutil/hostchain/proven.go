package hostchain

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/hostchain/api"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

// MaxProvenInput is the longest accepted input with a zero-knowledge proof in bytes: one of the 2048
// bits that clients allow has about 23 000.
const MaxProvenInput = 1 << 18

// ProvenInput is what the published client library sends: several values with one proof, under the
// production parameters.
type ProvenInput struct {
	Contract   common.Address
	User       common.Address
	Ciphertext []byte // a serialized ProvenCompactCiphertextList
	ExtraData  []byte // is signed along
}

// SignedInputs are the values of an input with the coprocessors' signatures, all of them bound in
// the registry.
type SignedInputs struct {
	Handles    []fhevm.Handle
	Signatures [][]byte
}

// SubmitProven takes an input with a zero-knowledge proof, which is read for its form only, makes a
// ciphertext of each value and waits until their digests are in the registry. A real coprocessor
// would bootstrap the values out of the list; here each becomes a list of its own, which only values
// can that share no LWE ciphertext with others: all but those after an ebool (tfhe.ErrSplit).
func (p *Coprocessor) SubmitProven(ctx context.Context, in ProvenInput) (*SignedInputs, error) {
	if err := checkInput(in.Ciphertext, in.Contract, in.User); err != nil {
		return nil, err
	}
	list, err := tfhe.UnmarshalProvenCompactCiphertextList(in.Ciphertext, tfhe.Production())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInput, err)
	}
	types, err := list.Types()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInput, err)
	}
	if len(types) > maxInputValues {
		return nil, fmt.Errorf("%w: %d values", ErrInput, len(types))
	}
	parts, err := list.Split()
	if err != nil {
		return nil, fmt.Errorf("hostchain: input: %w", err)
	}
	claims := make([]claim, len(parts))
	out := &SignedInputs{Handles: make([]fhevm.Handle, len(parts))}
	for i, part := range parts {
		data, err := part.MarshalBinary()
		if err != nil {
			return nil, fmt.Errorf("hostchain: input: %w", err)
		}
		out.Handles[i] = fhevm.InputHandle(in.Ciphertext, uint8(i), fhevm.ACLAddress, p.chain.config.ChainID, fhevm.Type(types[i])) //nolint:gosec // below maxInputValues
		claims[i] = claim{digest: fhevm.CiphertextDigest(data), handle: out.Handles[i], user: in.User, contract: in.Contract}
		if err := p.ciphertexts.put(claims[i].digest, data); err != nil {
			return nil, err
		}
	}
	if _, err := p.register(ctx, claims...); err != nil {
		return nil, err
	}
	out.Signatures, err = p.sign(out.Handles, in.User, in.Contract, in.ExtraData)
	return out, err
}

// maxInputValues is what the one byte of the index and the count in an inputProof allow.
const maxInputValues = 255

// serveInputProof takes an input as a relayer hands it over.
func (c *Chain) serveInputProof(w http.ResponseWriter, r *http.Request) {
	var request api.InputProofRequest
	// Hexadecimal makes two bytes of one.
	if err := readJSON(http.MaxBytesReader(w, r.Body, 2*MaxProvenInput+4096), &request); err != nil {
		writeError(w, err)
		return
	}
	ciphertext, err := hex.DecodeString(request.Ciphertext)
	if err != nil {
		writeError(w, fmt.Errorf("%w: ciphertextWithInputVerification: %w", ErrInput, err))
		return
	}
	if uint64(request.ContractChainID) != c.config.ChainID {
		writeError(w, fmt.Errorf("%w: contractChainId is %d, this is chain %d", ErrInput, request.ContractChainID, c.config.ChainID))
		return
	}
	signed, err := c.coprocessor.SubmitProven(r.Context(), ProvenInput{
		Contract: request.ContractAddress, User: request.UserAddress, Ciphertext: ciphertext, ExtraData: request.ExtraData,
	})
	if err != nil {
		writeError(w, err)
		return
	}
	answer := api.InputProofResponse{Accepted: true, Handles: signed.Handles, ExtraData: request.ExtraData, Simulated: true}
	for _, s := range signed.Signatures {
		answer.Signatures = append(answer.Signatures, hexutil.Bytes(s))
	}
	writeJSON(w, http.StatusOK, answer)
}

// serveCiphertext serves a ciphertext that the coprocessor took out of an input.
func (c *Chain) serveCiphertext(w http.ResponseWriter, r *http.Request) {
	raw, err := hex.DecodeString(r.PathValue("digest"))
	if err != nil || len(raw) != common.HashLength {
		writeError(w, fmt.Errorf("%w: digest", ErrInput))
		return
	}
	data, err := c.coprocessor.ciphertexts.get(common.BytesToHash(raw))
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	// A failure here is the client's connection; there is nobody left to tell.
	_, _ = w.Write(data)
}
