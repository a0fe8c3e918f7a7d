package cli

import (
	"context"
	"errors"

	aclclient "github.com/tkms-network/tkms/x/acl/client"
	"github.com/tkms-network/tkms/x/kms/certificate"
	kmsclient "github.com/tkms-network/tkms/x/kms/client"
	"github.com/tkms-network/tkms/x/kms/material"
)

// advice is what the user can do about an error; the first that matches counts.
var advice = []Advice{
	{ErrKeyFile, "chmod 600 the file and put the key into it as 64 hexadecimal digits"},
	{ErrHandleArgument, "write --handle 0x<64 digits>:0x<40 digits>, once for each value"},
	{ErrMustWait, "leave --wait out"},
	{aclclient.ErrOwnerNotAllowed, "the contract has to allow the handle to the user (FHE.allow); for values of somebody else add --delegator"},
	{aclclient.ErrContractNotAllowed, "name the contract that holds the value and may use it itself (FHE.allowThis)"},
	{aclclient.ErrDelegation, "the delegator calls delegateForUserDecryption of the host chain's ACL for the user and this contract"},
	{aclclient.ErrDelegationOff, "the value's owner has to read it herself"},
	{aclclient.ErrNoDigest, "the coprocessor has not computed the value yet: try again after some blocks"},
	{aclclient.ErrOtherChain, "--host-chain-rpc and --host-chain-id have to name one chain"},
	{aclclient.ErrNode, "is the node running? check --host-chain-rpc (TKMS_HOST_CHAIN_RPC)"},
	{kmsclient.ErrExpired, "'tkmsd query parties parties' shows which parties are up"},
	{kmsclient.ErrUnreadable, "more parties than the network tolerates answered wrong: tell its operators"},
	{context.DeadlineExceeded, "raise --wait-timeout (TKMS_WAIT_TIMEOUT) and ask again: that is a new request with its own price"},
	{ErrKeyTimeout, "the parties go on; 'tkmsd query kms key' shows how far they are"},
	{ErrKeyFailed, "'tkmsd query parties parties' shows which parties are up; then ask again, which is a new key"},
	{ErrKeyRetired, "ask again: the host chain has no key now"},
	{ErrHalfTrust, "give --trusted-hash and --trusted-height of one header, or neither"},
	{certificate.ErrExpired, "give a newer --trusted-hash with its --trusted-height"},
	{certificate.ErrUntrusted, "the node shows another chain than the one that you trust: ask another --node"},
	{certificate.ErrNotProven, "the node shows a record that the chain does not have: ask another --node"},
	{certificate.ErrNoRecord, "'tkmsd query kms keys' lists the keys"},
	{material.ErrNoMaterial, "'tkmsd query kms key' shows how far the parties are"},
	{material.ErrUnavailable, "call the command again: what came is kept; 'tkmsd query kms key' shows where the vaults are"},
	{ErrTimeout, "raise --wait-timeout (TKMS_WAIT_TIMEOUT) and ask again: that is a new request with its own price"},
}

// Advice is what the user can do about an error.
type Advice struct {
	About error
	Hint  string
}

// hintedError is an error that knows what its reader can do about it.
type hintedError struct {
	error
	hint string
}

// Unwrap returns the cause.
func (e *hintedError) Unwrap() error { return e.error }

// Hint returns the advice.
func (e *hintedError) Hint() string { return e.hint }

// WithHint returns an error with a method Hint that says what to do about it.
func WithHint(err error, hint string) error { return &hintedError{err, hint} }

// Advise returns an error with the hint of the first advice about it, if there is one.
func Advise(err error, list []Advice) error {
	for _, a := range list {
		if errors.Is(err, a.About) {
			return WithHint(err, a.Hint)
		}
	}
	return err
}

func hinted(err error) error { return Advise(err, advice) }
