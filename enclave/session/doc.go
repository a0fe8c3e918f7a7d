// Package session runs many protocol machines at once over one mesh of
// authenticated links, and carries requests and answers between parties.
//
// It guarantees that a machine sees one message at a time, each with the true
// index of its sender, only messages of its own session, and none after Run has
// returned unless the caller asked for lingering. A peer can neither exhaust
// memory (everything kept for it is bounded, early messages also expire) nor
// stop the process by making a machine or a handler panic, nor delay another
// session than those that wait for it.
//
// It does not judge messages, repeat lost ones or watch deadlines: machines
// tolerate silent parties, and the caller's context ends a session that does
// not finish. That a session id is never used twice across restarts is the
// caller's duty; within one process a finished id is refused.
package session
