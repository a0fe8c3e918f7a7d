package devnet

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"math/big"
	"net/http"
	"strconv"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/tkms-network/tkms/enclave/reencrypt"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	"github.com/tkms-network/tkms/x/acl/slots"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/client"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// Reader is a user with a key pair, to which the parties encrypt what the user may
// read.
type Reader struct {
	devnet  *Devnet
	session *client.UserSession
	host    *acltypes.HostChain
	// signers are those of an epoch.
	epoch   uint64
	signers [][kmstypes.AddressSize]byte
}

// Reader makes a new key pair for the user.
func (u *User) Reader(ctx context.Context) (*Reader, error) {
	d := u.devnet
	session, err := client.NewUserSession(rand.Reader, u.key)
	if err != nil {
		return nil, err
	}
	host, err := d.TKMS.HostChain(ctx, d.HostClient.Info().ChainID)
	if err != nil {
		return nil, err
	}
	epoch, err := d.ActiveEpoch(ctx)
	if err != nil {
		return nil, err
	}
	signers, err := d.TKMS.Signers(ctx, epoch.Id)
	return &Reader{d, session, host, epoch.Id, signers}, err
}

// signersOf returns the signers of the epoch that answers a question.
func (r *Reader) signersOf(ctx context.Context, q client.UserQuestion) ([][kmstypes.AddressSize]byte, error) {
	id, err := q.ID()
	if err != nil {
		return nil, err
	}
	request, err := r.devnet.Request(ctx, id[:])
	if err != nil {
		return nil, err
	}
	if request.EpochId == r.epoch {
		return r.signers, nil
	}
	return r.devnet.TKMS.Signers(ctx, request.EpochId)
}

// Ask authorizes a question for handles of the dApp, from a minute ago for a day. Of a
// delegate, delegator is whose handles they are. change may alter the terms before
// they are signed.
func (r *Reader) Ask(delegator *common.Address, change func(*client.Terms), list ...fhevm.Handle) (client.UserQuestion, error) {
	dapp := r.devnet.HostClient.Info().Contracts.Disclosure
	terms := client.Terms{Contracts: [][20]byte{dapp}, Start: time.Now().Add(-time.Minute), Days: 1}
	if delegator != nil {
		terms.Delegator = (*[20]byte)(delegator)
	}
	if change != nil {
		change(&terms)
	}
	q := client.UserQuestion{HostChain: r.host, KeyID: [32]byte(r.devnet.KeyID)}
	for _, h := range list {
		handle, err := handles.Parse(h[:])
		if err != nil {
			return q, err
		}
		q.Handles, q.Contracts = append(q.Handles, handle), append(q.Contracts, dapp)
	}
	var err error
	q.Authorization, err = r.session.Authorize(r.host, terms)
	return q, err
}

// UserProof fetches header and proofs for what a question needs at the head, whether
// the state shows it or not.
func (d *Devnet) UserProof(ctx context.Context, q client.UserQuestion) (acltypes.DecryptionProof, error) {
	var none acltypes.DecryptionProof
	access, err := q.Access()
	if err != nil {
		return none, err
	}
	layout, err := slots.NewACL(q.HostChain.AclLayout)
	if err != nil {
		return none, err
	}
	var permissions, digests []common.Hash
	for i, h := range access.Handles {
		permissions = append(permissions, layout.Persisted(h, access.Owner()), layout.Persisted(h, access.Contracts[i]))
		digests = append(digests, slots.RegistryDigest(common.Hash(q.HostChain.RegistrySlot), h))
	}
	for _, contract := range access.Delegations() {
		permissions = append(permissions, layout.Delegation(*access.Delegator, access.User, contract))
	}
	block, err := d.HostClient.Eth().BlockNumber(ctx)
	if err != nil {
		return none, err
	}
	number := new(big.Int).SetUint64(block)
	header, err := d.HostClient.HeaderRLP(ctx, number)
	if err != nil {
		return none, err
	}
	acl, err := d.HostClient.AccountProof(ctx, common.Address(q.HostChain.Acl.Address), permissions, number)
	if err != nil {
		return none, err
	}
	registry, err := d.HostClient.AccountProof(ctx, common.Address(q.HostChain.Registry.Address), digests, number)
	if err != nil {
		return none, err
	}
	return acltypes.DecryptionProof{Header: header, Acl: accountProof(*acl), Registry: accountProof(*registry)}, nil
}

// readRequest is what the published clients post for a user, or for a delegate.
type readRequest struct {
	HandleContractPairs []readPair    `json:"handleContractPairs"`
	RequestValidity     *readValidity `json:"requestValidity,omitempty"`
	ContractsChainID    string        `json:"contractsChainId"`
	ContractAddresses   []string      `json:"contractAddresses"`
	UserAddress         string        `json:"userAddress,omitempty"`
	DelegatorAddress    string        `json:"delegatorAddress,omitempty"`
	DelegateAddress     string        `json:"delegateAddress,omitempty"`
	StartTimestamp      string        `json:"startTimestamp,omitempty"`
	DurationDays        string        `json:"durationDays,omitempty"`
	Signature           string        `json:"signature"`
	PublicKey           string        `json:"publicKey"`
	ExtraData           string        `json:"extraData"`
}

