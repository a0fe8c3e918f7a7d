package devnitro

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/tkms-network/tkms/enclave/attest"
	"github.com/tkms-network/tkms/enclave/attest/nsm"
)

// Extend returns SHA-384(register ‖ data), the rule for all registers.
func Extend(register [attest.MeasurementSize]byte, data []byte) [attest.MeasurementSize]byte {
	h := sha512.New384()
	h.Write(register[:])
	h.Write(data)
	return [attest.MeasurementSize]byte(h.Sum(nil))
}

// Measure returns the measurement of a program as the simulated device reports
// it: register 0 extends zero by the SHA-384 of the executable, register 1 by
// that of a constant in place of a kernel, register 2 by that of nothing, as an
// image without a second ramdisk has it.
func Measure(executable io.Reader) (attest.Measurement, error) {
	var zero [attest.MeasurementSize]byte
	h := sha512.New384()
	if _, err := io.Copy(h, executable); err != nil {
		return attest.Measurement{}, fmt.Errorf("devnitro: measuring the executable: %w", err)
	}
	kernel := sha512.Sum384([]byte("SIMULATED tkms kernel"))
	empty := sha512.Sum384(nil)
	return attest.Measurement{Extend(zero, h.Sum(nil)), Extend(zero, kernel[:]), Extend(zero, empty[:])}, nil
}

// MeasureFile is Measure of the file at path.
func MeasureFile(path string) (attest.Measurement, error) {
	file, err := os.Open(path)
	if err != nil {
		return attest.Measurement{}, fmt.Errorf("devnitro: measuring the executable: %w", err)
	}
	defer func() { _ = file.Close() }()
	return Measure(file)
}

// Config configures a Device.
type Config struct {
	// Root signs the device's chain.
	Root *Root
	// Measurement is what the device reports in registers 0 to 2.
	Measurement attest.Measurement
	// Instance names the simulated machine; part of the module id and register 4.
	Instance string
	// Now is the device's clock.
	Now func() time.Time
}

// Device is a simulated security module; it implements nsm.Device.
type Device struct {
	now    func() time.Time
	root   *Root
	module string

	mu        sync.Mutex
	closed    bool
	registers [nsm.Registers][attest.MeasurementSize]byte
	locked    [nsm.Registers]bool
	// region, zone and instance certificates, remade before they expire.
	chain []*authority
}

var _ nsm.Device = (*Device)(nil)

// New makes a device.
func New(cfg Config) (*Device, error) {
	if cfg.Root == nil || cfg.Now == nil || cfg.Instance == "" || len(cfg.Instance) > 64 {
		return nil, fmt.Errorf("devnitro: a device needs a root, a clock and an instance name of at most 64 bytes")
	}
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, fmt.Errorf("devnitro: reading randomness: %w", err)
	}
	d := &Device{now: cfg.Now, root: cfg.Root, module: "SIMULATED-" + cfg.Instance + "-enc" + hex.EncodeToString(id[:])}
	copy(d.registers[:], cfg.Measurement[:])
	d.registers[4] = Extend(d.registers[4], []byte(cfg.Instance))
	for i := range nsm.FirstOwnRegister {
		d.locked[i] = true
	}
	return d, d.remakeChain(cfg.Now())
}

// Lifetimes as measured on real documents.
const (
	regionLifetime   = 481 * time.Hour
	zoneLifetime     = 140 * time.Hour
	instanceLifetime = 24 * time.Hour
	leafLifetime     = 3 * time.Hour
	backdate         = 3 * time.Second
)

func (d *Device) remakeChain(now time.Time) error {
	parent, chain := &d.root.authority, []*authority(nil)
	for i, level := range []struct {
		name     string
		lifetime time.Duration
	}{{"region", regionLifetime}, {"zone", zoneLifetime}, {"instance", instanceLifetime}} {
		template := certificateTemplate("SIMULATED "+level.name, now.Add(-time.Minute), now.Add(level.lifetime))
		asAuthority(template, 2-i)
		next, err := issue(template, parent)
		if err != nil {
			return err
		}
		parent, chain = next, append(chain, next)
	}
	d.chain = chain
	return nil
}

