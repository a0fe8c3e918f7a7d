package certificate

import errorsmod "cosmossdk.io/errors"

// Codespace names this package in the codes of its errors.
const Codespace = "certificate"

// Errors of this package; the codes are part of the API and never change.
var (
	// ErrFormat reports a file that is no certificate.
	ErrFormat = errorsmod.Register(Codespace, 2, "not a certificate of TKMS")
	// ErrNoTrust reports that the verifier named nothing to trust.
	ErrNoTrust = errorsmod.Register(Codespace, 3, "name a TKMS header or validators that you trust")
	// ErrUntrusted reports a header that does not follow from what the verifier trusts.
	ErrUntrusted = errorsmod.Register(Codespace, 4, "the header does not follow from what you trust")
	// ErrExpired reports that the trusted header is older than the trusting period.
	ErrExpired = errorsmod.Register(Codespace, 5, "the trusted header is older than the trusting period")
	// ErrNotProven reports a record that the state does not have.
	ErrNotProven = errorsmod.Register(Codespace, 6, "the state does not have the record")
	// ErrCommittee reports members that are not those of the request's epoch.
	ErrCommittee = errorsmod.Register(Codespace, 7, "the signers are not the committee that TKMS has")
	// ErrHostChain reports a host chain's record that is not the request's.
	ErrHostChain = errorsmod.Register(Codespace, 8, "the host chain is not the request's")
	// ErrOtherProof reports a proof that is not the one by which it was asked.
	ErrOtherProof = errorsmod.Register(Codespace, 9, "the proof is not the one that TKMS recorded")
	// ErrOtherHeader reports a host chain's header that is not the one recorded.
	ErrOtherHeader = errorsmod.Register(Codespace, 10, "the host chain's header is not the one that TKMS recorded")
	// ErrOtherCiphertext reports a ciphertext that is not the handle's.
	ErrOtherCiphertext = errorsmod.Register(Codespace, 11, "another ciphertext is bound to the handle")
	// ErrNotChecked reports a step that needs one which failed.
	ErrNotChecked = errorsmod.Register(Codespace, 12, "not checked, since a step before failed")
	// ErrNoRecord reports a record that the node's state does not have.
	ErrNoRecord = errorsmod.Register(Codespace, 13, "the chain has no such record")
	// ErrNoMessage reports that no transaction of the accepting block has the proof.
	ErrNoMessage = errorsmod.Register(Codespace, 14, "the node does not find the message that made the request; ask one that indexes transactions")
)
