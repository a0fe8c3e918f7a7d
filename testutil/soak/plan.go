package soak

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// Options of a plan. Zero values take defaults.
type Options struct {
	Seed uint64
	// Requests is how many are made.
	Requests int
	// Parties is how many are in the network, 7 by default; Validators, 4 by default.
	Parties, Validators int
	// Rotations has the committee change: it begins with the first four parties.
	Rotations bool
}

func (o Options) withDefaults() Options {
	if o.Parties == 0 {
		o.Parties = 7
	}
	if o.Validators == 0 {
		o.Validators = 4
	}
	return o
}

// AskKind is how something is asked for.
type AskKind string

// Kinds of requests.
const (
	// AskDirect is a public decryption posted to a validator's node, AskRelayed one by the
	// relayer.
	AskDirect  AskKind = "public"
	AskRelayed AskKind = "relayed"
	// AskRead is a user who reads her values by the relayer.
	AskRead AskKind = "read"
	// AskAgain is an earlier request once more, in the same way.
	AskAgain AskKind = "again"
)

// Ask is one request of a plan.
type Ask struct {
	// Number counts from 1.
	Number int
	Kind   AskKind
	// Values are positions among the disclosed ones, of a user's own if she reads.
	Values []int
	// Reader is the position of the user who reads.
	Reader int
	// Node is the validator that is asked first, from 0.
	Node int
	// Of is the number of the request that is made again.
	Of int
}

// FaultKind is what goes wrong.
type FaultKind string

// Kinds of faults. The first word says of what.
const (
	ValidatorKilled FaultKind = "validator killed"
	ValidatorPaused FaultKind = "validator paused"
	ValidatorFull   FaultKind = "validator's disk full"

	RelayerKilled    FaultKind = "relayer killed"
	RelayerRestarted FaultKind = "relayer restarted"

	LinksBad FaultKind = "links between parties bad"
	LinksCut FaultKind = "links between parties cut"

	PartyKilled   FaultKind = "party killed"
	PartyPaused   FaultKind = "party paused"
	PartyFull     FaultKind = "party's disk full"
	PartyCorrupt  FaultKind = "party's share file corrupted"
	PartyClock    FaultKind = "party's clock an hour off"
	PartyLiedTo   FaultKind = "party's node lies"
	PartyStalled  FaultKind = "party's node stalls"
	PartyStale    FaultKind = "party's folder put back"
	PartyCheating FaultKind = "party sends wrong shares"

	CommitteeChange FaultKind = "committee changes"
)

// Fault is one fault of a plan.
type Fault struct {
	Kind FaultKind
	// Target is the number of the party or validator, from 1; 0 where there is but one.
	Target int
	// Begin and End are the numbers of the requests before which it begins and is over;
	// equal if nothing is asked in between.
	Begin, End int
	// Members are the parties of the committee that takes over, by number.
	Members []int
}

// Plan is what a run does.
type Plan struct {
	Options
	Asks   []Ask
	Faults []Fault
}

// Values that a run keeps.
const (
	publicValues  = 24
	readers       = 4
	readerValues  = 3
	mostValuesAsk = 3
)

// valueTypes are those of the values, in turn.
func valueTypes() []tfhe.Type {
	return []tfhe.Type{tfhe.EUint64, tfhe.EBool, tfhe.EUint8, tfhe.EUint32, tfhe.EUint128, tfhe.EUint160, tfhe.EUint256, tfhe.EUint16}
}

// NewPlan draws a plan, the same for the same options.
func NewPlan(o Options) *Plan {
	p := &Plan{Options: o.withDefaults()}
	p.drawAsks()
	p.drawFaults()
	return p
}

// draw returns the generator of a part of the plan, so that a change of one part leaves
// the others as they are.
func (p *Plan) draw(part string) *rand.Rand {
	var seed [32]byte
	copy(seed[:24], "tkms/v1/soak/"+part)
	binary.BigEndian.PutUint64(seed[24:], p.Seed)
	return rand.New(rand.NewChaCha8(seed)) //nolint:gosec // a plan that its seed repeats
}