// Send implements nsm.Device.
func (d *Device) Send(request nsm.Request) (nsm.Response, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nsm.Response{}, nsm.ErrClosed
	}
	switch r := request.(type) {
	case nsm.Attestation:
		if len(r.UserData) > nsm.MaxField || len(r.Nonce) > nsm.MaxField || len(r.PublicKey) > nsm.MaxField {
			return nsm.Response{}, nsm.ErrInput
		}
		document, err := d.attest(r)
		return nsm.Response{Document: document}, err
	case nsm.GetRandom:
		random := make([]byte, 256)
		_, err := rand.Read(random)
		return nsm.Response{Random: random}, err
	case nsm.DescribeRegister:
		if err := d.register(r.Index, false); err != nil {
			return nsm.Response{}, err
		}
		value := d.registers[r.Index]
		return nsm.Response{Value: value[:], Locked: d.locked[r.Index]}, nil
	case nsm.ExtendRegister:
		if err := d.register(r.Index, true); err != nil {
			return nsm.Response{}, err
		}
		value := Extend(d.registers[r.Index], r.Data)
		d.registers[r.Index] = value
		return nsm.Response{Value: value[:]}, nil
	case nsm.LockRegister:
		if err := d.register(r.Index, true); err != nil {
			return nsm.Response{}, err
		}
		d.locked[r.Index] = true
		return nsm.Response{}, nil
	}
	return nsm.Response{}, nsm.ErrOperation
}

func (d *Device) register(index int, write bool) error {
	if index < 0 || index >= nsm.Registers {
		return nsm.ErrInput
	}
	if write && d.locked[index] {
		return nsm.ErrReadOnly
	}
	return nil
}

// Close implements nsm.Device.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return nil
}

// payload has its fields in the order of real documents; nil becomes null.
type payload struct {
	ModuleID    string          `cbor:"module_id"`
	Digest      string          `cbor:"digest"`
	Timestamp   uint64          `cbor:"timestamp"`
	Registers   map[uint][]byte `cbor:"pcrs"`
	Certificate []byte          `cbor:"certificate"`
	Bundle      [][]byte        `cbor:"cabundle"`
	PublicKey   []byte          `cbor:"public_key"`
	UserData    []byte          `cbor:"user_data"`
	Nonce       []byte          `cbor:"nonce"`
}

func (d *Device) attest(request nsm.Attestation) ([]byte, error) {
	now := d.now()
	instance := d.chain[len(d.chain)-1]
	if now.Add(leafLifetime).After(instance.certificate.NotAfter) {
		if err := d.remakeChain(now); err != nil {
			return nil, err
		}
		instance = d.chain[len(d.chain)-1]
	}
	leaf, err := issue(certificateTemplate(d.module, now.Add(-backdate), now.Add(leafLifetime)), instance)
	if err != nil {
		return nil, err
	}
	p := payload{
		ModuleID: d.module, Digest: "SHA384", Timestamp: uint64(now.UnixMilli()),
		Registers: make(map[uint][]byte), Certificate: leaf.certificate.Raw, Bundle: [][]byte{d.root.certificate.Raw},
		PublicKey: request.PublicKey, UserData: request.UserData, Nonce: request.Nonce,
	}
	for _, a := range d.chain {
		p.Bundle = append(p.Bundle, a.certificate.Raw)
	}
	for i := range d.registers {
		// The hardware reports the first sixteen, and others once they are locked.
		if i < nsm.FirstOwnRegister || d.locked[i] {
			value := d.registers[i]
			p.Registers[uint(i)] = value[:]
		}
	}
	encoded, err := cbor.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("devnitro: encoding a document: %w", err)
	}
	return Sign1(leaf.key, encoded)
}

// Sign1 wraps a payload into an untagged COSE_Sign1 structure signed by ES384.
func Sign1(key *ecdsa.PrivateKey, payload []byte) ([]byte, error) {
	protected := []byte{0xa1, 0x01, 0x38, 0x22} // {1: -35}
	signed, err := cbor.Marshal([]any{"Signature1", protected, []byte{}, payload})
	if err != nil {
		return nil, fmt.Errorf("devnitro: encoding what is to be signed: %w", err)
	}
	digest := sha512.Sum384(signed)
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return nil, fmt.Errorf("devnitro: signing a document: %w", err)
	}
	signature := make([]byte, 96)
	r.FillBytes(signature[:48])
	s.FillBytes(signature[48:])
	return cbor.Marshal([]any{protected, map[int]int{}, payload, signature})
}
