// Package jobs turns callers' wishes into requests on TKMS, follows them, and keeps
// the outcome: plaintexts of a set of handles, shares that a user can open, or the
// coprocessor's word on an encrypted input.
//
// It guarantees that the same wish is one job, whoever asks and however often; that a
// job taken is on disk before its caller is told, and is worked on again after a
// restart; that an outcome, once shown, stays, but for shares that came later; that
// nothing is paid for what TKMS's own checks refuse; and that jobs wait neither for
// each other nor for ever. The request on TKMS is idempotent too, so that a job which
// starts over finds the request that it made before.
//
// It does not check results: parties' signatures are checked by TKMS when it takes
// them, by the host chain's contract when it is shown them, and by the user's client.
package jobs
