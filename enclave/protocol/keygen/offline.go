package keygen

import (
	"encoding/binary"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// secretSections are the bits of all secrets of a set, to the width that they are
// needed to.
func secretSections(p tfhe.Parameters) []preproc.Section {
	var out []preproc.Section
	for _, s := range p.Secrets() {
		out = append(out, preproc.Section{Kind: kind + "/secret/" + s.String(), K: p.SecretWidth(s), Count: p.Dimension(s), Packed: true})
	}
	return out
}

// productSection are the products of input bits first … first+count−1 with all
// coefficients of the key that they are encrypted under.
func productSection(q tfhe.Part, first, count int) preproc.Section {
	columns := q.Polynomials * q.Degree
	return preproc.Section{
		Kind: kind + "/products/" + q.Component.String(), K: productBits(q), Count: count * columns,
		Outer: preproc.Outer{Rows: q.Inputs, Columns: columns, First: first},
	}
}

// noiseSection are samples of a part's noise, in the order of its body words.
func noiseSection(q tfhe.Part, first, count int) preproc.Section {
	return preproc.Section{
		Kind: kind + "/noise/" + q.Component.String(), K: 64, Noise: uint(q.Noise) + 2, First: uint64(first), Count: count, // #nosec G115 -- an index
	}
}

// sections is what an offline step makes.
func (a *Attempt) sections(s step) []preproc.Section {
	if s.Stage == StageSecrets {
		return secretSections(a.Parameters)
	}
	var out []preproc.Section
	for _, c := range s.chunks {
		if s.Stage == StageProducts {
			out = append(out, productSection(a.parts[c.part], c.first, c.count))
		} else {
			out = append(out, noiseSection(a.parts[c.part], c.first, c.count))
		}
	}
	return out
}

// Demand returns what a step draws, for who makes it to a measure: nothing if it draws only
// what earlier ones did. The dealings of all steps are burnt together, as the attempt is if
// one of them fails. ErrConfig if it draws noise, which nobody can deal.
func (a *Attempt) Demand(step int) ([]prss.Demand, error) {
	if step < 0 || step >= len(a.steps) {
		return nil, fmt.Errorf("%w: number %d of %d", ErrStep, step, len(a.steps))
	}
	switch s := a.steps[step]; {
	case s.Offline:
		return preproc.Demand(a.sections(s))
	case s.Stage == StageSeed:
		return []prss.Demand{{Address: seedAddress, Layout: prss.Layout{Integers: 1}, Count: 2}}, nil
	}
	return nil, nil
}

// takeOffline returns what is kept of an offline step: of the secrets the key share
// behind its length (4 bytes) and what was opened; of a product the packed δ, row by
// row; of noise the words of the shares.
func (a *Attempt) takeOffline(s step, m *preproc.Machine) ([]byte, error) {
	material := m.Material()
	want := max(len(s.chunks), 1)
	if s.Stage == StageSecrets {
		want = len(a.Parameters.Secrets())
	}
	if len(material) != want {
		return nil, fmt.Errorf("%w: %d sections", ErrMaterial, len(material))
	}
	defer func() {
		for i := range material {
			material[i].Zero()
		}
	}()
	if s.Stage == StageSecrets {
		share, err := shareOf(a.Parameters, a.KeyID, a.Source, material)
		if err != nil {
			return nil, err
		}
		defer share.Zero()
		raw, err := share.MarshalBinary()
		if err != nil {
			return nil, err
		}
		data := append(binary.BigEndian.AppendUint32(nil, uint32(len(raw))), raw...) // #nosec G115 -- bounded by the set
		clear(raw)
		return append(data, m.Opened()...), nil
	}
	var data []byte
	for i, c := range s.chunks {
		q := a.parts[c.part]
		switch {
		case s.Stage == StageNoise:
			for _, x := range material[i].Noise {
				data = binary.LittleEndian.AppendUint64(data, x)
			}
		case productBits(q) > 64:
			for v, row := material[i].WideDelta, a.productWords(q); len(v) >= row; v = v[row:] {
				data = wide.AppendPacked(data, v[:row], productBits(q))
			}
		default:
			for v, row := material[i].Delta, a.productWords(q); len(v) >= row; v = v[row:] {
				data = ring.AppendPacked(data, v[:row], productBits(q))
			}
		}
	}
	if len(data) != a.keptBytes(s) {
		return nil, fmt.Errorf("%w: %s made %d bytes", ErrMaterial, s.Name, len(data))
	}
	return data, nil
}

// productWords is the words of a row of packed products.
func (a *Attempt) productWords(q tfhe.Part) int {
	return elements(q.Polynomials*q.Degree) * a.code.Degree()
}

// keptBytes is the length of what is kept of a step of products or noise.
func (a *Attempt) keptBytes(s step) int {
	total := 0
	for _, c := range s.chunks {
		total += a.chunkBytes(s.Stage, c)
	}
	return total
}

func (a *Attempt) chunkBytes(stage Stage, c chunk) int {
	if stage == StageNoise {
		return 8 * elements(c.count) * a.code.Degree()
	}
	return c.count * a.rowBytes(a.parts[c.part])
}

// rowBytes is what is kept of a row of packed products.
func (a *Attempt) rowBytes(q tfhe.Part) int { return ring.PackedLen(a.productWords(q), productBits(q)) }

// gather calls take with what was kept of each chunk that has some of the items first …
// first+count−1 of a part, in order.
func (a *Attempt) gather(stage Stage, part, first, count int, take func(c chunk, data []byte) error) error {
	for _, s := range a.steps {
		if s.Stage != stage {
			continue
		}
		var data []byte
		at := 0
		for _, c := range s.chunks {
			size := a.chunkBytes(stage, c)
			if c.part == part && c.first < first+count && first < c.first+c.count {
				if data == nil {
					var err error
					if _, data, err = a.get(s.Name); err != nil {
						return err
					}
					if len(data) != a.keptBytes(s) {
						return fmt.Errorf("%w: %s", ErrStore, s.Name)
					}
				}
				if err := take(c, data[at:at+size]); err != nil {
					return err
				}
			}
			at += size
		}
		clear(data)
	}
	return nil
}

// shareOf returns the key share with the bits of the sections of secretSections.
func shareOf(p tfhe.Parameters, id mpc.Digest, source prss.Randomness, material []preproc.Material) (*KeyShare, error) {
	narrow, broad := map[tfhe.Secret][]uint64{}, map[tfhe.Secret][]wide.Word{}
	for i, s := range p.Secrets() {
		if p.SecretWidth(s) == 64 {
			narrow[s] = material[i].Bits
		} else {
			broad[s] = material[i].WideBits
		}
	}
	return NewKeyShare(p, id, source.Code(), source.Self(), narrow, broad)
}

// readShare takes the key share, and what was opened for it, out of what was kept of
// the secrets: ErrStore if it is not that of the attempt.
func (a *Attempt) readShare(data []byte) (share *KeyShare, opened []byte, err error) {
	if len(data) < 4 || uint64(binary.BigEndian.Uint32(data)) > uint64(len(data)-4) {
		return nil, nil, fmt.Errorf("%w: the key share", ErrStore)
	}
	size := int(binary.BigEndian.Uint32(data))
	if share, err = UnmarshalKeyShare(data[4 : 4+size]); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrStore, err)
	}
	if share.ID() != a.KeyID || share.Self() != a.Source.Self() || share.N() != a.code.N() || share.Parameters().Name != a.Parameters.Name {
		return nil, nil, fmt.Errorf("%w: the share of another key", ErrStore)
	}
	return share, data[4+size:], nil
}

