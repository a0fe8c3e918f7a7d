// Package soak runs a network on one machine under fire and judges what became of it.
//
// A plan is drawn from a seed: requests of several kinds, and faults that begin before one
// request and end before a later one. No more parties are faulty at a time than the
// committee tolerates, and never more than one of the validators. Once all requests are
// done and all faults are over, these must hold:
//
//   - every request that the chain accepted was fulfilled with the value that was encrypted,
//     or expired with its fee returned;
//   - no request was answered twice differently, by whatever node and at whatever time;
//   - nothing is in escrow, and the module's account is empty;
//   - only parties that cheated are convicted;
//   - no secret of the run stands in any log, raw, in hexadecimal or in base64;
//   - no party and no relayer panicked.
//
// The plan is the same for the same seed. What happens is not: these are processes on a
// machine. The tests of package fault have runs on a virtual clock that repeat bit by bit.
package soak
