package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"slices"

	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/clientkey"
	"github.com/tkms-network/tkms/testutil/dealer"
	"github.com/tkms-network/tkms/testutil/fault"
)

// ErrNoAgreement reports that fewer than n−t parties came to one value.
var ErrNoAgreement = errors.New("cluster: too few parties agree on a value")

// keyShares are one party's shares of the keys that ciphertexts are under.
type keyShares map[tfhe.KeyKind]*decrypt.Key

// dealKey shares the bits of each key that the client key has, and returns the
// parties' shares.
func dealKey(random io.Reader, code *sharing.Code, key *tfhe.ClientKey) ([]keyShares, error) {
	out := make([]keyShares, code.N())
	for i := range out {
		out[i] = keyShares{}
	}
	for _, kind := range keyKinds {
		secret, err := clientkey.SecretBits(key, kind)
		if errors.Is(err, clientkey.ErrNoKey) {
			continue
		}
		if err != nil {
			return nil, err
		}
		shares, err := dealer.Deal(random, code.N(), code.T(), code.Degree(), secret)
		if err != nil {
			return nil, err
		}
		for i, share := range shares {
			if out[i][kind], err = decrypt.NewKey(code, shapeOf(key.Parameters(), kind), share); err != nil {
				return nil, err
			}
			clear(share)
		}
	}
	return out, nil
}

// keyKinds are the keys that ciphertexts may be under.
var keyKinds = []tfhe.KeyKind{
	tfhe.ComputeKey, tfhe.PublicKeyEncryptionKey, tfhe.CompressionKey, tfhe.SquashingKey, tfhe.SquashingCompressionKey,
}

func shapeOf(p tfhe.Parameters, kind tfhe.KeyKind) preproc.Shape {
	k, w := p.Switch(kind)
	return preproc.Shape{K: k, W: w}
}

// Result is a decrypted value and how it came about.
type Result struct {
	// Value is the plaintext.
	Value *big.Int
	// Offline made the random material, which does not depend on the ciphertext;
	// Online decrypted.
	Offline, Online Phase
	// Excluded are the parties that the offline phase no longer waits for.
	Excluded sharing.Parties
	// BytesSent is the most that one party wrote to its links.
	BytesSent int64
}

// Decrypt makes random material for the ciphertext among the parties that are not
// excluded, and then has all of them decrypt it. It returns ErrStuck if the first,
// and ErrNoAgreement or the cause why ctx ended if the second does not succeed. It
// must not be called concurrently.
func (c *Cluster) Decrypt(ctx context.Context, ciphertext *tfhe.Ciphertext) (*Result, error) {
	if _, ok := c.parties[0].shares[ciphertext.Key()]; !ok {
		return nil, fmt.Errorf("%v key: %w", ciphertext.Key(), clientkey.ErrNoKey)
	}
	if err := c.rehearse(ctx, ciphertext); err != nil {
		return nil, err
	}
	return c.decrypt(ctx, ciphertext)
}

// rehearse decrypts once beforehand if some party is to replay what it sent in an
// earlier session of the same size, and there was none.
func (c *Cluster) rehearse(ctx context.Context, ciphertext *tfhe.Ciphertext) error {
	size := ciphertext.Len()
	if c.rehearsed[size] || !slices.Contains(slices.Collect(maps.Values(c.cfg.Faults)), fault.Replay) {
		return nil
	}
	c.rehearsed[size] = true
	_, err := c.decrypt(ctx, ciphertext)
	return err
}

func (c *Cluster) decrypt(ctx context.Context, ciphertext *tfhe.Ciphertext) (*Result, error) {
	before := c.net.sent()
	result := &Result{Offline: Phase{Name: "offline"}, Online: Phase{Name: "online"}}
	stock, err := c.makeStock(ctx, &result.Offline, shapeOf(c.parameters, ciphertext.Key()), ciphertext.Len())
	if err != nil {
		return nil, fmt.Errorf("offline phase: %w", err)
	}
	values, err := c.online(ctx, &result.Online, ciphertext, stock)
	if err != nil {
		return nil, err
	}
	for i, sent := range c.net.sent() {
		result.BytesSent = max(result.BytesSent, sent-before[i])
	}
	result.Excluded = c.excluded
	result.Value, err = ciphertext.Recompose(values)
	return result, err
}