// OpenedSecrets returns the public values from which a party that was absent rebuilds
// its share; ErrStep before the step of the secrets is done.
func (a *Attempt) OpenedSecrets() ([]byte, error) {
	if !a.Done(0) {
		return nil, fmt.Errorf("%w: no opened secrets", ErrStep)
	}
	_, data, err := a.get(a.steps[0].Name)
	if err != nil {
		return nil, err
	}
	share, opened, err := a.readShare(data)
	if err != nil {
		return nil, err
	}
	share.Zero()
	opened = append([]byte(nil), opened...)
	clear(data)
	return opened, nil
}

// OpenedDigest is the digest by which t+1 parties vouch for OpenedSecrets.
func OpenedDigest(keyID mpc.Digest, opened []byte) mpc.Digest {
	return mpc.Hash("tkms/v1/keygen/opened", keyID[:], opened)
}

// RebuildShare returns the key share of a party that was not in the step of the
// secrets, from its own PRSS keys, in a source of the attempt's context, and
// OpenedSecrets. The caller has these from peers of which t+1 sent equal digests of
// them: what does not open to a key share is not noticed.
func RebuildShare(source *prss.Source, p tfhe.Parameters, keyID mpc.Digest, opened []byte) (*KeyShare, error) {
	material, err := preproc.Rebuild(source, secretSections(p), opened)
	if err != nil {
		return nil, err
	}
	return shareOf(p, keyID, source, material)
}
