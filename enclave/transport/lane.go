package transport

// Lane is one of the connections between two parties. What is sent on one lane does
// not wait for what is sent on the other.
type Lane uint8

const (
	// Prompt is for what somebody waits for.
	Prompt Lane = iota
	// Bulk is for what is large and may take its time. It is worked on in the
	// background.
	Bulk
	lanes
)

// protocols are the lanes' names in the TLS handshake, by which the called party
// knows which one a connection is.
var protocols = [lanes]string{"tkms-peer/1", "tkms-bulk/1"}

// String returns the lane's name.
func (l Lane) String() string { return [lanes]string{"prompt", "bulk"}[l] }

// laneOf returns the lane of a protocol's name.
func laneOf(protocol string) (Lane, bool) {
	for lane, name := range protocols {
		if name == protocol {
			return Lane(lane), true
		}
	}
	return 0, false
}

// slowness is how many times longer the other end of a lane may take: threads of low
// priority get little on a busy machine.
func (l Lane) slowness() int {
	if l == Bulk {
		return 10
	}
	return 1
}

// work calls f in a goroutine of the lane's priority.
func (m *Mesh) work(l Lane, f func()) {
	if l == Bulk {
		m.cfg.Background(f)
		return
	}
	go f()
}

// place is where a peer's side of a lane is kept.
type place struct {
	lane  Lane
	index int
}

// registry is a snapshot of peers by lane and index.
type registry [lanes][MaxIndex + 1]*peer
