// Package hostile plays a malicious party against the router and the protocol machines
// that a party runs, all kinds of them: set-up, dealing, offline phase, decryption, key
// generation, resharing, and calls for what was sent. It has tests only.
//
// They show that whatever one registered party sends, in sessions that it is in and in
// others, no other party panics, keeps more than a bounded amount for it, sends more
// than a bounded amount because of it, or stops serving the rest. That results stay
// right and culprits are named is shown where the protocols are.
package hostile
