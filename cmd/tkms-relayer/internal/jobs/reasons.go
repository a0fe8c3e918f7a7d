package jobs

import (
	"errors"

	errorsmod "cosmossdk.io/errors"

	"github.com/tkms-network/tkms/app/ante"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/coprocessor"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/tkms"
	aclclient "github.com/tkms-network/tkms/x/acl/client"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/client"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"

	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
)

// Reasons of failures: stable, for programs.
const (
	ReasonNotReady    = "not_ready_for_decryption" // the ACL does not make the handle public
	ReasonNoDigest    = "no_ciphertext"            // no ciphertext is registered for the handle
	ReasonHostChain   = "host_chain_not_served"    // TKMS has no such host chain, or no key for it
	ReasonHostHeaders = "host_chain_rejected"      // TKMS does not accept the host chain's headers or proofs
	ReasonPaused      = "protocol_paused"
	ReasonInvalid     = "validation_failed"
	ReasonRateLimited = "rate_limited"
	ReasonPrice       = "fee_too_low"
	ReasonFunds       = "relayer_without_funds"
	ReasonUnavailable = "service_unavailable"
	ReasonTimeout     = "response_timed_out"
	ReasonRefused     = "request_refused"

	// Of user decryptions.
	ReasonSignature          = "not_signed_by_user"
	ReasonNotYetValid        = "not_yet_valid"
	ReasonNoLongerValid      = "no_longer_valid"
	ReasonAuthorization      = "invalid_authorization" // key, duration, contracts or extra data
	ReasonContract           = "contract_not_authorized"
	ReasonTooMuch            = "too_many_handles_or_bits"
	ReasonNoUserDecryption   = "no_user_decryption"
	ReasonOwnerNotAllowed    = "not_allowed_for_user"
	ReasonContractNotAllowed = "not_allowed_for_contract"
	ReasonNoDelegation       = "not_delegated"
	ReasonDelegationExpired  = "delegation_expired"
	ReasonDelegationOff      = "no_delegated_decryption"
	ReasonUnknownWallet      = "unknown_wallet"
	ReasonNotApproved        = "not_approved_by_wallet"

	// Of input proofs.
	ReasonCoprocessor  = "coprocessor_unreachable"
	ReasonInputRefused = "input_refused"

	reasonOutOfGas     = "out_of_gas"
	reasonOldRecords   = "old_records"
	reasonTransactions = "transaction_lost"
	reasonOldSigners   = "signers_replaced"
)

// setback is a failure that another try may overcome.
type setback struct {
	Failure
	// ready says that the host chain, or who serves it, has to do something first;
	// that is waited for less long than for anything else.
	ready bool
}

func retry(reason string, err error) *setback {
	return &setback{Failure: Failure{reason, err.Error()}}
}

// await is a setback that the host chain, or who serves it, may end soon.
func await(reason string, err error) *setback {
	return &setback{Failure{reason, err.Error()}, true}
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
	nameOf(acltypes.ErrUnknownHostChain):   ReasonHostChain,
	nameOf(acltypes.ErrHostChainPaused):    ReasonPaused,
	nameOf(acltypes.ErrHostChainFrozen):    ReasonPaused,
	nameOf(acltypes.ErrNoSuccession):       ReasonHostHeaders,
	nameOf(acltypes.ErrMalformedHeader):    ReasonHostHeaders,
	nameOf(acltypes.ErrMalformedProof):     ReasonHostHeaders,
	nameOf(acltypes.ErrForeignCode):        ReasonHostHeaders,
	nameOf(acltypes.ErrForeignHandle):      ReasonInvalid,
	nameOf(acltypes.ErrContractIsOwner):    ReasonContract,
	nameOf(acltypes.ErrDelegationOff):      ReasonDelegationOff,
	nameOf(acltypes.ErrUnknownWallet):      ReasonUnknownWallet,
	nameOf(kmstypes.ErrUnknownHostChain):   ReasonHostChain,
	nameOf(kmstypes.ErrPaused):             ReasonPaused,
	nameOf(kmstypes.ErrFeeTooLow):          ReasonPrice,
	nameOf(kmstypes.ErrTooManyHandles):     ReasonInvalid,
	nameOf(kmstypes.ErrTooManyBlocks):      ReasonInvalid,
	nameOf(kmstypes.ErrInvalidHandle):      ReasonInvalid,
	nameOf(sdkerrors.ErrInsufficientFunds): ReasonFunds,

	nameOf(kmstypes.ErrNoUserDecryption):      ReasonNoUserDecryption,
	nameOf(kmstypes.ErrMalformed):             ReasonInvalid,
	nameOf(kmstypes.ErrInvalidPublicKey):      ReasonAuthorization,
	nameOf(kmstypes.ErrInvalidDuration):       ReasonAuthorization,
	nameOf(kmstypes.ErrTooManyContracts):      ReasonAuthorization,
	nameOf(kmstypes.ErrUnsupportedExtraData):  ReasonAuthorization,
	nameOf(kmstypes.ErrContractNotAuthorized): ReasonContract,
	nameOf(kmstypes.ErrContractIsOwner):       ReasonContract,
	nameOf(kmstypes.ErrNoLongerValid):         ReasonNoLongerValid,
	nameOf(kmstypes.ErrNotSignedByUser):       ReasonSignature,
	nameOf(kmstypes.ErrTooManyBits):           ReasonTooMuch,
}

