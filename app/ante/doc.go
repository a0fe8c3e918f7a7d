// Package ante decides, before a transaction runs, whether it may and who pays.
//
// There are two lanes. The party lane is for transactions all of whose messages belong to MPC parties:
// they pay nothing, and are therefore bounded in size, gas, lifetime and number, must be unordered (a
// sequence number could get stuck and silence a party) and come only from accounts of registered parties.
// Everything else pays at least the gas price that consensus demands. A transaction that mixes both is
// refused.
//
// It does not judge what messages say: their modules do.
package ante
