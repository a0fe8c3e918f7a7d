package fhevm

import (
	"bytes"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
)

//go:embed abi/Disclosure.json
var disclosureJSON []byte

//go:embed abi/CiphertextRegistry.json
var registryJSON []byte

//go:embed abi/ACL.json
var aclJSON []byte

//go:embed abi/KMSVerifier.json
var kmsVerifierJSON []byte

// Interfaces of the contracts that clients call. Disclosure and CiphertextRegistry are whole;
// ACL and KMSVerifier hold what clients need of the published ones.
var (
	ACLABI         = mustABI(aclJSON)
	DisclosureABI  = mustABI(disclosureJSON)
	RegistryABI    = mustABI(registryJSON)
	KMSVerifierABI = mustABI(kmsVerifierJSON)
)

// Revert is a contract's refusal, decoded where its custom error is known.
type Revert struct {
	Name string // name of the custom error, "Error" for a reason string, "" when unknown
	Text string // name and arguments for people
	Data []byte // the raw revert data
}

// Error implements error.
func (r *Revert) Error() string { return "execution reverted: " + r.Text }

// IsRevert reports whether err is, or wraps, a Revert with the custom error called name.
func IsRevert(err error, name string) bool {
	var r *Revert
	return errors.As(err, &r) && r.Name == name
}

// DecodeRevert names the custom error in data by the interfaces above.
func DecodeRevert(data []byte) *Revert {
	r := &Revert{Data: data, Text: "0x" + hex.EncodeToString(data)}
	if reason, err := abi.UnpackRevert(data); err == nil {
		r.Name, r.Text = "Error", reason
		return r
	}
	if len(data) < 4 {
		return r
	}
	for _, contract := range []abi.ABI{DisclosureABI, RegistryABI, KMSVerifierABI, ACLABI} {
		for name, e := range contract.Errors {
			if !bytes.Equal(e.ID[:4], data[:4]) {
				continue
			}
			r.Name, r.Text = name, name
			if args, err := e.Inputs.Unpack(data[4:]); err == nil && len(args) > 0 {
				parts := make([]string, len(args))
				for i, a := range args {
					if b, ok := a.([32]byte); ok {
						a = "0x" + hex.EncodeToString(b[:])
					}
					parts[i] = fmt.Sprint(a)
				}
				r.Text = name + "(" + strings.Join(parts, ", ") + ")"
			}
			return r
		}
	}
	return r
}

func mustABI(json []byte) abi.ABI {
	parsed, err := abi.JSON(bytes.NewReader(json))
	if err != nil {
		panic("fhevm: embedded ABI: " + err.Error())
	}
	return parsed
}
