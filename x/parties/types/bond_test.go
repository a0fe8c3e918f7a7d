package types

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEachKindOfConvictionHasItsPrice(t *testing.T) {
	params := Params{SlashCheating: 30, SlashFalseAccusation: 7}
	for value := range EvidenceKind_name {
		switch kind := EvidenceKind(value); kind {
		case EVIDENCE_KIND_UNSPECIFIED:
		case EVIDENCE_KIND_FALSE_COMPLAINT, EVIDENCE_KIND_FALSE_ACCUSATION:
			require.EqualValues(t, 7, params.SlashOf(kind), kind)
		default:
			require.EqualValues(t, 30, params.SlashOf(kind), kind)
		}
	}
}
