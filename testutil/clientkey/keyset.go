package clientkey

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"

	"github.com/tkms-network/tkms/enclave/tfhe"
)

// WriteKeySet writes a published object of the key set of k, with the parts that k's
// parameter set has: what the parties generate, by one who knows the key. coins are
// read for a seed of the noise; the same coins give the same object.
func WriteKeySet(coins io.Reader, k *tfhe.ClientKey, seed [16]byte, o tfhe.Object, w io.WriterAt) error {
	layout, err := k.Parameters().Layout(o, seed)
	if err != nil {
		return err
	}
	var noise [32]byte
	if _, err := io.ReadFull(coins, noise[:]); err != nil {
		return fmt.Errorf("read coins: %w", err)
	}
	for _, part := range k.Parameters().Parts() {
		at, ok := layout.Offset(part.Component)
		if !ok {
			continue
		}
		rows, err := NewRows(k, seed, part.Component)
		if err != nil {
			return err
		}
		if err := rows.write(io.NewOffsetWriter(w, at), noise); err != nil {
			return fmt.Errorf("write %v: %w", part.Component, err)
		}
	}
	return layout.WriteSkeleton(w)
}

// write writes all rows, in chunks that all processors share.
func (r *Rows) write(w io.WriterAt, noise [32]byte) error {
	size := r.part.BodyWords() * int(r.part.Width/8) // #nosec G115 -- 8 or 16
	chunk := max(1, (1<<16)/size)
	chunks := make(chan int)
	workers := runtime.GOMAXPROCS(0)
	failed := make([]error, workers)
	var wait sync.WaitGroup
	for i := range workers {
		wait.Go(func() {
			for first := range chunks {
				var out []byte
				for row := first; row < min(first+chunk, r.part.Rows()); row++ {
					var err error
					if out, err = r.appendRow(out, row, noise); err != nil {
						failed[i] = err
					}
				}
				if _, err := w.WriteAt(out, int64(first)*int64(size)); err != nil {
					failed[i] = err
				}
			}
		})
	}
	for first := 0; first < r.part.Rows(); first += chunk {
		chunks <- first
	}
	close(chunks)
	wait.Wait()
	return errors.Join(failed...)
}

// appendRow appends the body of a row with its noise, which no other row shares.
func (r *Rows) appendRow(out []byte, row int, noise [32]byte) ([]byte, error) {
	place := binary.LittleEndian.AppendUint64([]byte{byte(r.part.Component)}, uint64(row)) // #nosec G115 -- positive
	coins := rand.NewChaCha8(sha256.Sum256(append(noise[:], place...)))
	e, err := tfhe.SampleNoise(coins, r.part.Noise, r.part.BodyWords())
	if err != nil {
		return nil, err
	}
	if r.part.Width == 64 {
		for i, v := range r.Clean(row) {
			out = binary.LittleEndian.AppendUint64(out, v+e[i])
		}
		return out, nil
	}
	for i, v := range r.CleanWide(row) {
		out = v.Add(signExtend(e[i])).Append(out)
	}
	return out, nil
}
