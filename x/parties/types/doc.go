// Package types holds the records, messages and pure rules of x/parties.
//
// The life of an epoch is a state machine without a store, a clock or a context
// (epoch.go, absence.go): members' words in, height in, changes out. What it
// guarantees, for n members of which at most t lie and at least n-t are live:
// an epoch becomes ACTIVE only on one transcript digest of n-t members; at most
// t members are excluded as absent at once, none of them without the word of an
// honest member that stood for absence_blocks; a live member that asks for it
// is readmitted. It does not judge who is to blame.
//
// Records that parties prove to themselves lie under raw keys (keys.go).
package types
