package access

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

var (
	// ErrNoKey reports a call without a key where one is needed.
	ErrNoKey = errors.New("an API key is needed")
	// ErrUnknownKey reports a key that is not on the list.
	ErrUnknownKey = errors.New("unknown API key")
)

// Limited reports a caller who used up its calls for now.
type Limited struct {
	// After is how long until the next call is taken.
	After time.Duration
}

// Error implements error.
func (l *Limited) Error() string {
	return fmt.Sprintf("too many calls; the next is taken in %s", l.After.Round(time.Millisecond))
}

// Limit is how often one caller may call.
type Limit struct {
	// Rate is calls a second, on average; Burst how many may come at once.
	Rate  float64 `json:"rate"`
	Burst int     `json:"burst"`
}

// Key is one caller with a key.
type Key struct {
	// Name is for logs and metrics of operators; it says nothing about the key.
	Name string `json:"name"`
	// SHA256 of the key, 64 hexadecimal digits.
	SHA256 string `json:"sha256"`
	Limit
}

// maxAddresses bounds the addresses whose calls are counted apart.
const maxAddresses = 1 << 16

// Gate admits calls. It is safe for concurrent use.
type Gate struct {
	keys      map[[sha256.Size]byte]*rate.Limiter
	anonymous Limit
	proxied   bool
	now       func() time.Time

	mu        sync.Mutex
	addresses map[netip.Addr]*rate.Limiter
	// crowd is shared by addresses for which there is no room.
	crowd *rate.Limiter
}

// New returns a gate. An anonymous limit with rate 0 admits nobody without a key.
// proxied says that a reverse proxy appends the caller's address to X-Forwarded-For.
func New(keys []Key, anonymous Limit, proxied bool) (*Gate, error) {
	g := &Gate{
		keys: map[[sha256.Size]byte]*rate.Limiter{}, anonymous: anonymous, proxied: proxied, now: time.Now,
		addresses: map[netip.Addr]*rate.Limiter{}, crowd: anonymous.limiter(),
	}
	for _, k := range keys {
		digest, err := k.digest()
		if err != nil {
			return nil, err
		}
		if g.keys[digest] != nil {
			return nil, fmt.Errorf("key %q is listed twice", k.Name)
		}
		g.keys[digest] = k.limiter()
	}
	return g, nil
}

func (l Limit) limiter() *rate.Limiter { return rate.NewLimiter(rate.Limit(l.Rate), l.Burst) }

// Admit returns nil for a call that may go on, else ErrNoKey, ErrUnknownKey or a
// *Limited. Whoever shows a key is judged by it alone.
func (g *Gate) Admit(r *http.Request) error {
	key, shown := keyOf(r)
	if shown {
		limiter := g.keys[sha256.Sum256([]byte(key))]
		if limiter == nil {
			return ErrUnknownKey
		}
		return g.take(limiter)
	}
	if g.anonymous.Rate <= 0 {
		return ErrNoKey
	}
	return g.take(g.limiterOf(g.addressOf(r)))
}

func (g *Gate) take(limiter *rate.Limiter) error {
	now := g.now()
	reservation := limiter.ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	reservation.CancelAt(now)
	return &Limited{wait}
}

// keyOf finds the key of a call where the published clients put it.
func keyOf(r *http.Request) (key string, shown bool) {
	if key := r.Header.Get("x-api-key"); key != "" {
		return key, true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") && token != "" {
		return strings.TrimSpace(token), true
	}
	if cookie, err := r.Cookie("x-api-key"); err == nil && cookie.Value != "" {
		return cookie.Value, true
	}
	return "", false
}

// addressOf is who calls: an IPv4 address, or the /64 that an IPv6 host has to
// itself; the zero address if none can be told.
func (g *Gate) addressOf(r *http.Request) netip.Addr {
	text, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	if forwarded := r.Header.Values("X-Forwarded-For"); g.proxied && len(forwarded) > 0 {
		// What comes before the last address is the caller's own word.
		last := forwarded[len(forwarded)-1]
		text = strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	address = address.Unmap().WithZone("")
	if address.Is6() {
		prefix, err := address.Prefix(64)
		if err != nil {
			return netip.Addr{}
		}
		return prefix.Addr()
	}
	return address
}

// limiterOf returns the limiter of an address. When there is no room for another,
// those that are at rest are forgotten: they would admit as much as a new one.
func (g *Gate) limiterOf(address netip.Addr) *rate.Limiter {
	g.mu.Lock()
	defer g.mu.Unlock()
	if limiter := g.addresses[address]; limiter != nil {
		return limiter
	}
	if len(g.addresses) >= maxAddresses {
		now := g.now()
		for known, limiter := range g.addresses {
			if limiter.TokensAt(now) >= float64(g.anonymous.Burst) {
				delete(g.addresses, known)
			}
		}
		if len(g.addresses) >= maxAddresses {
			return g.crowd
		}
	}
	limiter := g.anonymous.limiter()
	g.addresses[address] = limiter
	return limiter
}
