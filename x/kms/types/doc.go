// Package types holds the records, messages, errors and raw store keys of x/kms.
//
// The store keys are part of the API: a party proves a record by ICS-23 under
// the key that StoreKeyOfRequest, StoreKeyOfKey or StoreKeyOfWork returns.
package types
