package enginebench

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// profiledJob is a job of which a profile is made.
type profiledJob struct {
	name string
	job  job
}

// profiledJobs are sessions of one block one after another, and bulk.
func profiledJobs(parties int) []profiledJob {
	const sessions = 3000
	one := job{Runs: 1, Blocks: 1, Last: 1, Batches: sessions, Overlap: 1}
	online, total := one, one
	online.Kind, total.Kind = jobOnline, jobTotal
	return []profiledJob{{"online-1", online}, {"total-1", total}, {"bulk", bulkJob(parties)}}
}

// profiles writes the CPU profiles of party 1 and notes where its time goes.
func (b *bench) profiles() error {
	for _, p := range profiledJobs(b.out.Parties) {
		b.progress("profile of %s", p.name)
		j, name := p.job, p.name
		j.Profile = filepath.Join(b.o.ProfileDir, fmt.Sprintf("n%d-%s.pprof", b.out.Parties, name))
		r, err := b.fleet.run(j, b.in.digest(&j))
		if err != nil {
			return err
		}
		shares, err := groupFile(j.Profile)
		if err != nil {
			return err
		}
		b.out.Profiles = append(b.out.Profiles, Profile{
			Name: name, Blocks: j.Runs * j.perRun(), CPUMicros: float64(r.cpu.Microseconds()) / float64(j.Runs*j.perRun()), Shares: shares,
		})
	}
	return nil
}

// ErrProfile reports a file that is no CPU profile.
var ErrProfile = errors.New("enginebench: malformed profile")

// group is a kind of work by the functions that do it.
type group struct {
	name string
	// prefixes are of function names, anywhere on the stack.
	prefixes []string
}

const module = "github.com/tkms-network/tkms/"

// groups are tried in order, and the first that has a function on the stack takes
// the sample: what is more special comes first.
var groups = []group{
	{"garbage collection", []string{"runtime.gcBgMarkWorker", "runtime.gcAssistAlloc", "runtime.bgsweep", "runtime.bgscavenge", "runtime.gcStart", "runtime.gcMarkDone", "runtime.(*mheap).reclaim"}},
	{"allocation", []string{"runtime.mallocgc", "runtime.growslice", "runtime.makeslice", "runtime.newobject"}},
	{"system calls", []string{"syscall.", "internal/runtime/syscall", "runtime.netpoll"}},
	{"signatures", []string{"crypto/ed25519", "github.com/oasisprotocol/curve25519-voi"}},
	{"TLS records", []string{"crypto/tls"}},
	{"hashing", []string{"crypto/sha256", "crypto/internal/fips140/sha256", module + "enclave/mpc/merkle", module + "enclave/mpc.Hash"}},
	{"PRSS", []string{module + "enclave/prss"}},
	{"dealing", []string{module + "enclave/vss"}},
	{"openings: parity checks, interpolation", []string{module + "enclave/sharing"}},
	{"packing", []string{module + "enclave/ring.Unpack", module + "enclave/ring.AppendPacked"}},
	{"modulus switch and dot product", []string{module + "enclave/tfhe", module + "enclave/protocol/decrypt.dot", module + "enclave/protocol/decrypt.(*Key)"}},
	{"offline phase, the rest", []string{module + "enclave/protocol/preproc"}},
	{"online phase, the rest", []string{module + "enclave/protocol/decrypt"}},
	{"router and links", []string{module + "enclave/session", module + "enclave/transport"}},
	{"scheduler", []string{"runtime.mcall", "runtime.mstart", "runtime.goexit0", "runtime.park_m", "runtime.goready", "runtime.findRunnable", "runtime.schedule"}},
}

// otherGroup takes what is in none.
const otherGroup = "other"

// Share is a group's part of a profile.
type Share struct {
	Group   string  `json:"group"`
	Percent float64 `json:"percent"`
}

