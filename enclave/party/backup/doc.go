// Package backup gives a party's identity and key shares into the keeping of custodians,
// so that a party whose machine is gone comes back under its registration and hands its
// shares over at the next resharing.
//
// A backup is one file: AES-256-GCM under a fresh key, which is split so that any k of m
// custodians open it and any k−1 of them learn nothing at all; each custodian's piece is
// encrypted to its age recipient. To restore, a custodian decrypts its piece and encrypts
// it again to a one-time recipient that the new enclave made; the pieces meet in the
// enclave only. What the file holds, and for whom, is said in clear and signed by the
// party's session key, so that everybody can tell whose it is and whether it is whole; a
// piece is bound to it, so that no custodian can be shown something else.
//
// What a backup can hold is listed by kind: the identity, and key shares that decode as
// such. Keys of an epoch's set-up, stock, and whatever derives from them are no part of
// it: any t+1 parties together know all of them, so a copy outside enclaves would be a
// copy of the key. A restored party therefore has shares only. It counts as absent until
// the next epoch; see Restored.
//
// Against k−1 custodians together with whoever keeps the file this protects the secrecy
// of the shares; against a quantum computer too, if all custodians have hybrid recipients
// (age1pq1…). A wrong piece is found and named. The threshold of custodians stands beside
// that of the parties: k custodians of each of t+1 parties could make the key.
//
// It does not protect against an old backup that somebody kept: its shares are of its
// epoch, and the epoch is over for an adversary only when its last secret is gone. So a
// backup is refused unless it is of the epoch that the chain says (ErrEpoch), and
// Automatic removes those of epochs that are over. Nor does it say who asks for a piece:
// a custodian has to know for certain that the one-time recipient is of the party's new
// enclave. And two machines that run from one identity convict themselves: restore only
// when the old machine is gone for good.
package backup
