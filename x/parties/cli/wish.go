package cli

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tkms-network/tkms/x/parties/types"
)

// Flags that say what a rotation changes.
const (
	flagFile         = "file"
	flagRefresh      = "refresh"
	flagMembers      = "members"
	flagAdd          = "add"
	flagRemove       = "remove"
	flagReplace      = "replace"
	flagT            = "t"
	flagAccept       = "accept-measurement"
	flagReject       = "reject-measurement"
	flagRefreshEvery = "refresh-every"
	flagRehearsal    = "rehearsal"
)

// wishFlags say what to change, if no file does.
var wishFlags = []string{
	flagRefresh, flagMembers, flagAdd, flagRemove, flagReplace, flagT, flagAccept, flagReject, flagRefreshEvery, flagRehearsal,
}

var (
	// ErrNothing says that nothing is to be changed.
	ErrNothing = errors.New("nothing is to be changed")
	// ErrWish says that what is asked for contradicts itself.
	ErrWish = errors.New("what is asked for does not fit together")
	// ErrFile says that a file cannot be read as what it should be.
	ErrFile = errors.New("the file is not of the right form")
)

// Swap puts one party into the seat of another.
type Swap struct {
	Old uint64 `json:"old"`
	New uint64 `json:"new"`
}

// Image is an enclave image as a build prints it: registers in hexadecimal, 96 digits
// each, or as the chain shows them, 64 characters of base64.
type Image struct {
	TeeType string `json:"tee_type"`
	Pcr0    string `json:"pcr0"`
	Pcr1    string `json:"pcr1"`
	Pcr2    string `json:"pcr2"`
	Note    string `json:"note,omitempty"`
}

// Wish is what somebody wants to change, as flags or a file say it. The members are
// those of the active epoch but for what it says.
type Wish struct {
	// Refresh keeps the members and gives them new shares.
	Refresh bool `json:"refresh,omitempty"`
	// Members are all members in the order of their index.
	Members []uint64 `json:"members,omitempty"`
	Add     []uint64 `json:"add,omitempty"`
	Remove  []uint64 `json:"remove,omitempty"`
	Replace []Swap   `json:"replace,omitempty"`
	// T is the number of corruptions tolerated; 0: as many as possible.
	T       uint32  `json:"t,omitempty"`
	Accepts []Image `json:"accept_measurements,omitempty"`
	Rejects []Image `json:"reject_measurements,omitempty"`
	// RefreshEvery is the number of blocks between refreshes, 0 for never; nil leaves it.
	RefreshEvery *uint64 `json:"refresh_every,omitempty"`
	Rehearsal    bool    `json:"rehearsal,omitempty"`
	// Title, Summary and Deposit of the proposal; flags go before them.
	Title   string `json:"title,omitempty"`
	Summary string `json:"summary,omitempty"`
	Deposit string `json:"deposit,omitempty"`
}

// addWishFlags adds the flags that make a Wish.
func addWishFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.String(flagFile, "", "file that says what to change, instead of flags; \"-\" is standard input")
	f.Bool(flagRefresh, false, "keep the members and give them new shares")
	f.StringSlice(flagMembers, nil, "ids of all members in the order of their index, such as 1,2,3,5")
	f.StringSlice(flagAdd, nil, "ids of parties that take a seat beside the present members")
	f.StringSlice(flagRemove, nil, "ids of members that lose their seat")
	f.StringSlice(flagReplace, nil, "a member and the party that takes its seat, such as 4=5")
	f.Uint32(flagT, 0, "corruptions tolerated (0: as many as the members can)")
	f.StringSlice(flagAccept, nil, "file of an enclave image that is accepted from now on")
	f.StringSlice(flagReject, nil, "file of an enclave image that is no longer accepted once the epoch before has ended")
	f.Uint64(flagRefreshEvery, 0, "have the chain refresh the shares every so many blocks from now on (0: never)")
	f.Bool(flagRehearsal, false, "do everything but the activation")
	for _, name := range wishFlags {
		cmd.MarkFlagsMutuallyExclusive(flagFile, name)
	}
}

