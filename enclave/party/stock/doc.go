// Package stock keeps offline material ahead of demand: numbered batches of an
// epoch's items, made with all members that the chain waits for, sealed, and cut
// for requests by the item ranges that the chain assigned.
//
// It guarantees that an item is handed out only from a batch whose verdict was
// reached, and that a batch made with one set of members is never finished with
// another under the same session. A member that was away rebuilds its shares of
// a batch from its own keys and the values that t+1 peers say were opened.
//
// It does not decide who is absent: it says whom it waits for, and the chain
// decides.
package stock
