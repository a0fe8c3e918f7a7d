// Package nsm is the seam to an enclave's security module: the requests that a
// program in the enclave makes of the device, and the device's answers. Behind
// it is the hardware in production and a simulation elsewhere; everything on
// this side of it is the same.
//
// It carries requests and checks nothing: whoever receives a document verifies
// it with package attest.
package nsm

import (
	"errors"
	"fmt"
)

// Limits of the device.
const (
	// MaxField bounds each field of an attestation request, in bytes.
	MaxField = 1024
	// Registers is the number of measurement registers.
	Registers = 32
	// FirstOwnRegister is the first register that a program may extend.
	FirstOwnRegister = 16
)

// Errors that a device answers with.
var (
	// ErrInput reports a field over MaxField or a register that does not exist.
	ErrInput = errors.New("nsm: request is out of range")
	// ErrReadOnly reports a register that is locked.
	ErrReadOnly = errors.New("nsm: register is locked")
	// ErrOperation reports a request that the device does not know.
	ErrOperation = errors.New("nsm: operation is not supported")
	// ErrClosed reports use after Close.
	ErrClosed = errors.New("nsm: device is closed")
)

// Request is one of the request types of this package.
type Request interface{ isRequest() }

// Attestation asks for a document over these fields, each at most MaxField bytes.
type Attestation struct {
	UserData, Nonce, PublicKey []byte
}

// GetRandom asks for random bytes of the device.
type GetRandom struct{}

// DescribeRegister asks for a register's value and lock.
type DescribeRegister struct{ Index int }

// ExtendRegister replaces a register by SHA-384(register ‖ data).
type ExtendRegister struct {
	Index int
	Data  []byte
}

// LockRegister makes a register read-only until the enclave ends.
type LockRegister struct{ Index int }

func (Attestation) isRequest()      {}
func (GetRandom) isRequest()        {}
func (DescribeRegister) isRequest() {}
func (ExtendRegister) isRequest()   {}
func (LockRegister) isRequest()     {}

// Response answers a Request; the fields that do not belong to it are zero.
type Response struct {
	// Document answers Attestation.
	Document []byte
	// Random answers GetRandom.
	Random []byte
	// Value answers DescribeRegister and ExtendRegister.
	Value []byte
	// Locked answers DescribeRegister.
	Locked bool
}

// Device is a security module. It is safe for concurrent use.
type Device interface {
	Send(Request) (Response, error)
	Close() error
}

// Attest asks a device for a document that vouches for userData.
func Attest(device Device, userData []byte) ([]byte, error) {
	response, err := device.Send(Attestation{UserData: userData})
	if err != nil {
		return nil, fmt.Errorf("nsm: asking for an attestation document: %w", err)
	}
	return response.Document, nil
}