// wishOf reads what the flags, or the file that they name, ask for.
func wishOf(flags *pflag.FlagSet, stdin io.Reader) (Wish, error) {
	if path, err := flags.GetString(flagFile); err != nil || path != "" {
		if err != nil {
			return Wish{}, err
		}
		return readWish(path, stdin)
	}
	var w Wish
	var err error
	w.Refresh, _ = flags.GetBool(flagRefresh)
	w.Rehearsal, _ = flags.GetBool(flagRehearsal)
	w.T, _ = flags.GetUint32(flagT)
	for name, list := range map[string]*[]uint64{flagMembers: &w.Members, flagAdd: &w.Add, flagRemove: &w.Remove} {
		if *list, err = idsOf(flags, name); err != nil {
			return w, err
		}
	}
	swaps, _ := flags.GetStringSlice(flagReplace)
	for _, text := range swaps {
		from, to, ok := strings.Cut(text, "=")
		swap := Swap{}
		if swap.Old, err = partyID(from); ok && err == nil {
			swap.New, err = partyID(to)
		}
		if !ok || err != nil {
			return w, fmt.Errorf("%w: --%s takes OLD=NEW, not %q", ErrWish, flagReplace, text)
		}
		w.Replace = append(w.Replace, swap)
	}
	for name, list := range map[string]*[]Image{flagAccept: &w.Accepts, flagReject: &w.Rejects} {
		paths, _ := flags.GetStringSlice(name)
		for _, path := range paths {
			var image Image
			if err := readStrict(path, stdin, &image); err != nil {
				return w, err
			}
			*list = append(*list, image)
		}
	}
	if flags.Changed(flagRefreshEvery) {
		every, _ := flags.GetUint64(flagRefreshEvery)
		w.RefreshEvery = &every
	}
	return w, nil
}

func readWish(path string, stdin io.Reader) (w Wish, err error) {
	return w, readStrict(path, stdin, &w)
}

func idsOf(flags *pflag.FlagSet, name string) (ids []uint64, err error) {
	texts, err := flags.GetStringSlice(name)
	for _, text := range texts {
		id, err := partyID(text)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", name, err)
		}
		ids = append(ids, id)
	}
	return ids, err
}

func partyID(text string) (uint64, error) {
	id, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	if err != nil || id == 0 {
		return 0, fmt.Errorf("%w: %q is no id of a party", ErrWish, text)
	}
	return id, nil
}

// readStrict decodes JSON of known fields and a bounded size, and nothing after it.
func readStrict(path string, stdin io.Reader, into any) error {
	in := stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	raw, err := io.ReadAll(io.LimitReader(in, maxFileBytes+1)) // one more, so that excess is seen
	if err != nil {
		return err
	}
	if len(raw) > maxFileBytes {
		return fmt.Errorf("%w: %s: %w", ErrFile, path, ErrTooLarge)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrFile, path, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %s: something follows the JSON", ErrFile, path)
	}
	return nil
}

// measurement returns the image as the chain keeps it.
func (i Image) measurement() (types.Measurement, error) {
	m := types.Measurement{TeeType: i.TeeType, Note: i.Note}
	for _, register := range []struct {
		name string
		text string
		into *[]byte
	}{{"pcr0", i.Pcr0, &m.Pcr0}, {"pcr1", i.Pcr1, &m.Pcr1}, {"pcr2", i.Pcr2, &m.Pcr2}} {
		var err error
		switch len(register.text) {
		case hex.EncodedLen(48):
			*register.into, err = hex.DecodeString(register.text)
		case base64.StdEncoding.EncodedLen(48):
			*register.into, err = base64.StdEncoding.DecodeString(register.text)
		default:
			err = errors.New("96 digits of hexadecimal or 64 characters of base64")
		}
		if err != nil {
			return m, fmt.Errorf("%w: %s: %w", ErrFile, register.name, err)
		}
	}
	return m, m.Validate()
}

func measurementsOf(images []Image) ([]types.Measurement, error) {
	var list []types.Measurement
	for _, image := range images {
		m, err := image.measurement()
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

// rotates reports whether the wish asks for another epoch.
func (w Wish) rotates() bool {
	return w.Refresh || len(w.Members)+len(w.Add)+len(w.Remove)+len(w.Replace)+len(w.Accepts)+len(w.Rejects) > 0 || w.T > 0 || w.Rehearsal
}

// committee returns who sits after the present members, nil if nobody changes.
func (w Wish) committee(present []uint64) ([]uint64, error) {
	changes := len(w.Add)+len(w.Remove)+len(w.Replace) > 0
	switch {
	case w.Refresh && (changes || len(w.Members) > 0):
		return nil, fmt.Errorf("%w: a refresh keeps the members", ErrWish)
	case len(w.Members) > 0 && changes:
		return nil, fmt.Errorf("%w: name all members, or how they change", ErrWish)
	case len(w.Members) > 0:
		return w.Members, nil
	case !changes:
		return nil, nil
	}
	next := slices.Clone(present)
	for _, swap := range w.Replace {
		at := slices.Index(next, swap.Old)
		if at < 0 {
			return nil, fmt.Errorf("%w: party %d has no seat to give", ErrWish, swap.Old)
		}
		next[at] = swap.New
	}
	for _, id := range w.Remove {
		at := slices.Index(next, id)
		if at < 0 {
			return nil, fmt.Errorf("%w: party %d has no seat to lose", ErrWish, id)
		}
		next = slices.Delete(next, at, at+1)
	}
	return append(next, w.Add...), nil
}
