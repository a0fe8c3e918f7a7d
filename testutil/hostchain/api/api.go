// Package api holds the types that the test host chain and its clients exchange over HTTP and over
// the JSON-RPC namespace "tkmstest". It guarantees nothing: the namespace is a harness for tests,
// without authentication, whose methods include forging headers.
package api

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

// Paths of the HTTP interface; JSON-RPC, also over websocket, is at the root.
const (
	PathHealth      = "/health"
	PathCoprocessor = "/coprocessor" // base of what a relayer hands inputs to
	PathInput       = PathCoprocessor + "/input"
	PathInputProof  = PathCoprocessor + "/input-proof"
	PathCiphertexts = PathCoprocessor + "/ciphertexts" // ciphertexts by their digest, in hex
	PathKMSContext  = "/admin/kms-context"
)

// Namespace is the JSON-RPC namespace of the harness.
const Namespace = "tkmstest"

// Info describes a running host chain: everything that its registration on TKMS needs.
type Info struct {
	Name          string           `json:"name"`
	ChainID       uint64           `json:"chainId"`
	GenesisHash   common.Hash      `json:"genesisHash"`
	HeaderKind    string           `json:"headerKind"` // "qbft"
	BlockPeriodMS int64            `json:"blockPeriodMs"`
	Validators    []common.Address `json:"validators"` // the current set, ascending
	Quorum        int              `json:"quorum"`
	Sealers       int              `json:"sealers"` // seals in each block
	Simulated     Simulated        `json:"simulated"`
	Contracts     Contracts        `json:"contracts"`
	Slots         Slots            `json:"slots"`
	Gateway       Gateway          `json:"gateway"`
	Coprocessor   SignerSet        `json:"coprocessor"`
	KMS           SignerSet        `json:"kms"` // read from KMSVerifier at the head
}

// Simulated says which parts are stand-ins.
type Simulated struct {
	ValidatorNetwork bool `json:"validatorNetwork"` // all validator keys are in one process
	Coprocessor      bool `json:"coprocessor"`      // signs without checking any zero-knowledge proof
}

// Contracts are addresses on the host chain.
type Contracts struct {
	ACL           common.Address `json:"acl"`
	FHEVMExecutor common.Address `json:"fhevmExecutor"`
	KMSVerifier   common.Address `json:"kmsVerifier"`
	InputVerifier common.Address `json:"inputVerifier"`
	HCULimit      common.Address `json:"hcuLimit"`
	PauserSet     common.Address `json:"pauserSet"`
	Registry      common.Address `json:"registry"`   // CiphertextRegistry
	Disclosure    common.Address `json:"disclosure"` // the dApp
}

// Slots are the base slots of the two storage layouts that proofs are about.
type Slots struct {
	ACLBase      common.Hash `json:"aclBase"`
	RegistryBase common.Hash `json:"registryBase"`
}

// Gateway holds the parameters of the verifier contracts' EIP-712 domains.
type Gateway struct {
	ChainID           uint64         `json:"chainId"`
	Decryption        common.Address `json:"decryption"`
	InputVerification common.Address `json:"inputVerification"`
}

// SignerSet is a set of signing addresses, of which Threshold suffice.
type SignerSet struct {
	Signers   []common.Address `json:"signers"`
	Threshold uint64           `json:"threshold"`
}

// InputRequest asks the coprocessor to take an encrypted input. Type is a name such as "euint64".
type InputRequest struct {
	ContractAddress common.Address `json:"contractAddress"`
	UserAddress     common.Address `json:"userAddress"`
	Type            string         `json:"type"`
	Ciphertext      []byte         `json:"ciphertext"` // base64
}

// InputResponse is the coprocessor's answer: the handle is bound in the registry by then.
type InputResponse struct {
	Handle     fhevm.Handle   `json:"handle"`
	InputProof hexutil.Bytes  `json:"inputProof"`
	Digest     common.Hash    `json:"digest"` // keccak256 of the ciphertext's bytes
	Block      hexutil.Uint64 `json:"block"`  // that registered it
	Simulated  bool           `json:"simulated"`
}