// passing are refusals that another try, with fresh records and proofs, may overcome.
var passing = map[named]string{
	nameOf(acltypes.ErrNoQuorum):           ReasonHostHeaders,
	nameOf(acltypes.ErrStranger):           ReasonHostHeaders,
	nameOf(acltypes.ErrForeignValidators):  ReasonHostHeaders,
	nameOf(acltypes.ErrStaleHeader):        ReasonHostHeaders,
	nameOf(acltypes.ErrStaleDelegation):    ReasonHostHeaders,
	nameOf(acltypes.ErrFutureHeader):       ReasonHostHeaders,
	nameOf(acltypes.ErrHeightTooLow):       ReasonHostHeaders,
	nameOf(acltypes.ErrConflictingHeader):  ReasonHostHeaders,
	nameOf(acltypes.ErrBadAccountProof):    ReasonHostHeaders,
	nameOf(acltypes.ErrBadStorageProof):    ReasonHostHeaders,
	nameOf(acltypes.ErrNotPermitted):       ReasonNotReady,
	nameOf(acltypes.ErrNoDigest):           ReasonNoDigest,
	nameOf(acltypes.ErrOwnerNotAllowed):    ReasonOwnerNotAllowed,
	nameOf(acltypes.ErrContractNotAllowed): ReasonContractNotAllowed,
	nameOf(acltypes.ErrNoDelegation):       ReasonNoDelegation,
	nameOf(acltypes.ErrDelegationRevoked):  ReasonNoDelegation,
	nameOf(acltypes.ErrDelegationExpired):  ReasonDelegationExpired,
	nameOf(acltypes.ErrNotApproved):        ReasonNotApproved,
	nameOf(kmstypes.ErrUnknownKey):         reasonOldRecords,
	nameOf(kmstypes.ErrKeyNotActive):       reasonOldRecords,
	nameOf(kmstypes.ErrKeyOfOther):         reasonOldRecords,
	nameOf(kmstypes.ErrNotYetValid):        ReasonNotYetValid,
	nameOf(kmstypes.ErrNoEpoch):            ReasonUnavailable,
	nameOf(kmstypes.ErrRateLimited):        ReasonRateLimited,
	nameOf(sdkerrors.ErrOutOfGas):          reasonOutOfGas,
	nameOf(sdkerrors.ErrMempoolIsFull):     ReasonUnavailable,
	nameOf(ante.ErrFeeTooLow):              reasonOldRecords,
	nameOf(sdkerrors.ErrTxInMempoolCache):  reasonTransactions,
}

// awaited are the reasons that the host chain, or who serves it, may end soon; they
// are waited for less long than others.
var awaited = map[string]bool{
	ReasonNotReady: true, ReasonNoDigest: true, ReasonOwnerNotAllowed: true, ReasonContractNotAllowed: true,
	ReasonNoDelegation: true, ReasonDelegationExpired: true, ReasonNotApproved: true, ReasonHostChain: true,
	ReasonCoprocessor: true,
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
	var checked *errorsmod.Error
	switch {
	case errors.As(err, &refused):
		return refusal(named{refused.Codespace, refused.Code}, refused.Error())
	case errors.As(err, &checked):
		return refusal(nameOf(checked), err.Error())
	}
	for _, c := range local {
		switch {
		case !errors.Is(err, c.err):
		case c.final:
			return &Failure{c.reason, err.Error()}
		default:
			return &setback{Failure{c.reason, err.Error()}, awaited[c.reason]}
		}
	}
	// What is left are headers and proofs that do not verify, from a node that may
	// answer better the next time.
	return await(ReasonHostHeaders, err)
}

// refusal says what a refusal of TKMS means, or of its checks when they run here.
func refusal(name named, message string) error {
	if reason, ok := final[name]; ok {
		return &Failure{reason, message}
	}
	if reason, ok := passing[name]; ok {
		return &setback{Failure{reason, message}, awaited[reason]}
	}
	return &Failure{ReasonRefused, message}
}

// local are errors of the packages that this one calls. The first that fits counts.
var local = []struct {
	err    error
	reason string
	final  bool
}{
	{aclclient.ErrNotPermitted, ReasonNotReady, false},
	{aclclient.ErrNoDigest, ReasonNoDigest, false},
	{aclclient.ErrOwnerNotAllowed, ReasonOwnerNotAllowed, false},
	{aclclient.ErrContractNotAllowed, ReasonContractNotAllowed, false},
	{aclclient.ErrNoDelegation, ReasonNoDelegation, false},
	{aclclient.ErrDelegationExpired, ReasonDelegationExpired, false},
	{aclclient.ErrDelegationOff, ReasonDelegationOff, true},
	{aclclient.ErrUnknownWallet, ReasonUnknownWallet, true},
	{aclclient.ErrNotApproved, ReasonNotApproved, false},
	{client.ErrNotFound, ReasonHostChain, false},
	{tkms.ErrNoAccount, ReasonFunds, true},
	{aclclient.ErrNode, ReasonUnavailable, false},
	{tkms.ErrNoNode, ReasonUnavailable, false},
	{coprocessor.ErrRefused, ReasonInputRefused, true},
	{coprocessor.ErrUnreachable, ReasonCoprocessor, false},
	{coprocessor.ErrBadAnswer, ReasonCoprocessor, false},
}