type readPair struct {
	Handle          string `json:"handle"`
	ContractAddress string `json:"contractAddress"`
}

type readValidity struct {
	StartTimestamp string `json:"startTimestamp"`
	DurationDays   string `json:"durationDays"`
}

// newReadRequest returns the path and the body that a question is posted with.
func newReadRequest(q client.UserQuestion) (path string, body readRequest) {
	a := q.Authorization
	body = readRequest{
		ContractsChainID: strconv.FormatUint(q.HostChain.Id, 10), Signature: hex.EncodeToString(a.Signature),
		PublicKey: hex.EncodeToString(a.PublicKey), ExtraData: "0x00",
	}
	for i, h := range q.Handles {
		body.HandleContractPairs = append(body.HandleContractPairs, readPair{h.String(), common.Address(q.Contracts[i]).Hex()})
	}
	for _, c := range a.Contracts {
		body.ContractAddresses = append(body.ContractAddresses, common.BytesToAddress(c).Hex())
	}
	start, days := strconv.FormatUint(a.StartTimestamp, 10), strconv.FormatUint(uint64(a.DurationDays), 10)
	if len(a.Delegator) == 0 {
		body.UserAddress, body.RequestValidity = common.BytesToAddress(a.User).Hex(), &readValidity{start, days}
		return "/v2/user-decrypt", body
	}
	body.DelegatorAddress, body.DelegateAddress = common.BytesToAddress(a.Delegator).Hex(), common.BytesToAddress(a.User).Hex()
	body.StartTimestamp, body.DurationDays = start, days
	return "/v2/delegated-user-decrypt", body
}

// Reading is an answer that the user read, with the time from asking the relayer to
// the values.
type Reading struct {
	*client.UserAnswer
	Latency time.Duration
	// ShareBytes is the size of the largest share's payload.
	ShareBytes int
}

// At returns the reader, with the same keys, as a client of another relayer.
func (r *Reader) At(d *Devnet) *Reader {
	other := *r
	other.devnet = d
	return &other
}

// Read asks a relayer as the published clients do, but without their pauses, and
// decrypts the answer.
func (r *Reader) Read(ctx context.Context, q client.UserQuestion) (*Reading, error) {
	start := time.Now()
	job, err := r.Post(ctx, q)
	if err != nil {
		return nil, err
	}
	reading, err := r.Collect(ctx, q, job)
	if err != nil {
		return nil, err
	}
	reading.Latency = time.Since(start)
	return reading, nil
}

// Post asks the relayer for shares and returns its name of the job.
func (r *Reader) Post(ctx context.Context, q client.UserQuestion) (job string, err error) {
	path, body := newReadRequest(q)
	var posted relayAnswer
	response, err := postJSON(ctx, r.devnet.RelayerURL+path, body, &posted)
	if err != nil {
		return "", err
	}
	return posted.Result.JobID, posted.failed(response.StatusCode)
}

// Collect waits for the shares of a job, and decrypts them as the answer to a question.
func (r *Reader) Collect(ctx context.Context, q client.UserQuestion, job string) (*Reading, error) {
	start := time.Now()
	shares, err := r.devnet.relayedShares(ctx, q, job)
	if err != nil {
		return nil, err
	}
	signers, err := r.signersOf(ctx, q)
	if err != nil {
		return nil, err
	}
	answer, err := r.session.Read(q, signers, shares)
	if err != nil {
		return nil, err
	}
	reading := &Reading{UserAnswer: answer, Latency: time.Since(start)}
	for _, s := range shares {
		reading.ShareBytes = max(reading.ShareBytes, len(s.Payload))
	}
	return reading, nil
}

// readWait is how many seconds the relayer may hold an answer back.
const readWait = 10

// relayedShares waits for the shares of a job.
func (d *Devnet) relayedShares(ctx context.Context, q client.UserQuestion, job string) ([]kmstypes.Share, error) {
	path, _ := newReadRequest(q)
	for {
		var answer struct {
			relayFailure
			Result struct {
				Result []struct{ Payload, Signature string }
			} `json:"result"`
		}
		code, err := getAnyJSON(ctx, d.RelayerURL+path+"/"+job, readWait, &answer)
		if err != nil {
			return nil, err
		}
		if err := answer.failed(code); err != nil {
			return nil, err
		}
		if code == http.StatusOK {
			shares := make([]kmstypes.Share, len(answer.Result.Result))
			for i, s := range answer.Result.Result {
				if shares[i], err = decodeShare(s.Payload, s.Signature, len(q.Handles)); err != nil {
					return nil, err
				}
			}
			return shares, nil
		}
	}
}

func decodeShare(payload, signature string, handles int) (kmstypes.Share, error) {
	var share kmstypes.Share
	var err error
	if share.Payload, err = hex.DecodeString(payload); err != nil {
		return share, err
	}
	if share.Signature, err = hex.DecodeString(signature); err != nil {
		return share, err
	}
	decoded, err := reencrypt.DecodePayload(share.Payload, handles)
	if err != nil {
		return share, err
	}
	share.Index = decoded.Party
	return share, nil
}
