// Package onchain serves contracts of the host chain that never call the relayer: when
// one makes values publicly decryptable, the values are decrypted and brought to it.
//
// fhEVM's contracts have no event by which a contract asks for a decryption; the ACL has
// AllowedForDecryption(caller, handles), which it emits when a contract gives its values
// to everybody. For the contracts that the operator named, that is the request, and one
// event is one call back, with the event's handles: fulfil(bytes32[], bytes, bytes).
//
// It guarantees that no event of those contracts is lost or served twice, over restarts
// and whatever a single node of the host chain says, from the block on at which it began:
// events count from sealed blocks only, none can be left out, the place that was read to
// is on disk together with what was found there, and the job of a set of values is one,
// whoever asks. What fails is tried again, for a day. Two relayers may serve one
// contract: the second finds the request made and the call refused.
//
// It does not check whether a value may be decrypted: that is proven to TKMS as for any
// other request.
package onchain
