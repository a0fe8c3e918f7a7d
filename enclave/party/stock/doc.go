// Package stock keeps offline material ahead of demand: numbered batches of an
// epoch's items, made with all members that the chain waits for, sealed, and cut
// for requests by the item ranges that the chain assigned.
//
// It guarantees that an item is handed out only from a batch whose verdict was
// reached, and that a batch made with one set of members is never finished with
// another under the same session: each generation of the set has randomness of its
// own, so that what is revealed of a burnt batch is used nowhere, and an item made
// by two generations is two items, of independent masks (Version). A member that was
// away rebuilds its shares of a batch from its own keys and the values that t+1 peers
// say were opened.
//
// Of a shape that is rarely asked for only some batches need to be made ahead; the others
// are made when a member awaits their items, and it tells the others.
//
// It does not decide who is absent or guilty: it says whom it waits for and passes
// on evidence, and the chain decides. A batch that the members of one generation
// cannot finish waits for the next one.
package stock
