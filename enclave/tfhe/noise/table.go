package noise

import "slices"

// LimitMilli is [Limit] in thousandths, what [Milli] is compared with.
const LimitMilli = 1000 * Limit

// committees are the numbers of parties that [Milli] knows.
var committees = [...]int{1, 4, 7, 10, 13, 16}

// entry is a row of the table: thousandths of the binary logarithm of the failure
// probability for each of the committees, 0 for one that [Model.Check] refuses
// because of its squashed ciphertexts.
type entry struct {
	name, mode string
	milli      [len(committees)]int32
}

// never stands for 2^-1000 and everything below.
const never = -1_000_000

var table = []entry{
	{"production", "exact", [len(committees)]int32{-129274, -129274, -129274, -129274, 0, 0}},
	{"production", "prss", [len(committees)]int32{-129274, -88518, -32971, -8297, 0, 0}},
	{"production-compute", "exact", [len(committees)]int32{-129581, -129581, -129581, -129581, -129581, -129581}},
	{"production-compute", "prss", [len(committees)]int32{-129581, -88791, -33100, -8330, -2201, -697}},
	{"production-pke", "exact", [len(committees)]int32{-1000000, -1000000, -1000000, -1000000, -1000000, -1000000}},
	{"production-pke", "prss", [len(committees)]int32{-1000000, -1000000, -1000000, -1000000, -1000000, -1000000}},
	{"test", "exact", [len(committees)]int32{-72066, -72066, -72066, -72066, -72066, -72066}},
	{"test", "prss", [len(committees)]int32{-72066, -54748, -12173, -3041, -927, -326}},
}

// Milli returns the binary logarithm, in thousandths and rounded up, of how often the
// worst operation fails under a key that so many parties generate with a parameter
// set and a mode ("exact" or "prss"): what [Model.Failure] says, but not below
// −1,000,000. ok is false for a name, a mode or a number of parties that the table has
// not, and if squashed ciphertexts would be too noisy ([ErrSquashed]), which no accepted
// probability excuses. It is a table of integers, the same on every machine: consensus
// may rely on it.
func Milli(name, mode string, parties int) (milliLog2 int32, ok bool) {
	column := slices.Index(committees[:], parties)
	row := slices.IndexFunc(table, func(e entry) bool { return e.name == name && e.mode == mode })
	if column < 0 || row < 0 {
		return 0, false
	}
	milliLog2 = table[row].milli[column]
	return milliLog2, milliLog2 != 0
}
