package types

import "slices"

// DefaultGenesis has no host chains.
func DefaultGenesis() *GenesisState { return &GenesisState{Params: DefaultParams()} }

// Validate checks each record and that no two collide in what they must not share.
func (g GenesisState) Validate() error {
	if err := g.Params.Validate(); err != nil {
		return err
	}
	for i, chain := range g.HostChains {
		if err := chain.Validate(); err != nil {
			return err
		}
		for _, other := range g.HostChains[:i] {
			if chain.Id == other.Id {
				return ErrHostChainExists.Wrapf("%d", chain.Id)
			}
			if err := chain.ApartFrom(other); err != nil {
				return err
			}
		}
	}
	for i, latest := range g.LatestHeights {
		if i > 0 && latest.HostChainId <= g.LatestHeights[i-1].HostChainId {
			return ErrInvalidHostChain.Wrap("latest heights are not in ascending order")
		}
		if !slices.ContainsFunc(g.HostChains, func(c HostChain) bool { return c.Id == latest.HostChainId }) {
			return ErrUnknownHostChain.Wrapf("%d has a latest height", latest.HostChainId)
		}
	}
	return nil
}

// ApartFrom checks that two different host chains, both valid, cannot be taken for each other: neither a
// result signed for one (ErrDomainTaken) nor a header sealed for one (ErrValidatorsShared) is good for the
// other.
func (h HostChain) ApartFrom(other HostChain) error {
	if h.VerifierDomain.SameDomain(other.VerifierDomain) {
		return ErrDomainTaken.Wrapf("host chain %d", other.Id)
	}
	mine, err := h.ValidatorSet()
	if err != nil {
		return err
	}
	theirs, err := other.ValidatorSet()
	if err != nil {
		return err
	}
	if mine.CanCross(theirs) {
		return ErrValidatorsShared.Wrapf("host chain %d", other.Id)
	}
	return nil
}
