// Package demo runs the whole of TKMS on one machine and checks every value and
// every refusal on the way: it is 'tkmsd demo', and the end-to-end test of the
// repository.
//
// It ends well only if each decryption gave the value that was encrypted, on
// chain and in the dApp, and each attack was refused with the code that it must
// have, with nothing counted and nothing paid. It does not show what several
// machines would: latencies of real links, and enclaves.
package demo
