// Package violations has one of each thing that Inspect must find, marked by
// "want" and the beginning of the finding.
package violations

import (
	"context"
	"maps"
	"math/rand/v2" // want imports math/rand/v2
	"os"           // want imports os
	"reflect"
	"slices"
	"time"

	clock "time"
)

// Amount hides a float behind a name.
type Amount float64 // want computes in floating point

func clocks(ctx context.Context, at time.Time) (bool, error) {
	now := clock.Now                                   // want uses time.Now
	<-time.After(time.Nanosecond)                      // want uses time.After
	_, cancel := context.WithTimeout(ctx, time.Second) // want uses context.WithTimeout
	cancel()
	return now().After(at) && at.Before(at.Local()), ctx.Err() // want uses (time.Time).Local
}

func order(m map[string]int, v reflect.Value) []string {
	for range m { // want ranges over a map
		break
	}
	_ = v.MapKeys()                     // want uses (reflect.Value).MapKeys
	return slices.Collect(maps.Keys(m)) // want uses maps.Keys
}

func generic[M ~map[K]V, K comparable, V any](m M) {
	for range m { // want ranges over a map
		continue
	}
}

func concurrent(a, b chan int) {
	go close(a) // want starts a goroutine
	select {    // want selects among channels
	case <-a:
	case <-b:
	}
}

func floats(n int) bool {
	half := Amount(n) / 2 // want computes in floating point
	return half > 0       // want computes in floating point
}

func environment() string { return os.Getenv("HOME") }

func chance() int { return rand.Int() }

// What follows is sound.

const million = 1e6

func sound(m map[string]int, s []string, at time.Time) int {
	for range s {
		m["x"]++
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		return m[k] / million
	}
	if at.After(at) {
		return million
	}
	return m["y"]
}
