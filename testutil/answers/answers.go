// Package answers makes in one place what the parties of an epoch answer to a user
// decryption, from values that it is told. It is for tests of those who read answers:
// parties never know the values.
package answers

import (
	"crypto/ecdsa"
	"fmt"
	"io"
	"math/big"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/tkms-network/tkms/enclave/reencrypt"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/testutil/dealer"
	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"
)

// Question is a user decryption as the parties see it.
type Question struct {
	// Domain is the one in which parties sign.
	Domain eip712.Domain
	Key    *reencrypt.PublicKey
	User   [20]byte
	// Handles say the types.
	Handles []handles.Handle
	// Packing is the number of digits in a block, 1 or 2.
	Packing int
}

// Answer is what one party posts.
type Answer struct {
	// Party is the index, from 1.
	Party int
	// Payload is what [reencrypt.DecodePayload] reads.
	Payload []byte
	// Signature is r || s || v.
	Signature []byte
}

// Shares are those of one party, a vector for each handle.
type Shares [][]uint64

// layout of a handle's plaintext in the shares of n parties.
func (q Question) layout(h handles.Handle, n int) (reencrypt.Layout, error) {
	return reencrypt.NewLayout(h.Type().Bits(), q.Packing, sharing.Threshold(n))
}

// Deal shares a value for each handle among n parties with t = ⌊(n−1)/3⌋. Element i−1
// of the result is party i's.
func (q Question) Deal(random io.Reader, n int, values []*big.Int) ([]Shares, error) {
	out := make([]Shares, n)
	for h, handle := range q.Handles {
		l, err := q.layout(handle, n)
		if err != nil {
			return nil, err
		}
		blocks := make([]uint64, l.Blocks())
		for i := range blocks {
			for bit := range 2 * q.Packing {
				blocks[i] |= uint64(values[h].Bit(2*q.Packing*i+bit)) << bit
			}
		}
		dealt, err := dealer.BlockShares(random, n, sharing.Threshold(n), blocks)
		if err != nil {
			return nil, fmt.Errorf("answers: %w", err)
		}
		for i, share := range dealt {
			out[i] = append(out[i], share)
		}
	}
	return out, nil
}

// Answer makes the answer of one of n parties from its shares.
func (q Question) Answer(random io.Reader, signer *ecdsa.PrivateKey, party, n int, shares Shares) (Answer, error) {
	link := eip712.UserDecryptionLink(q.Domain, q.Key.Bytes(), q.Handles, q.User)
	p := reencrypt.Payload{
		Signer: [33]byte(crypto.CompressPubkey(&signer.PublicKey)), Link: link,
		Party: uint32(party), Degree: uint32(sharing.Threshold(n)),
	}
	to := reencrypt.Recipient{Key: q.Key, User: q.User, Link: link}
	for h, handle := range q.Handles {
		l, err := q.layout(handle, n)
		if err != nil {
			return Answer{}, err
		}
		sealed, err := to.Signcrypt(random, signer, uint32(handle.Type()), l, shares[h])
		if err != nil {
			return Answer{}, fmt.Errorf("answers: %w", err)
		}
		p.Entries = append(p.Entries, reencrypt.Entry{Type: uint32(handle.Type()), Handle: handle, Packing: uint32(q.Packing), Signcrypted: sealed})
	}
	out := Answer{Party: party, Payload: p.Encode()}
	var err error
	out.Signature, err = eip712.Sign(eip712.UserDecryptResponse(q.Domain, q.Key.Bytes(), q.Handles, out.Payload), signer)
	return out, err
}

// All makes the answers of honest parties, one a signer, in the order of their indices.
func (q Question) All(random io.Reader, signers []*ecdsa.PrivateKey, values []*big.Int) ([]Answer, error) {
	shares, err := q.Deal(random, len(signers), values)
	if err != nil {
		return nil, err
	}
	out := make([]Answer, len(signers))
	for i, signer := range signers {
		if out[i], err = q.Answer(random, signer, i+1, len(signers), shares[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
