package enginebench

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/enclave/transport"
)

// ErrWire reports bytes on a pipe that are no message.
var ErrWire = errors.New("enginebench: malformed message between coordinator and party")

// maxMessage bounds a message; the largest is a key share, below 700 KB.
const maxMessage = 1 << 20

// command is what the coordinator asks of a party: exactly one field is set.
type command struct {
	Listen  *listenCommand `json:"listen,omitempty"`
	Join    *joinCommand   `json:"join,omitempty"`
	SetUp   *setUpCommand  `json:"set_up,omitempty"`
	Key     *keyCommand    `json:"key,omitempty"`
	Form    *formCommand   `json:"form,omitempty"`
	Prepare *job           `json:"prepare,omitempty"`
	Run     *runCommand    `json:"run,omitempty"`
	Finish  *finishCommand `json:"finish,omitempty"`
}

// listenCommand makes a process a party and has it open its port.
type listenCommand struct {
	Index, Parties int
	Network        [32]byte
	// RoundTrip is the time that a message and its answer spend on the way.
	RoundTrip time.Duration
	// Dir is a folder for what the party writes to disk.
	Dir string
}

// joinCommand connects the parties and has them commit to PRSS contributions, unless
// they are to deal each other what they draw.
type joinCommand struct {
	Peers []transport.Peer // without the party itself
	Keys  [][]byte         // Ed25519 signing keys of parties 1..n
	Epoch mpc.Digest
	Dealt bool
}

// setUpCommand runs the set-up of PRSS with the roots that all committed to.
type setUpCommand struct {
	Roots map[int]mpc.Digest
}

// keyCommand hands over what decryption needs: the shape, the party's share of the
// key, d words a coefficient in little-endian order, and the file of the
// ciphertext.
type keyCommand struct {
	Shape      preproc.Shape
	Share      []byte
	Ciphertext string
}

// formCommand hands over a ciphertext in one form, as keyCommand does; the words of the
// share are of 128 bits if the key is wide.
type formCommand struct {
	Name       string
	Kind       tfhe.KeyKind
	Shape      preproc.Shape
	Share      []byte
	Ciphertext string
}

// runCommand starts one run of the prepared job at a moment of the machine's
// clock, in nanoseconds.
type runCommand struct {
	At int64
}

// finishCommand ends a job.
type finishCommand struct{}

// answer is what a party says to a command. Error is set, or what the command asks
// for.
type answer struct {
	Error  string         `json:"error,omitempty"`
	Peer   transport.Peer `json:"peer,omitzero"`
	Key    []byte         `json:"key,omitempty"`
	Root   mpc.Digest     `json:"root"`
	Ran    *ran           `json:"ran,omitempty"`
	Totals *totals        `json:"totals,omitempty"`
}

// ran is one run as one party saw it. Start and End are on the machine's clock, in
// nanoseconds.
type ran struct {
	Start, End int64
	// Values is the digest of the decrypted values.
	Values mpc.Digest
	// Allocations and AllocatedBytes are of the whole process during the run.
	Allocations, AllocatedBytes uint64
	// Peak is by how many bytes the resident size rose in the run; measured only if
	// the job asks for it.
	Peak int64
}

// totals are what all runs of a job took together at one party.
type totals struct {
	CPU time.Duration
	// Sent are bytes handed to the links, before encryption.
	Sent int64
}

// writeMessage writes v as JSON after its length in four bytes.
func writeMessage(w io.Writer, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(body) > maxMessage {
		return fmt.Errorf("%w: %d bytes", ErrWire, len(body))
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

// readMessage reads what writeMessage wrote; io.EOF if the other end is gone.
func readMessage(r io.Reader, v any) error {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(length[:])
	if size > maxMessage {
		return fmt.Errorf("%w: %d bytes", ErrWire, size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return fmt.Errorf("%w: %w", ErrWire, err)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%w: %w", ErrWire, err)
	}
	return nil
}