func (p *Plan) drawAsks() {
	random := p.draw("asks")
	made := map[string]bool{}
	for number := 1; number <= p.Requests; number++ {
		a := Ask{Number: number, Node: random.IntN(p.Validators)}
		switch kind := random.IntN(20); {
		case kind < 3 && number > 1:
			of := p.Asks[random.IntN(number-1)]
			if of.Kind == AskAgain {
				of = p.Asks[of.Of-1]
			}
			a.Kind, a.Of, a.Values, a.Reader = AskAgain, of.Number, of.Values, of.Reader
		case kind < 9:
			a.Kind, a.Reader = AskRead, random.IntN(readers)
			a.Values = subset(random, readerValues)
		case kind < 13:
			a.Kind = AskRelayed
			a.Values = unmade(random, made)
		default:
			a.Kind = AskDirect
			a.Values = unmade(random, made)
		}
		p.Asks = append(p.Asks, a)
	}
}

// tries is how often values are drawn that nobody asked for yet.
const tries = 100

// unmade draws disclosed values that make a request of their own, as long as there are
// some.
func unmade(random *rand.Rand, made map[string]bool) []int {
	var values []int
	for range tries {
		values = subset(random, publicValues)
		if name := fmt.Sprint(values); !made[name] {
			made[name] = true
			return values
		}
	}
	return values
}

// subset draws one or a few of n positions, ascending.
func subset(random *rand.Rand, n int) []int {
	all := random.Perm(n)[:1+random.IntN(mostValuesAsk)]
	slices.Sort(all)
	return all
}

// lane is where faults follow each other: no two of a lane are at the same time.
type lane struct {
	name  string
	kinds []FaultKind
	// targets draws whom a fault hits among the committee's members.
	targets func(random *rand.Rand, members []int) int
	// momentary faults are over before the next request is made.
	momentary bool
	// lasting faults stay until the committee changes.
	lasting bool
}

// Requests between the faults of a lane, and those for which one lasts.
const (
	shortestGap, longestGap     = 2, 8
	shortestFault, longestFault = 4, 12
	// momentaryGaps make momentary faults as rare as those that last.
	momentaryGaps = 3
)

func (p *Plan) lanes(members []int) []lane {
	// The parties are dealt to the lanes, so that no party has two faults at once.
	t := sharing.Threshold(len(members))
	none := func(*rand.Rand, []int) int { return 0 }
	all := []lane{
		{
			name: "validators", kinds: []FaultKind{ValidatorKilled, ValidatorPaused, ValidatorFull},
			targets: func(random *rand.Rand, _ []int) int { return 1 + random.IntN(p.Validators) },
		},
		{name: "relayer", kinds: []FaultKind{RelayerRestarted, RelayerKilled}, targets: none, momentary: true},
		{name: "links", kinds: []FaultKind{LinksBad, LinksCut}, targets: none},
	}
	for i := range t {
		own := lane{name: fmt.Sprintf("parties %d", i+1), targets: func(random *rand.Rand, members []int) int {
			return members[i+t*random.IntN((len(members)-i+t-1)/t)]
		}}
		if own.lasting = i > 0; own.lasting {
			own.kinds = []FaultKind{PartyCheating, PartyStale}
		} else {
			own.kinds = []FaultKind{PartyKilled, PartyPaused, PartyLiedTo, PartyFull, PartyCorrupt, PartyClock, PartyStalled}
		}
		all = append(all, own)
	}
	return all
}

// drawFaults lays the faults of each committee's time.
func (p *Plan) drawFaults() {
	committees := p.committees()
	for i, c := range committees {
		end := p.Requests + 1
		if i+1 < len(committees) {
			end = committees[i+1].Begin
		}
		if i > 0 {
			p.Faults = append(p.Faults, c)
		}
		for _, l := range p.lanes(c.Members) {
			p.drawLane(p.draw(fmt.Sprintf("%s/%d", l.name, i)), l, c.Members, c.Begin, end)
		}
	}
	slices.SortStableFunc(p.Faults, func(a, b Fault) int { return a.Begin - b.Begin })
}

