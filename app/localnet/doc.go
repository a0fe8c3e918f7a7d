// Package localnet prepares and runs a network of tkmsd processes on one machine: homes, keys, one genesis,
// loopback addresses, start, stop, kill and restart of each node.
//
// It is for development, demonstrations and tests: all keys lie unencrypted in one directory.
package localnet
