// Package sharing is Shamir's secret sharing over the Galois rings of package
// ring, for n parties of which t may be corrupt, n ≥ 3t+1.
//
// Party i (1..n) holds f(α_i) for a polynomial f with f(0) the secret, where the
// coordinates of α_i are the bits of i. Guarantees: any t shares of a degree-t
// sharing are independent of the secret; n−t shares on one polynomial of degree t
// determine it although up to t of them are wrong, and every other share is then
// known to be wrong.
//
// Elements are opened for the price of integers: Σ_p Y^p·[v_p] shares four values in
// one element (NewElementOpener; NewWideOpener beyond 64 bits). An opening of degree t
// shows nothing but these, since any t of its shares are independent of them and the
// others follow from both.
//
// It does not authenticate shares, and an opening of degree 2t detects errors
// only as far as more than 2t+1 shares are present: what such an opening yields
// may be used only after the parties agreed on the shares (package preproc).
//
// Decoding branches on the shares decoded. It is meant for openings, whose
// values become public.
package sharing
