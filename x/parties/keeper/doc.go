// Package keeper stores x/parties: it admits messages to the pure rules of
// package types, keeps indexes, and emits events. It is deterministic and does
// no I/O; the end of a block costs work in the number of live epochs only.
package keeper
