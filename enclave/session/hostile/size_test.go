package hostile

import "reflect"

// sizeOf returns the bytes of memory that can be reached from v, each counted once;
// what functions have captured is not seen.
func sizeOf(v any) int {
	s := sizer{seen: map[region]bool{}}
	s.walk(reflect.ValueOf(v))
	return s.total
}

type region struct {
	at uintptr
	of reflect.Type
}

type sizer struct {
	seen  map[region]bool
	total int
}

// first reports whether a region is new, and counts its bytes.
func (s *sizer) first(at uintptr, of reflect.Type, bytes int) bool {
	r := region{at, of}
	if at == 0 || s.seen[r] {
		return false
	}
	s.seen[r] = true
	s.total += bytes
	return true
}

func (s *sizer) walk(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if s.first(v.Pointer(), v.Type(), int(v.Type().Elem().Size())) {
			s.walk(v.Elem())
		}
	case reflect.Interface:
		if !v.IsNil() {
			s.walk(v.Elem())
		}
	case reflect.Slice:
		if s.first(v.Pointer(), v.Type(), v.Cap()*int(v.Type().Elem().Size())) && holdsMore(v.Type().Elem()) {
			for i := range v.Len() {
				s.walk(v.Index(i))
			}
		}
	case reflect.String:
		s.total += v.Len()
	case reflect.Array:
		if holdsMore(v.Type().Elem()) {
			for i := range v.Len() {
				s.walk(v.Index(i))
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			s.walk(v.Field(i))
		}
	case reflect.Map:
		if s.first(v.Pointer(), v.Type(), v.Len()*int(v.Type().Key().Size()+v.Type().Elem().Size())) {
			for entries := v.MapRange(); entries.Next(); {
				s.walk(entries.Key())
				s.walk(entries.Value())
			}
		}
	}
}

// holdsMore reports whether values of a type may point to further memory.
func holdsMore(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Slice, reflect.String, reflect.Map, reflect.Struct:
		return true
	case reflect.Array:
		return holdsMore(t.Elem())
	default:
		return false
	}
}
