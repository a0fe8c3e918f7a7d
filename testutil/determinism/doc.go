// Package determinism checks that the code which all validators execute reads
// nothing that may differ between them: it has no clock, randomness, environment,
// file, network, goroutine, floating point or order of a map.
//
// It guards against our own mistakes at the time of a test. It follows the types of
// this module's code, not what libraries do inside, and no function values.
package determinism
