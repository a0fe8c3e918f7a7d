// Package jobs turns a caller's wish for plaintexts into a request on TKMS, follows
// it, and keeps the outcome.
//
// It guarantees that the same handles are one job, whoever asks and however often;
// that a job taken is on disk before its caller is told, and is worked on again
// after a restart; that an outcome, once shown, stays; and that jobs wait neither
// for each other nor for ever. The request on TKMS is idempotent too, so that a job
// which starts over finds the request that it made before.
//
// It does not check results: parties' signatures are checked by TKMS when it takes
// them and by the host chain's contract when it is shown them.
package jobs
