package devnet

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/tkms-network/tkms/enclave/tfhe"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

const (
	// trafficPause is the time between two values of the devnet's own traffic.
	trafficPause = 5 * time.Second
	// trafficTimeout is how long one of them may take.
	trafficTimeout = time.Minute
	// watchPause is the time between two looks at the chain and the parties.
	watchPause = time.Second
)

// Traffic encrypts a value every few seconds, has it decrypted, and says how that went,
// until ctx ends.
func (d *Devnet) Traffic(ctx context.Context, say func(string)) {
	for ctx.Err() == nil {
		trying, cancel := context.WithTimeoutCause(ctx, trafficTimeout, fmt.Errorf("no answer within %s", trafficTimeout))
		text, err := d.decryptOne(trying)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			text = "NOT decrypted: " + err.Error()
		}
		say(text)
		select {
		case <-ctx.Done():
		case <-time.After(trafficPause):
		}
	}
}

// decryptOne has a value decrypted and tells by whom.
func (d *Devnet) decryptOne(ctx context.Context) (string, error) {
	user, err := d.NewUser(ctx)
	if err != nil {
		return "", err
	}
	value := new(big.Int).SetUint64(rand.Uint64()) //nolint:gosec // a value to encrypt, no secret
	e, err := Encrypt(d.Public, tfhe.EUint64, value)
	if err != nil {
		return "", err
	}
	if err := d.Store(ctx, e); err != nil {
		return "", err
	}
	handle, err := user.Submit(ctx, e)
	if err != nil {
		return "", err
	}
	if err := user.Disclose(ctx, handle); err != nil {
		return "", err
	}
	outcome, err := d.Decrypt(ctx, handle)
	if err != nil {
		return "", err
	}
	request := outcome.Request
	if got := new(big.Int).SetBytes(request.Plaintext); got.Cmp(value) != 0 {
		return "", fmt.Errorf("request %x: %s was encrypted, %s is certified", request.Id[:6], value, got)
	}
	epoch, err := d.Epoch(ctx, request.EpochId)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("decrypted %s in %s, certified by %s (request %x…)", value, outcome.Latency.Round(time.Millisecond), d.signers(epoch, request), request.Id[:6]), nil
}

// signers names the parties whose word is in a result.
func (d *Devnet) signers(epoch partiestypes.Epoch, request kmstypes.Request) string {
	var names []string
	for _, c := range request.Contributions {
		name := d.memberName(epoch, c.Index)
		if !c.Agrees {
			name += " (signed another plaintext)"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

func (d *Devnet) memberName(epoch partiestypes.Epoch, index uint32) string {
	at := slices.IndexFunc(epoch.Members, func(m partiestypes.Member) bool { return m.Index == index })
	if at < 0 {
		return fmt.Sprintf("member %d", index)
	}
	return d.partyName(epoch.Members[at].PartyId)
}

func (d *Devnet) partyName(id uint64) string {
	for _, p := range d.Parties {
		if p.ID == id {
			return p.Moniker
		}
	}
	return fmt.Sprintf("party %d", id)
}

// Watch says what the chain shows of parties that cheat or are away, and whom the parties
// name without evidence, as it comes, until ctx ends. A node that does not answer is asked
// again.
func (d *Devnet) Watch(ctx context.Context, say func(string)) {
	w := &watcher{devnet: d, say: say, said: map[string]bool{}}
	for {
		_ = w.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(watchPause):
		}
	}
}

// watcher remembers what was said.
type watcher struct {
	devnet *Devnet
	say    func(string)
	said   map[string]bool
}

// once says something about a matter unless that was done.
func (w *watcher) once(matter, format string, args ...any) {
	if !w.said[matter] {
		w.said[matter] = true
		w.say(fmt.Sprintf(format, args...))
	}
}

func (w *watcher) look(ctx context.Context) error {
	evidence, err := w.devnet.Evidence(ctx)
	if err != nil {
		return err
	}
	for _, e := range evidence {
		w.once(fmt.Sprintf("evidence %d", e.Id), "%s", w.devnet.describeEvidence(e))
	}
	epoch, err := w.devnet.ActiveEpoch(ctx)
	if err != nil {
		return err
	}
	for _, a := range epoch.Absences {
		if a.Excluded && !a.Convicted {
			name := w.devnet.memberName(epoch, a.Index)
			w.once("away "+name, "AWAY: %s, not waited for from height %d on, and whenever it is silent again", name, a.ExcludedHeight)
		}
	}
	w.lookAtParties(ctx)
	for number, c := range w.devnet.carriers {
		if c.Told() > 0 {
			w.once(fmt.Sprintf("lied to %d", number), "LIED TO: p%d by its own node; what it asks for it has from another", number)
		}
	}
	return nil
}

// lookAtParties says whom parties name for messages that nobody signed.
func (w *watcher) lookAtParties(ctx context.Context) {
	namers := map[string][]string{}
	for _, p := range w.devnet.Parties {
		status, err := w.devnet.StatusOf(ctx, p)
		if err != nil {
			continue // it may be down
		}
		for _, c := range status.Culprits {
			if matter := c.Moniker + " for what it sent in " + c.Protocol; c.Evidence == "" && !slices.Contains(namers[matter], p.Moniker) {
				namers[matter] = append(namers[matter], p.Moniker)
			}
		}
	}
	for _, matter := range slices.Sorted(maps.Keys(namers)) {
		w.once(matter, "NAMED: %s, by %s; no evidence that convinces others", matter, strings.Join(namers[matter], ", "))
	}
}

// describeEvidence puts a conviction into one line.
func (d *Devnet) describeEvidence(e partiestypes.Evidence) string {
	kind := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(e.Kind.String(), "EVIDENCE_KIND_"), "_", " "))
	subject := "the set-up"
	switch len(e.Subject) {
	case 0:
	case 8:
		subject = "offline batch " + new(big.Int).SetBytes(e.Subject).String()
	default:
		subject = "request"
		if strings.HasPrefix(e.Protocol, "keygen") {
			subject = "the generation of key"
		}
		subject += " " + hex.EncodeToString(e.Subject[:6]) + "…"
	}
	return fmt.Sprintf("CHEATED: %s, %s in %s (%s); evidence %d at height %d, shown by %s",
		d.partyName(e.PartyId), kind, subject, e.Protocol, e.Id, e.Height, d.partyName(e.Reporter))
}
