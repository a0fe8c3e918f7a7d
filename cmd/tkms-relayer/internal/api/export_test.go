package api

// Failures lists the reasons that have an answer of their own.
func Failures() []string {
	var list []string
	for reason := range failures {
		list = append(list, reason)
	}
	return list
}
