package noise

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/tkms-network/tkms/enclave/tfhe"
)

func TestTheFrozenTableIsWhatTheModelSays(t *testing.T) {
	var want strings.Builder
	same := true
	for _, name := range tfhe.Names() {
		p, err := tfhe.ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, mode := range []Mode{Exact, PRSS} {
			var values []string
			for _, parties := range committees {
				m, err := New(p, mode, parties)
				if err != nil {
					t.Fatal(err)
				}
				_, log2 := m.Failure()
				milli := int32(max(never, math.Ceil(1000*log2)))
				refused := errors.Is(m.squashed(), ErrSquashed)
				if refused {
					milli = 0
				}
				got, ok := Milli(name, string(mode), parties)
				same = same && ok != refused && got == milli
				values = append(values, fmt.Sprint(milli))
			}
			fmt.Fprintf(&want, "\t{%q, %q, [...]int32{%s}},\n", name, mode, strings.Join(values, ", "))
		}
	}
	if !same || len(table) != 2*len(tfhe.Names()) {
		t.Errorf("the table must be\n%s", &want)
	}
}

func TestWhatTheTableHasNotIsUnknown(t *testing.T) {
	for _, c := range []struct {
		name, mode string
		parties    int
	}{{"nothing", "exact", 4}, {tfhe.NameTest, "dealt", 4}, {tfhe.NameTest, "exact", 5}} {
		if milli, ok := Milli(c.name, c.mode, c.parties); ok {
			t.Errorf("%+v: %d", c, milli)
		}
	}
}