// groupFile returns the groups' shares of the samples of a CPU profile, in the order
// of groups.
func groupFile(path string) ([]Share, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	stacks, err := parseProfile(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var total float64
	weights := map[string]float64{}
	for _, s := range stacks {
		weights[groupOf(s.functions)] += float64(s.value)
		total += float64(s.value)
	}
	var out []Share
	for _, g := range append(groups[:len(groups):len(groups)], group{name: otherGroup}) {
		if w := weights[g.name]; w > 0 {
			out = append(out, Share{g.name, 100 * w / total})
		}
	}
	return out, nil
}

func groupOf(functions []string) string {
	for _, g := range groups {
		for _, f := range functions {
			for _, p := range g.prefixes {
				if strings.HasPrefix(f, p) {
					return g.name
				}
			}
		}
	}
	return otherGroup
}

// stack is the functions of a sample, and its weight.
type stack struct {
	functions []string
	value     int64
}

// fields of the messages of github.com/google/pprof/proto/profile.proto.
const (
	profileSample, profileLocation, profileFunction, profileStrings = 2, 4, 5, 6
	sampleLocation, sampleValue                                     = 1, 2
	locationID, locationLine                                        = 1, 4
	lineFunction                                                    = 1
	functionID, functionName                                        = 1, 2
)

// maxProfile bounds an unpacked profile.
const maxProfile = 64 << 20

// parseProfile reads the stacks of a profile. The last value of a sample is its
// weight.
func parseProfile(raw []byte) ([]stack, error) {
	unzip, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProfile, err)
	}
	data, err := io.ReadAll(io.LimitReader(unzip, maxProfile))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProfile, err)
	}
	var texts []string
	names, lines := map[uint64]uint64{}, map[uint64][]uint64{} // function → name, location → functions
	type sample struct{ locations, values []uint64 }
	var samples []sample
	err = eachField(data, func(field protowire.Number, number uint64, body []byte) error {
		switch field {
		case profileStrings:
			texts = append(texts, string(body))
		case profileFunction:
			m, err := numbers(body)
			if err != nil {
				return err
			}
			names[first(m[functionID])] = first(m[functionName])
		case profileLocation:
			id, functions, err := parseLocation(body)
			if err != nil {
				return err
			}
			lines[id] = functions
		case profileSample:
			m, err := numbers(body)
			if err != nil {
				return err
			}
			samples = append(samples, sample{m[sampleLocation], m[sampleValue]})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []stack
	for _, s := range samples {
		if len(s.values) == 0 {
			return nil, fmt.Errorf("%w: a sample without a value", ErrProfile)
		}
		next := stack{value: int64(s.values[len(s.values)-1])}
		for _, location := range s.locations {
			for _, function := range lines[location] {
				if name := names[function]; name < uint64(len(texts)) {
					next.functions = append(next.functions, texts[name])
				}
			}
		}
		out = append(out, next)
	}
	return out, nil
}

func parseLocation(raw []byte) (id uint64, functions []uint64, err error) {
	err = eachField(raw, func(field protowire.Number, number uint64, body []byte) error {
		switch field {
		case locationID:
			id = number
		case locationLine:
			m, err := numbers(body)
			if err != nil {
				return err
			}
			functions = append(functions, first(m[lineFunction]))
		}
		return nil
	})
	return id, functions, err
}

func first(all []uint64) uint64 {
	if len(all) == 0 {
		return 0
	}
	return all[0]
}

// numbers reads the numbers of a message, packed or not, by field.
func numbers(raw []byte) (map[protowire.Number][]uint64, error) {
	out := map[protowire.Number][]uint64{}
	err := eachField(raw, func(field protowire.Number, number uint64, body []byte) error {
		if body == nil {
			out[field] = append(out[field], number)
			return nil
		}
		for len(body) > 0 {
			v, n := protowire.ConsumeVarint(body)
			if n < 0 {
				return fmt.Errorf("%w: %w", ErrProfile, protowire.ParseError(n))
			}
			out[field], body = append(out[field], v), body[n:]
		}
		return nil
	})
	return out, err
}

// eachField calls f with each field of a message: a number, or else bytes.
func eachField(raw []byte, f func(field protowire.Number, number uint64, body []byte) error) error {
	for len(raw) > 0 {
		field, kind, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return fmt.Errorf("%w: %w", ErrProfile, protowire.ParseError(n))
		}
		raw = raw[n:]
		var number uint64
		var body []byte
		switch kind {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(raw)
		case protowire.BytesType:
			if body, n = protowire.ConsumeBytes(raw); body == nil {
				body = []byte{}
			}
		default:
			n = protowire.ConsumeFieldValue(field, kind, raw)
		}
		if n < 0 {
			return fmt.Errorf("%w: %w", ErrProfile, protowire.ParseError(n))
		}
		if err := f(field, number, body); err != nil {
			return err
		}
		raw = raw[n:]
	}
	return nil
}
