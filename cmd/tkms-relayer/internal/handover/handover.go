package handover

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/tkms"
	"github.com/tkms-network/tkms/x/kms/eip712"
)

// ErrNotCertified reports signers under whom too few members of the epoch before have
// put their signatures so far.
var ErrNotCertified = errors.New("too few members of the epoch before certified the signers")

// maxSteps bounds the epochs between the one that serves a host chain and the active one.
const maxSteps = 64

// Handover is what the owner of a host chain's verifier gets.
type Handover struct {
	// Network is the id of the TKMS chain, which the certificates name.
	Network     string `json:"tkmsChainId"`
	HostChainID uint64 `json:"hostChainId"`
	// Serving is the epoch whose signatures the verifier takes, Epoch the one to follow.
	Serving uint64 `json:"servingEpoch"`
	Epoch   uint64 `json:"epoch"`
	// Signers in the order of their indices, which clients rely on, and how many of them
	// make a result.
	Signers   []common.Address `json:"signers"`
	Threshold uint32           `json:"threshold"`
	// Call is the transaction of the owner by which the verifier takes them.
	Call Call `json:"call"`
	// Steps lead from Serving to Epoch.
	Steps []Step `json:"steps"`
}

// Call is a transaction.
type Call struct {
	To     common.Address `json:"to"`
	Method string         `json:"method"`
	Data   hexutil.Bytes  `json:"data"`
}

// Step certifies the signers of one epoch by those of the epoch before.
type Step struct {
	Epoch     uint64           `json:"epoch"`
	Signers   []common.Address `json:"signers"`
	Threshold uint32           `json:"threshold"`
	// By is the epoch before, of which Needed members have to certify.
	By       uint64    `json:"by"`
	Needed   uint32    `json:"needed"`
	Vouchers []Voucher `json:"vouchers"`
}

// Voucher is a member's signature under EIP-712 EpochVerification.
type Voucher struct {
	// Index in the epoch before.
	Index     uint32         `json:"index"`
	Signer    common.Address `json:"signer"`
	Signature hexutil.Bytes  `json:"signature"`
}

// verifierABI is what the owner of a verifier of layout fhevm-0.10 calls.
var verifierABI = func() abi.ABI {
	parsed, err := abi.JSON(strings.NewReader(`[{"type": "function", "name": "defineNewContext", "inputs": [
		{"name": "newSignersSet", "type": "address[]"}, {"name": "newThreshold", "type": "uint256"}]}]`))
	if err != nil {
		panic("handover: " + err.Error())
	}
	return parsed
}()

// callOf is the owner's transaction.
func callOf(verifier common.Address, signers []common.Address, threshold uint32) (Call, error) {
	method := verifierABI.Methods["defineNewContext"]
	data, err := verifierABI.Pack(method.Name, signers, new(big.Int).SetUint64(uint64(threshold)))
	return Call{To: verifier, Method: method.Sig, Data: data}, err
}

// epochs reads epochs of the TKMS chain.
type epochs func(ctx context.Context, id uint64) (*tkms.Epoch, error)

// steps certifies the signers from one epoch to a later one, or fails with ErrNotCertified.
func steps(ctx context.Context, network string, read epochs, serving, active uint64) ([]Step, error) {
	var list []Step
	for id := active; id != serving; {
		if len(list) == maxSteps {
			return nil, fmt.Errorf("epoch %d does not lead to %d", serving, active)
		}
		epoch, err := read(ctx, id)
		if err != nil {
			return nil, err
		}
		if epoch.From == 0 || epoch.From >= id {
			return nil, fmt.Errorf("epoch %d does not lead to %d", serving, active)
		}
		before, err := read(ctx, epoch.From)
		if err != nil {
			return nil, err
		}
		step, err := certify(network, epoch, before)
		if err != nil {
			return nil, err
		}
		list = append([]Step{step}, list...)
		id = epoch.From
	}
	return list, nil
}

// certify keeps the vouchers that are what they should be.
func certify(network string, epoch, before *tkms.Epoch) (Step, error) {
	step := Step{Epoch: epoch.Id, Signers: addresses(epoch.Signers), Threshold: epoch.Threshold(), By: before.Id, Needed: before.Threshold()}
	digest := eip712.EpochVerification(network, epoch.Id, epoch.Signers, epoch.Threshold())
	seen := map[uint32]bool{}
	for _, v := range epoch.Vouchers {
		if v.Index == 0 || int(v.Index) > len(before.Signers) || seen[v.Index] {
			continue
		}
		signer := before.Signers[v.Index-1]
		if eip712.Verify(digest, v.Signature, signer) != nil {
			continue
		}
		seen[v.Index] = true
		step.Vouchers = append(step.Vouchers, Voucher{v.Index, signer, v.Signature})
	}
	if len(step.Vouchers) < int(step.Needed) {
		return step, fmt.Errorf("%w: %d of epoch %d, %d are needed", ErrNotCertified, len(step.Vouchers), before.Id, step.Needed)
	}
	return step, nil
}

func addresses(list [][20]byte) []common.Address {
	out := make([]common.Address, len(list))
	for i, a := range list {
		out[i] = a
	}
	return out
}
