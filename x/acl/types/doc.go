// Package types holds the records, messages and errors of x/acl, and their stateless checks.
package types