// InputProofRequest hands an input with a zero-knowledge proof to the coprocessor, as the published
// client library makes it.
type InputProofRequest struct {
	ContractChainID hexutil.Uint64 `json:"contractChainId"`
	ContractAddress common.Address `json:"contractAddress"`
	UserAddress     common.Address `json:"userAddress"`
	// Ciphertext is a serialized ProvenCompactCiphertextList, in hex without 0x.
	Ciphertext string        `json:"ciphertextWithInputVerification"`
	ExtraData  hexutil.Bytes `json:"extraData"`
}

// InputProofResponse is the coprocessor's answer: all handles are bound in the registry by then.
type InputProofResponse struct {
	Accepted   bool            `json:"accepted"`
	Handles    []fhevm.Handle  `json:"handles"`
	Signatures []hexutil.Bytes `json:"signatures"`
	ExtraData  hexutil.Bytes   `json:"extraData"`
	Simulated  bool            `json:"simulated"`
}

// Health is the answer of the health endpoint.
type Health struct {
	Status       string    `json:"status"` // "ok", or "stalled" when blocks stopped coming
	Block        uint64    `json:"block"`
	BlockTime    uint64    `json:"blockTime"` // seconds since 1970
	SealFailures uint64    `json:"sealFailures"`
	Simulated    Simulated `json:"simulated"`
}

// ErrorBody is the body of every answer that is not 2xx.
type ErrorBody struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

// Forgery names a way in which a header is wrong, or unusual. All forgeries but Fork and Tampered
// keep the state root of the block they start from, so that genuine proofs fit them. Stale, Future
// and Fork are second headers of their height with genuine seals: whoever accepts one beside the
// block itself has evidence of a fork.
type Forgery string

// The forgeries.
const (
	// Subquorum has the genuine validators, one seal less than a quorum.
	Subquorum Forgery = "subquorum"
	// Repeated has a quorum of seals, one of them twice.
	Repeated Forgery = "repeated"
	// Unsealed has no seals.
	Unsealed Forgery = "unsealed"
	// Strangers lists the genuine validators, but a quorum of others sealed it.
	Strangers Forgery = "strangers"
	// ForeignSet lists strangers and is sealed by them.
	ForeignSet Forgery = "foreign-set"
	// HostileSet lists one genuine validator among strangers, sealed by a quorum of that set; for
	// four validators, fewer than a third of the genuine ones took part.
	HostileSet Forgery = "hostile-set"
	// Tampered has genuine seals over another state root.
	Tampered Forgery = "tampered"
	// Succession replaces one validator by a stranger, sealed by a quorum of the new set with the
	// stranger in it. For four validators or more it is valid: more than a third of the old ones
	// took part.
	Succession Forgery = "succession"
	// Stale is sealed by the genuine validators, a day older than the block.
	Stale Forgery = "stale"
	// Future is sealed by the genuine validators, a day younger than the block.
	Future Forgery = "future"
	// Fork is a second block of the same height, sealed by the genuine validators. Together with
	// the first it is evidence.
	Fork Forgery = "fork"
)

// Forgeries returns all of them.
func Forgeries() []Forgery {
	return []Forgery{Subquorum, Repeated, Unsealed, Strangers, ForeignSet, HostileSet, Tampered, Succession, Stale, Future, Fork}
}

// FundRequest is the argument of tkmstest_fund.
type FundRequest struct {
	Address common.Address `json:"address"`
	Wei     *hexutil.Big   `json:"wei"` // default 1000 ether
}

// DefaultFunding is what tkmstest_fund sends when no amount is given: 1000 ether.
func DefaultFunding() *big.Int {
	return new(big.Int).Mul(big.NewInt(1000), big.NewInt(1_000_000_000_000_000_000))
}
