// Package wallets knows how a user who is a contract approves a message so that
// storage proofs can show it.
//
// # Why not EIP-1271 itself
//
// A contract wallet says whether a signature is its own by running code:
// isValidSignature(hash, signature) may read any storage, call any contract and depend
// on the block. A storage proof shows words, not runs. Verifying the signatures of a
// wallet's owners here would copy one wallet's code, of one version, and answer "valid"
// where the wallet, with a module, a guard or another fallback handler, answers "no". So
// signatures that a wallet's code checks are not accepted. What can be proven is an
// approval that the wallet wrote into its own storage, if the code that may write there
// is known.
//
// # Safe, signed messages
//
// A Safe of version 1.3.0 to 1.4.1 is a proxy with fixed code; slot 0 of its storage
// names the implementation to which it delegates. Owners sign a message on chain by a transaction
// that delegates to SignMessageLib, which sets signedMessages[messageHash] = 1 in the
// Safe's storage (slot 7). There, messageHash is the EIP-712 hash of SafeMessage(bytes
// message) in the Safe's own domain {chainId, verifyingContract}, and message is the
// ABI word of the 32-byte digest: what CompatibilityFallbackHandler looks up to answer
// isValidSignature(digest, ""). The rule asks for three things, all under one state
// root: the proxy's code hash and the implementation that governance registered, and a
// word other than zero at the message's slot.
//
// # What it guarantees
//
// Slots are computed from the rule and the request; nothing in a proof can move them.
// An approval is for one digest, one wallet and one chain: the Safe's domain names both.
//
// # What it does not
//
// It does not know that a code hash is that of a Safe's proxy, nor that the
// implementation is a Safe: governance pins both. Owners or modules that can make the
// Safe delegate a call can approve: that is the Safe's own rule. A Safe cannot take a
// signed message back; what is approved holds as long as the message itself says. A
// proxy that writes another implementation into slot 0 between approval and proof is
// refused, one that wrote it back is not noticed.
package wallets
