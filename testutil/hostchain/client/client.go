// Package client speaks to a test host chain (testutil/hostchain) as a dApp, a relayer and a test
// harness do: it submits encrypted inputs to the coprocessor, calls the dApp, fetches headers and
// Merkle proofs, carries signed plaintexts back, and asks the harness for funds and forged headers.
//
// It trusts the host chain's process entirely and verifies nothing; verification is what TKMS does
// with what this package fetches.
package client

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/ethclient/gethclient"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/tkms-network/tkms/testutil/hostchain/api"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

// ErrRefused is returned when an HTTP endpoint of the host chain answers with an error.
var ErrRefused = errors.New("host chain refused")

// maxAnswer bounds an HTTP answer in bytes.
const maxAnswer = 1 << 20

// Client is a connection to a test host chain. Its methods may be called concurrently.
type Client struct {
	base string
	http *http.Client
	rpc  *rpc.Client
	eth  *ethclient.Client
	geth *gethclient.Client
	info *api.Info
}

// Dial connects to the host chain at url, such as "http://127.0.0.1:8545".
func Dial(ctx context.Context, url string) (*Client, error) {
	connection, err := rpc.DialContext(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("dial host chain: %w", err)
	}
	c := &Client{
		base: strings.TrimRight(url, "/"),
		http: http.DefaultClient,
		rpc:  connection,
		eth:  ethclient.NewClient(connection),
		geth: gethclient.New(connection),
	}
	if c.info, err = c.FetchInfo(ctx); err != nil {
		connection.Close()
		return nil, err
	}
	return c, nil
}

// Close ends the connection.
func (c *Client) Close() { c.rpc.Close() }

// Eth returns the general Ethereum client of the connection.
func (c *Client) Eth() *ethclient.Client { return c.eth }

// Info returns the description of the chain as it was at Dial; chain id and contracts never change.
func (c *Client) Info() api.Info { return *c.info }

// FetchInfo asks for the description of the chain now: validators and KMS context may change.
func (c *Client) FetchInfo(ctx context.Context) (*api.Info, error) {
	var info api.Info
	if err := c.harness(ctx, &info, "info"); err != nil {
		return nil, err
	}
	return &info, nil
}

// Fund sends wei, or 1000 ether for nil, from the harness's faucet, and waits for the block.
func (c *Client) Fund(ctx context.Context, address common.Address, wei *big.Int) error {
	return c.harness(ctx, nil, "fund", api.FundRequest{Address: address, Wei: (*hexutil.Big)(wei)})
}

// SetKMSContext has the owner of KMSVerifier define the signers, and waits for the block.
func (c *Client) SetKMSContext(ctx context.Context, signers []common.Address, threshold uint64) error {
	return c.harness(ctx, nil, "setKMSContext", api.SignerSet{Signers: signers, Threshold: threshold})
}

// DeployRegistry has the harness create a second ciphertext registry that takes writes from writer.
func (c *Client) DeployRegistry(ctx context.Context, writer common.Address) (common.Address, error) {
	var registry common.Address
	err := c.harness(ctx, &registry, "deployRegistry", writer)
	return registry, err
}

// Mine seals count blocks at once and returns the number of the last.
func (c *Client) Mine(ctx context.Context, count uint64) (uint64, error) {
	var head hexutil.Uint64
	err := c.harness(ctx, &head, "mine", hexutil.Uint64(count))
	return uint64(head), err
}

// SetValidators makes the harness's keys with these numbers the validator set from the next block on.
func (c *Client) SetValidators(ctx context.Context, numbers []int) ([]common.Address, error) {
	var set []common.Address
	err := c.harness(ctx, &set, "setValidators", numbers)
	return set, err
}

// ForgeHeader returns the RLP of a forged variant of block number's header.
func (c *Client) ForgeHeader(ctx context.Context, kind api.Forgery, number uint64) ([]byte, error) {
	var raw hexutil.Bytes
	err := c.harness(ctx, &raw, "forgeHeader", kind, hexutil.Uint64(number))
	return raw, err
}

// SubmitCiphertext gives one encrypted value to the coprocessor and waits until its digest is in
// the registry. The input is for user in contract; the zero contract means the dApp.
func (c *Client) SubmitCiphertext(ctx context.Context, contract, user common.Address, t fhevm.Type, ciphertext []byte) (*api.InputResponse, error) {
	if contract == (common.Address{}) {
		contract = c.info.Contracts.Disclosure
	}
	query := url.Values{"contractAddress": {contract.Hex()}, "userAddress": {user.Hex()}, "type": {t.String()}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+api.PathInput+"?"+query.Encode(), bytes.NewReader(ciphertext))
	if err != nil {
		return nil, fmt.Errorf("submit ciphertext: %w", err)
	}
	request.Header.Set("Content-Type", "application/octet-stream")
	var answer api.InputResponse
	if err := c.do(request, &answer); err != nil {
		return nil, fmt.Errorf("submit ciphertext: %w", err)
	}
	return &answer, nil
}

// SubmitProven hands an input with a zero-knowledge proof to the coprocessor, as a relayer does, and
// waits until its values are in the registry.
func (c *Client) SubmitProven(ctx context.Context, contract, user common.Address, ciphertext, extraData []byte) (*api.InputProofResponse, error) {
	body, err := json.Marshal(api.InputProofRequest{
		ContractChainID: hexutil.Uint64(c.info.ChainID), ContractAddress: contract, UserAddress: user,
		Ciphertext: hex.EncodeToString(ciphertext), ExtraData: extraData,
	})
	if err != nil {
		return nil, fmt.Errorf("submit proven input: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+api.PathInputProof, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("submit proven input: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	var answer api.InputProofResponse
	if err := c.do(request, &answer); err != nil {
		return nil, fmt.Errorf("submit proven input: %w", err)
	}
	return &answer, nil
}

// Health fetches the health endpoint; a stalled chain is an error as well as an answer.
func (c *Client) Health(ctx context.Context) (*api.Health, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+api.PathHealth, nil)
	if err != nil {
		return nil, fmt.Errorf("health: %w", err)
	}
	var health api.Health
	if err := c.do(request, &health); err != nil {
		return nil, fmt.Errorf("health: %w", err)
	}
	return &health, nil
}

func (c *Client) do(request *http.Request, into any) error {
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // read to the end or given up
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		var refusal api.ErrorBody
		if json.Unmarshal(body, &refusal) != nil || refusal.Error == "" {
			refusal.Error = strings.TrimSpace(string(body))
		}
		return fmt.Errorf("%w: %s: %s", ErrRefused, response.Status, refusal.Error)
	}
	return json.Unmarshal(body, into)
}

func (c *Client) harness(ctx context.Context, into any, method string, arguments ...any) error {
	if err := c.rpc.CallContext(ctx, into, api.Namespace+"_"+method, arguments...); err != nil {
		return fmt.Errorf("host chain: %s: %w", method, err)
	}
	return nil
}
