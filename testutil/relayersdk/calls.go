package relayersdk

import (
	"crypto/ecdsa"
	"encoding/hex"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

// Keypair is a user's ML-KEM key as the library makes it: both halves in hex.
type Keypair struct {
	Public  string `json:"publicKey"`
	Private string `json:"privateKey"`
}

// Keypair has the library make a user's key.
func (s *Session) Keypair() (k Keypair, err error) {
	_, err = s.call("keypair", map[string]any{}, &k)
	return k, err
}

// Authorization is what a user signs, and for whom.
type Authorization struct {
	Keypair Keypair
	// User is who reads: the delegate, if Delegator is set.
	User      common.Address
	Delegator *common.Address
	// Signer signs; the user's own key, unless a test wants to see it fail.
	Signer    *ecdsa.PrivateKey
	Contracts []common.Address
	Start     time.Time
	Days      int
}

// Pair names a value: a handle, and the contract by which the user got it.
type Pair struct {
	Handle   fhevm.Handle
	Contract common.Address
}

func (a Authorization) fields(pairs []Pair) map[string]any {
	list := make([]map[string]string, len(pairs))
	for i, p := range pairs {
		list[i] = map[string]string{"handle": p.Handle.String(), "contractAddress": p.Contract.Hex()}
	}
	fields := map[string]any{
		"pairs": list, "privateKey": a.Keypair.Private, "publicKey": a.Keypair.Public, "user": a.User.Hex(),
		"signer": "0x" + hex.EncodeToString(crypto.FromECDSA(a.Signer)), "contracts": checksummed(a.Contracts),
		"start": a.Start.Unix(), "days": a.Days,
	}
	if a.Delegator != nil {
		fields["delegator"] = a.Delegator.Hex()
	}
	return fields
}

func checksummed(addresses []common.Address) []string {
	out := make([]string, len(addresses))
	for i, a := range addresses {
		out[i] = a.Hex()
	}
	return out
}

// values are what the library returned, by handle.
type values map[string]string

// in returns the values of handles in their order.
func (v values) in(handles []fhevm.Handle) ([]*big.Int, error) {
	if len(v) != len(handles) {
		return nil, fmt.Errorf("relayersdk: %d values of %d handles", len(v), len(handles))
	}
	out := make([]*big.Int, len(handles))
	for i, h := range handles {
		text, ok := v[h.String()]
		switch {
		case !ok:
			return nil, fmt.Errorf("relayersdk: no value of %s", h)
		case text == "true":
			out[i] = big.NewInt(1)
		case text == "false":
			out[i] = new(big.Int)
		default:
			// Addresses are hexadecimal with 0x, all else is decimal.
			if out[i], ok = new(big.Int).SetString(text, 0); !ok {
				return nil, fmt.Errorf("relayersdk: value %q", text)
			}
		}
	}
	return out, nil
}

// UserDecrypt has the library read values for a user, or a delegate. It returns them
// in the order of the pairs, with the time that it took.
func (s *Session) UserDecrypt(a Authorization, pairs ...Pair) ([]*big.Int, time.Duration, error) {
	operation := "userDecrypt"
	if a.Delegator != nil {
		operation = "delegatedUserDecrypt"
	}
	var result struct{ Values values }
	took, err := s.call(operation, a.fields(pairs), &result)
	if err != nil {
		return nil, took, err
	}
	handles := make([]fhevm.Handle, len(pairs))
	for i, p := range pairs {
		handles[i] = p.Handle
	}
	out, err := result.Values.in(handles)
	return out, took, err
}

// Refusal is the relayer's last word on a request that was sent without the library's
// own checks.
type Refusal struct {
	Status  int    `json:"status"`
	Label   string `json:"label"`
	Message string `json:"message"`
	// Reason is finer than the label, and not in the ecosystem's interface.
	Reason string `json:"reason"`
}

// Tampering changes what is sent after it was signed.
type Tampering struct {
	Contracts []common.Address
	PublicKey string
}

// PostUserDecrypt sends what the library would send, without its own checks of window
// and ACL, changed as the tampering says, and waits for the end of the job.
func (s *Session) PostUserDecrypt(a Authorization, change Tampering, pairs ...Pair) (r Refusal, err error) {
	fields := a.fields(pairs)
	if change.Contracts != nil {
		fields["sentContracts"] = checksummed(change.Contracts)
	}
	if change.PublicKey != "" {
		fields["sentPublicKey"] = change.PublicKey
	}
	operation := "postUserDecrypt"
	if a.Delegator != nil {
		operation = "postDelegatedUserDecrypt"
	}
	_, err = s.call(operation, fields, &r)
	return r, err
}

// Disclosed is a public decryption as the library returns it.
type Disclosed struct {
	Values []*big.Int
	// Cleartexts and Proof are what the dApp's contract takes.
	Cleartexts, Proof []byte
}

// PublicDecrypt has the library fetch publicly decryptable values and check the
// parties' signatures over them.
func (s *Session) PublicDecrypt(handles ...fhevm.Handle) (*Disclosed, time.Duration, error) {
	list := make([]string, len(handles))
	for i, h := range handles {
		list[i] = h.String()
	}
	var result struct {
		Values     values
		Cleartexts hexutil.Bytes `json:"abiEncodedClearValues"`
		Proof      hexutil.Bytes `json:"decryptionProof"`
	}
	took, err := s.call("publicDecrypt", map[string]any{"handles": list}, &result)
	if err != nil {
		return nil, took, err
	}
	out := &Disclosed{Cleartexts: result.Cleartexts, Proof: result.Proof}
	out.Values, err = result.Values.in(handles)
	return out, took, err
}

// Value is a value to encrypt.
type Value struct {
	Type  fhevm.Type
	Value *big.Int
}

// Input is an encrypted input that the coprocessor has signed.
type Input struct {
	Handles []fhevm.Handle
	Proof   []byte // the inputProof of FHE.fromExternal
}

// Encrypt has the library encrypt values for a contract, prove that it knows them, and
// hand them to the coprocessor by the relayer. The proof takes some 20 s.
func (s *Session) Encrypt(contract, user common.Address, list ...Value) (*Input, time.Duration, error) {
	type value struct {
		Type  string `json:"type"`
		Value string `json:"value"`
	}
	encoded := make([]value, len(list))
	for i, v := range list {
		encoded[i] = value{v.Type.String(), v.Value.String()}
		switch v.Type {
		case fhevm.Bool:
			encoded[i].Value = fmt.Sprint(v.Value.Sign() != 0)
		case fhevm.Uint160:
			encoded[i] = value{"eaddress", common.BigToAddress(v.Value).Hex()}
		}
	}
	var result struct {
		Handles []fhevm.Handle
		Proof   hexutil.Bytes `json:"inputProof"`
	}
	took, err := s.call("encrypt", map[string]any{"contract": contract.Hex(), "user": user.Hex(), "values": encoded}, &result)
	return &Input{result.Handles, result.Proof}, took, err
}
