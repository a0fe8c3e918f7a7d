package keeper

import "github.com/tkms-network/tkms/x/parties/types"

// SetAttestor replaces the verifier of documents.
func (k *Keeper) SetAttestor(attestor types.Attestor) { k.attestor = attestor }

// SetEpoch and CheckBond are for tests.
var (
	SetEpoch  = (*Keeper).setEpoch
	CheckBond = (*Keeper).checkBond
)
