// Package types holds the records, messages and pure rules of x/parties.
//
// The life of an epoch is a state machine without a store, a clock or a context
// (epoch.go, rotation.go, resharing.go, absence.go): members' words in, height in,
// changes out. What it
// guarantees, for n members of which at most t lie and at least n-t are live:
// an epoch becomes ACTIVE only on one transcript digest of n-t members; a member
// that was let down in the set-up gets its openings, or all go on without them, and
// who lied about that is convicted while who was told a lie is not (complaint.go); at
// most t members are excluded at once, as absent none of them without the word of
// an honest member that stood for absence_blocks; a live member that asks for it is
// readmitted, unless evidence convicted it; an epoch that takes over the secrets of
// another becomes ACTIVE only on equal words of n-t members that proved their shares,
// about vectors that n-t members of the other posted, and changes nothing of that one
// before. What evidence proves is judged by package
// enclave/evidence; penalties are not here.
//
// Records that parties prove to themselves lie under raw keys (keys.go).
package types
