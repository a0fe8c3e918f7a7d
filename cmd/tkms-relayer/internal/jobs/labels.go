package jobs

import (
	"errors"

	"github.com/tkms-network/tkms/app/ante"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/tkms"
	aclclient "github.com/tkms-network/tkms/x/acl/client"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/client"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"

	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
)

// Labels of failures: stable, for programs.
const (
	LabelNotReady     = "not_ready_for_decryption" // ACL or registry do not have the handle
	LabelHostChain    = "host_chain_not_served"    // TKMS has no such host chain, or no key for it
	LabelHostHeaders  = "host_chain_rejected"      // TKMS does not accept the host chain's headers or proofs
	LabelPaused       = "protocol_paused"
	LabelInvalid      = "validation_failed"
	LabelRateLimited  = "rate_limited"
	LabelPrice        = "fee_too_low"
	LabelFunds        = "relayer_without_funds"
	LabelUnavailable  = "service_unavailable"
	LabelTimeout      = "response_timed_out"
	LabelRefused      = "request_refused"
	labelOutOfGas     = "out_of_gas"
	labelOldRecords   = "old_records"
	labelTransactions = "transaction_lost"
)

// setback is a failure that another try may overcome.
type setback struct {
	Failure
	// ready says that the host chain has to do something first; that is waited for
	// less long than for anything else.
	ready bool
}

func retry(label string, err error) *setback {
	return &setback{Failure: Failure{label, err.Error()}}
}

// named is the stable name of a refusal.
type named struct {
	codespace string
	code      uint32
}

type coded interface {
	Codespace() string
	ABCICode() uint32
}

func nameOf(err coded) named { return named{err.Codespace(), err.ABCICode()} }

// final are refusals that another try does not overcome.
var final = map[named]string{
	nameOf(acltypes.ErrUnknownHostChain):   LabelHostChain,
	nameOf(acltypes.ErrHostChainPaused):    LabelPaused,
	nameOf(acltypes.ErrHostChainFrozen):    LabelPaused,
	nameOf(acltypes.ErrNoSuccession):       LabelHostHeaders,
	nameOf(acltypes.ErrMalformedHeader):    LabelHostHeaders,
	nameOf(acltypes.ErrMalformedProof):     LabelHostHeaders,
	nameOf(acltypes.ErrForeignCode):        LabelHostHeaders,
	nameOf(acltypes.ErrForeignHandle):      LabelInvalid,
	nameOf(kmstypes.ErrUnknownHostChain):   LabelHostChain,
	nameOf(kmstypes.ErrPaused):             LabelPaused,
	nameOf(kmstypes.ErrFeeTooLow):          LabelPrice,
	nameOf(kmstypes.ErrTooManyHandles):     LabelInvalid,
	nameOf(kmstypes.ErrTooManyBlocks):      LabelInvalid,
	nameOf(kmstypes.ErrInvalidHandle):      LabelInvalid,
	nameOf(sdkerrors.ErrInsufficientFunds): LabelFunds,
}

// passing are refusals that another try, with fresh records and proofs, may overcome.
var passing = map[named]string{
	nameOf(acltypes.ErrNoQuorum):          LabelHostHeaders,
	nameOf(acltypes.ErrStranger):          LabelHostHeaders,
	nameOf(acltypes.ErrForeignValidators): LabelHostHeaders,
	nameOf(acltypes.ErrStaleHeader):       LabelHostHeaders,
	nameOf(acltypes.ErrFutureHeader):      LabelHostHeaders,
	nameOf(acltypes.ErrHeightTooLow):      LabelHostHeaders,
	nameOf(acltypes.ErrConflictingHeader): LabelHostHeaders,
	nameOf(acltypes.ErrBadAccountProof):   LabelHostHeaders,
	nameOf(acltypes.ErrBadStorageProof):   LabelHostHeaders,
	nameOf(acltypes.ErrNotPermitted):      LabelNotReady,
	nameOf(acltypes.ErrNoDigest):          LabelNotReady,
	nameOf(kmstypes.ErrUnknownKey):        labelOldRecords,
	nameOf(kmstypes.ErrKeyNotActive):      labelOldRecords,
	nameOf(kmstypes.ErrKeyOfOther):        labelOldRecords,
	nameOf(kmstypes.ErrNoEpoch):           LabelUnavailable,
	nameOf(kmstypes.ErrRateLimited):       LabelRateLimited,
	nameOf(sdkerrors.ErrOutOfGas):         labelOutOfGas,
	nameOf(sdkerrors.ErrMempoolIsFull):    LabelUnavailable,
	nameOf(ante.ErrFeeTooLow):             labelOldRecords,
	nameOf(sdkerrors.ErrTxInMempoolCache): labelTransactions,
}

// classify says what an error of TKMS or the host chain means for a job: a
// *Failure, or a *setback.
func classify(err error) error {
	var given *Failure
	var again *setback
	if errors.As(err, &given) || errors.As(err, &again) {
		return err
	}
	var refused *client.TxError
	switch {
	case errors.As(err, &refused):
		name := named{refused.Codespace, refused.Code}
		if label, ok := final[name]; ok {
			return &Failure{label, refused.Error()}
		}
		if label, ok := passing[name]; ok {
			return &setback{Failure{label, refused.Error()}, label == LabelNotReady}
		}
		return &Failure{LabelRefused, refused.Error()}
	case errors.Is(err, aclclient.ErrNotPermitted), errors.Is(err, aclclient.ErrNoDigest):
		return &setback{Failure{LabelNotReady, err.Error()}, true}
	case errors.Is(err, client.ErrNotFound):
		return &setback{Failure{LabelHostChain, err.Error()}, true}
	case errors.Is(err, tkms.ErrNoAccount):
		return &Failure{LabelFunds, err.Error()}
	case errors.Is(err, aclclient.ErrNode), errors.Is(err, tkms.ErrNoNode):
		return retry(LabelUnavailable, err)
	}
	// What is left are headers and proofs that do not verify, from a node that may
	// answer better the next time.
	return &setback{Failure{LabelHostHeaders, err.Error()}, true}
}
