// Package objects keeps files under names, in a folder or in a bucket of an object
// store that speaks S3.
//
// An object is there whole or not at all, whenever the process ends. The package
// neither checks nor encrypts what it keeps: whoever reads compares digests. Access keys
// are in no error and no text.
package objects

import (
	"errors"
	"io"
)

// ErrNotFound reports a name without an object.
var ErrNotFound = errors.New("there is no such object")

// Keeper keeps objects under names, which are paths with slashes. It is safe for
// concurrent use.
type Keeper interface {
	// Adopt makes a whole file of the keeper's folder the object of a name, in place of
	// what was there. The file may be gone afterwards, or not.
	Adopt(file, name string, size int64) error
	// Open returns an object and its length in bytes. Where Seek leads elsewhere, an
	// object store is asked anew. Errors: ErrNotFound.
	Open(name string) (io.ReadSeekCloser, int64, error)
	// Size returns an object's length. Errors: ErrNotFound.
	Size(name string) (int64, error)
	// Remove removes an object; that there is none is no error.
	Remove(name string) error
	// Used returns the length of all objects together.
	Used() (int64, error)
	// Local tells whether reading an object twice costs no transfer.
	Local() bool
}
