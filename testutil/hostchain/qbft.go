package hostchain

import (
	"bytes"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// Errors of QBFT headers.
var (
	ErrExtraData = errors.New("hostchain: extraData is not in QBFT layout")
	ErrSeals     = errors.New("hostchain: header is not sealed by a quorum of its validators")
)

const (
	vanityLength = 32
	sealLength   = 65
)

// BFTMixHash is the mixHash of every Besu BFT header.
var BFTMixHash = common.HexToHash("0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365")

// emptyVote is the RLP of an absent vote in QBFT (an empty list, unlike IBFT2's null).
var emptyVote = rlp.RawValue{0xc0}

// ExtraData is a QBFT header's extraData as Besu encodes it:
// RLP [vanity(32), [validator...], vote, round, [seal...]].
type ExtraData struct {
	Vanity     []byte
	Validators []common.Address
	Vote       rlp.RawValue // the empty list, or [recipient, type]
	Round      uint32
	Seals      [][]byte // r || s || recovery id (0 or 1), 65 bytes each
}

// DecodeExtraData decodes b; lengths of vanity and seals are checked, trailing bytes refused.
func DecodeExtraData(b []byte) (*ExtraData, error) {
	var e ExtraData
	if err := rlp.DecodeBytes(b, &e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrExtraData, err)
	}
	if len(e.Vanity) != vanityLength {
		return nil, fmt.Errorf("%w: vanity of %d bytes", ErrExtraData, len(e.Vanity))
	}
	for _, s := range e.Seals {
		if len(s) != sealLength {
			return nil, fmt.Errorf("%w: seal of %d bytes", ErrExtraData, len(s))
		}
	}
	return &e, nil
}

// Encode returns the RLP of e.
func (e *ExtraData) Encode() []byte {
	b, err := rlp.EncodeToBytes(e)
	if err != nil {
		panic("hostchain: encode extraData: " + err.Error()) // plain byte strings cannot fail
	}
	return b
}

// Quorum returns how many of n validators must seal a block: ceil(2n/3).
func Quorum(n int) int { return (2*n + 2) / 3 }

// SealHash returns what validators sign to commit a block: keccak256 of the header's RLP with the
// same round and no seals.
func SealHash(h *types.Header) (common.Hash, error) {
	e, err := DecodeExtraData(h.Extra)
	if err != nil {
		return common.Hash{}, err
	}
	e.Seals = [][]byte{}
	return hashWithExtra(h, e), nil
}

// BesuHash returns the block hash that Besu gives h: round 0 and no seals.
func BesuHash(h *types.Header) (common.Hash, error) {
	e, err := DecodeExtraData(h.Extra)
	if err != nil {
		return common.Hash{}, err
	}
	e.Seals, e.Round = [][]byte{}, 0
	return hashWithExtra(h, e), nil
}

// VerifySeals checks that at least a quorum of validators sealed h, each seal by another one of
// them. The list inside the header is not consulted: the caller knows whom it trusts.
func VerifySeals(h *types.Header, validators []common.Address) error {
	e, err := DecodeExtraData(h.Extra)
	if err != nil {
		return err
	}
	digest, err := SealHash(h)
	if err != nil {
		return err
	}
	seen := make(map[common.Address]bool, len(e.Seals))
	for _, seal := range e.Seals {
		key, err := crypto.SigToPub(digest[:], seal)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrSeals, err)
		}
		sealer := crypto.PubkeyToAddress(*key)
		if seen[sealer] || !slices.Contains(validators, sealer) {
			return fmt.Errorf("%w: seal of %s is repeated or foreign", ErrSeals, sealer)
		}
		seen[sealer] = true
	}
	if len(seen) < Quorum(len(validators)) || len(validators) == 0 {
		return fmt.Errorf("%w: %d of %d", ErrSeals, len(seen), len(validators))
	}
	return nil
}

// seal returns a copy of h, listing validators and sealed by keys.
func seal(h *types.Header, validators []common.Address, keys []*ecdsa.PrivateKey) (*types.Header, error) {
	sealed := types.CopyHeader(h)
	extra := &ExtraData{
		Vanity:     make([]byte, vanityLength),
		Validators: validators,
		Vote:       emptyVote,
		Seals:      [][]byte{},
	}
	digest := hashWithExtra(h, extra)
	for _, key := range keys {
		s, err := crypto.Sign(digest[:], key)
		if err != nil {
			return nil, fmt.Errorf("hostchain: seal: %w", err)
		}
		extra.Seals = append(extra.Seals, s)
	}
	sealed.Extra = extra.Encode()
	return sealed, nil
}

func hashWithExtra(h *types.Header, e *ExtraData) common.Hash {
	c := types.CopyHeader(h)
	c.Extra = e.Encode()
	return c.Hash()
}

// validatorKeys are the keys of one validator set, ascending by address as Besu lists them.
type validatorKeys []*ecdsa.PrivateKey

func sortedKeys(keys []*ecdsa.PrivateKey) validatorKeys {
	sorted := slices.Clone(keys)
	slices.SortFunc(sorted, func(a, b *ecdsa.PrivateKey) int {
		x, y := crypto.PubkeyToAddress(a.PublicKey), crypto.PubkeyToAddress(b.PublicKey)
		return bytes.Compare(x[:], y[:])
	})
	return sorted
}

func (v validatorKeys) addresses() []common.Address {
	list := make([]common.Address, len(v))
	for i, k := range v {
		list[i] = crypto.PubkeyToAddress(k.PublicKey)
	}
	return list
}

// sealers returns count keys of the set, starting with the proposer of block number.
func (v validatorKeys) sealers(number uint64, count int) []*ecdsa.PrivateKey {
	chosen := make([]*ecdsa.PrivateKey, count)
	for i := range chosen {
		chosen[i] = v[(int(number%uint64(len(v)))+i)%len(v)]
	}
	return chosen
}
