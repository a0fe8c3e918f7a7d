package keygen

// Opened returns what the runs of an opening showed, little-endian.
func (o *Opening) Opened() (out [][]byte) {
	for _, r := range o.runs {
		v, err := r.values()
		if err != nil {
			panic(err)
		}
		out = append(out, littleEndian(v, o.code.Degree(), r.k))
	}
	return out
}
