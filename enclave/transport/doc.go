// Package transport connects the parties of a committee by mutually
// authenticated TLS 1.3.
//
// It guarantees, against anybody on the network, that a frame handed to the
// receive callback under index i was sent by the holder of the private key
// whose SPKI hash is registered for i at that moment, that nobody else read it
// (X25519MLKEM768, so not later with a quantum computer either), and that it
// arrived whole. A peer removed from the registry, or whose key is replaced, is
// cut off before SetPeers returns: what it sends afterwards is not delivered.
//
// Against a registered but malicious peer it guarantees bounded memory, a
// bounded send queue and independence: a peer that reads slowly, floods, sends
// malformed frames or disappears delays nobody else.
//
// A Port serves several meshes, such as those of two epochs of which one takes over
// from the other. Each has members, indices and links of its own. Connections that
// nobody has identified yet are bounded in number, together and by where they come
// from; strangers in many places at once can delay new connections, but no link.
//
// It does not guarantee delivery. A frame is delivered at most once per
// connection, may be repeated or lost when a connection breaks, and is dropped
// and counted when the queue of its receiver is full or the receiver has been
// away for long. Protocols above are asynchronous and tolerate that for up to t
// parties. It hides neither the size nor the time of messages.
package transport
