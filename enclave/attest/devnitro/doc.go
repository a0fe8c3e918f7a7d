// Package devnitro simulates a Nitro security module for development networks
// and tests.
//
// Its documents have the real format under a certificate chain whose names say
// SIMULATED and whose root key is derived from a seed that everybody on the
// network knows. They prove nothing: anybody can make one for any measurement.
// Chains refuse them unless their genesis allows it. The package exists so that
// everything but the hardware is the code that runs in production.
package devnitro
