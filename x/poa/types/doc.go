// Package types holds the messages, parameters, genesis and errors of x/poa.
package types
