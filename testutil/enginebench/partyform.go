package enginebench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// heldForm is a ciphertext in one form, with the party's share of the key.
type heldForm struct {
	raw   []byte
	key   *decrypt.Key
	flood *decrypt.FloodKey
}

func (p *party) takeForm(c *formCommand) (err error) {
	f := &heldForm{}
	if f.raw, err = os.ReadFile(c.Ciphertext); err != nil {
		return err
	}
	if !c.Kind.Wide() {
		if f.key, err = narrowKey(p, c.Shape, c.Share); err != nil {
			return err
		}
	} else {
		share := make([]wide.Word, len(c.Share)/wide.Size)
		for i := range share {
			share[i] = wide.Read(c.Share[wide.Size*i:])
		}
		if f.key, err = decrypt.NewWideKey(p.code, c.Shape, share); err != nil {
			return err
		}
		if f.flood, err = decrypt.NewFloodKey(p.code, c.Shape.W, share); err != nil && !errors.Is(err, decrypt.ErrFlood) {
			return err
		}
	}
	if p.forms == nil {
		p.forms = map[string]*heldForm{}
	}
	p.forms[c.Name] = f
	return nil
}

// narrowKey reads the share of a key, little-endian words.
func narrowKey(p *party, shape preproc.Shape, raw []byte) (*decrypt.Key, error) {
	if len(raw)%8 != 0 {
		return nil, fmt.Errorf("%w: a share of %d bytes", ErrWire, len(raw))
	}
	share := make([]uint64, len(raw)/8)
	for i := range share {
		share[i] = binary.LittleEndian.Uint64(raw[8*i:])
	}
	return decrypt.NewKey(p.code, shape, share)
}

// decryptForm decrypts a ciphertext of which it has the bytes.
func (p *party) decryptForm(ctx context.Context, j *prepared, first uint64, stock []*preproc.Batch) ([]uint64, error) {
	f, id := p.forms[j.Form], p.session("form", j.Number, first)
	c, err := tfhe.Decode(f.raw, formType, tfhe.Production())
	if err != nil {
		return nil, err
	}
	if j.Flood {
		phases, err := f.flood.Phases(c)
		if err != nil {
			return nil, err
		}
		source, err := prss.NewSource(p.keys, p.code, id)
		if err != nil {
			return nil, err
		}
		machine, err := decrypt.NewFlooding(decrypt.FloodConfig{
			Code: p.code, Self: p.link.index, Session: id, Identity: p.identity, Phases: []*decrypt.FloodPhases{phases}, Source: source,
		})
		if err != nil {
			return nil, err
		}
		var values []uint64
		err = p.run(ctx, id, machine, func() { values = machine.Values() })
		return values, err
	}
	var phases *decrypt.Phases
	if c.Wide() {
		phases, err = f.key.WidePhases(c)
	} else {
		phases, err = f.key.Phases(c)
	}
	if err != nil {
		return nil, err
	}
	return p.online(ctx, id, phases, stock)
}
