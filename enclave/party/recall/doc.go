// Package recall lets a member that was away in the middle of a session have the
// messages that it missed.
//
// Links lose what is under way when a process ends, and protocol machines send
// everything once. So each member remembers what it sent in a session until the
// work that the session was for is closed, and hands a member, on call, the
// messages that were meant for that member: nothing that it was not sent before.
// What is too large to be remembered, its owner makes again (Provider).
// Machines ignore what they have already.
//
// It does not make a member send other bytes than before: a machine that runs
// again after a restart draws the same randomness by its address, on the same
// inputs, which come from proven records.
package recall
