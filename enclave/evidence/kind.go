package evidence

import "fmt"

// String returns the kind's name, such as "wrong-opening".
func (k Kind) String() string {
	switch k {
	case KindEquivocation:
		return "equivocation"
	case KindWrongOpening:
		return "wrong-opening"
	case KindWrongVector:
		return "wrong-vector"
	}
	return fmt.Sprintf("kind-%d", byte(k))
}