// committees are the changes of committee, the first one being there from the start.
func (p *Plan) committees() []Fault {
	all := make([]int, p.Parties)
	for i := range all {
		all[i] = i + 1
	}
	if !p.Rotations {
		return []Fault{{Begin: 1, Members: all}}
	}
	const first = 4
	changes := [][]int{all[:first], all, all, all[len(all)-first:]}
	out := make([]Fault, len(changes))
	for i, members := range changes {
		at := 1 + i*p.Requests/len(changes)
		out[i] = Fault{Kind: CommitteeChange, Begin: at, End: at, Members: members}
	}
	return out
}

// cheats are the numbers of parties that send what is wrong, by their will or by their
// folder's age.
func (p *Plan) cheats() []int {
	var out []int
	for _, f := range p.Faults {
		if f.Kind == PartyCheating || f.Kind == PartyStale {
			out = append(out, f.Target)
		}
	}
	return out
}

// indices are those that parties have in any of the committees.
func (p *Plan) indices(numbers []int) map[int]bool {
	out := map[int]bool{}
	for _, c := range p.committees() {
		for _, n := range numbers {
			if at := slices.Index(c.Members, n); at >= 0 {
				out[at+1] = true
			}
		}
	}
	return out
}

// seats is how many parties the first committee has.
func (p *Plan) seats() int { return len(p.committees()[0].Members) }

func (p *Plan) drawLane(random *rand.Rand, l lane, members []int, begin, end int) {
	kinds := deal(random, l.kinds)
	for at := begin; ; {
		gap := shortestGap + random.IntN(longestGap-shortestGap+1)
		if l.momentary {
			gap *= momentaryGaps
		}
		at += gap
		f := Fault{Kind: kinds(), Target: l.targets(random, members), Begin: at}
		switch {
		case l.lasting:
			f.End = end
		case l.momentary || f.Kind == LinksCut:
			f.End = at
		default:
			f.End = at + shortestFault + random.IntN(longestFault-shortestFault+1)
		}
		if f.Begin >= end {
			return
		}
		f.End = min(f.End, end)
		p.Faults = append(p.Faults, f)
		at = f.End
	}
}

// deal returns all kinds before it repeats one.
func deal(random *rand.Rand, kinds []FaultKind) func() FaultKind {
	var deck []FaultKind
	return func() FaultKind {
		if len(deck) == 0 {
			deck = slices.Clone(kinds)
			random.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		}
		kind := deck[0]
		deck = deck[1:]
		return kind
	}
}

// String is the plan for a person, one line a request or fault.
func (p *Plan) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "plan of seed %d: %d requests, %d faults\n", p.Seed, len(p.Asks), len(p.Faults))
	for _, a := range p.Asks {
		for _, f := range p.Faults {
			if f.Begin == a.Number {
				fmt.Fprintf(&out, "  %s\n", f)
			}
		}
		fmt.Fprintf(&out, "%4d %s\n", a.Number, a)
	}
	return out.String()
}

func (a Ask) String() string {
	switch a.Kind {
	case AskAgain:
		return fmt.Sprintf("%-8s request %d", a.Kind, a.Of)
	case AskRead:
		return fmt.Sprintf("%-8s values %v of user %d", a.Kind, a.Values, a.Reader)
	case AskDirect:
		return fmt.Sprintf("%-8s values %v by validator %d", a.Kind, a.Values, a.Node+1)
	}
	return fmt.Sprintf("%-8s values %v", a.Kind, a.Values)
}

func (f Fault) String() string {
	text := string(f.Kind)
	if f.Target != 0 {
		text += fmt.Sprintf(" (%d)", f.Target)
	}
	switch {
	case f.Kind == CommitteeChange:
		return fmt.Sprintf("%s to %v", text, f.Members)
	case f.End == f.Begin:
		return text
	}
	return fmt.Sprintf("%s until before %d", text, f.End)
}
