package devnet

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/gogoproto/proto"

	"github.com/tkms-network/tkms/enclave/party/vault"
	"github.com/tkms-network/tkms/enclave/tfhe"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

const keyGas = 1_000_000

// RequestKey asks for a key of the host chain, waits until it is active, and
// returns its record.
func (d *Devnet) RequestKey(ctx context.Context, params string) (kmstypes.Key, error) {
	dapp, err := d.Sender(ctx, DAppAccount)
	if err != nil {
		return kmstypes.Key{}, err
	}
	result, err := dapp.Send(ctx, keyGas, &kmstypes.MsgRequestKey{
		Requester: dapp.Address().String(), HostChainId: d.HostClient.Info().ChainID, Params: params,
	})
	if err != nil {
		return kmstypes.Key{}, fmt.Errorf("request a key: %w", err)
	}
	var response kmstypes.MsgRequestKeyResponse
	if err := decodeResponse(result.TxResult.Data, &response); err != nil {
		return kmstypes.Key{}, err
	}
	key, err := d.WaitKey(ctx, response.KeyId)
	if err == nil {
		d.KeyID = key.Id
	}
	return key, err
}

// RequestFurtherKey has governance ask for a key of the host chain beside the one
// that it has, and returns its id once the parties work on it.
func (d *Devnet) RequestFurtherKey(ctx context.Context, params, noise string) ([]byte, error) {
	err := d.Govern(ctx, "generate a further key", &kmstypes.MsgRequestKey{
		Requester: Authority(), HostChainId: d.HostClient.Info().ChainID, Params: params, Noise: noise, Additional: true,
	})
	if err != nil {
		return nil, err
	}
	var all kmstypes.QueryKeysResponse
	if err := d.TKMS.Query(ctx, "/tkms.kms.v1.Query/Keys", &kmstypes.QueryKeysRequest{}, &all); err != nil {
		return nil, err
	}
	for _, key := range all.Keys {
		if !bytes.Equal(key.Id, d.KeyID) && key.Params == params && key.ClosedHeight == 0 {
			return key.Id, nil
		}
	}
	return nil, fmt.Errorf("governance asked for a key with %q, the chain lists none", params)
}

// WaitKey waits until a key is active and returns its record.
func (d *Devnet) WaitKey(ctx context.Context, id []byte) (kmstypes.Key, error) {
	for {
		key, err := d.Key(ctx, id)
		if err != nil {
			return key, err
		}
		switch key.Status {
		case kmstypes.KEY_STATUS_ACTIVE:
			return key, nil
		case kmstypes.KEY_STATUS_FAILED, kmstypes.KEY_STATUS_RETIRED:
			return key, fmt.Errorf("key %x ended as %s; see the parties' logs in %s", key.Id, key.Status, d.Config.Dir)
		}
		select {
		case <-ctx.Done():
			return key, fmt.Errorf("key %x, attempt %d: %w", key.Id, key.Attempt, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Key returns a key's record.
func (d *Devnet) Key(ctx context.Context, id []byte) (kmstypes.Key, error) {
	var response kmstypes.QueryKeyResponse
	err := d.TKMS.Query(ctx, "/tkms.kms.v1.Query/Key", &kmstypes.QueryKeyRequest{Id: hex.EncodeToString(id)}, &response)
	return response.Key, err
}

// decodeResponse decodes the first message's response of a transaction.
func decodeResponse(data []byte, into proto.Message) error {
	var all sdk.TxMsgData
	if err := proto.Unmarshal(data, &all); err != nil {
		return err
	}
	if len(all.MsgResponses) == 0 {
		return fmt.Errorf("the transaction has no response")
	}
	return proto.Unmarshal(all.MsgResponses[0].Value, into)
}

// PublicKey downloads the key from the first vault that has it and checks it
// against the chain's digest.
func (d *Devnet) PublicKey(ctx context.Context, key kmstypes.Key, p tfhe.Parameters) (*tfhe.CompactPublicKey, error) {
	failure := fmt.Errorf("no party named a vault")
	for _, contribution := range key.Contributions {
		data, err := download(ctx, contribution.VaultUrl+"/"+hex.EncodeToString(key.Material.PublicKeyDigest))
		if err != nil {
			failure = err
			continue
		}
		if digest := vault.KeyDigest(data); !bytes.Equal(digest[:], key.Material.PublicKeyDigest) {
			failure = fmt.Errorf("%s serves other bytes than the chain's digest names", contribution.VaultUrl)
			continue
		}
		return tfhe.UnmarshalCompactPublicKey(data, p)
	}
	return nil, failure
}

func download(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := (&http.Client{Timeout: 10 * time.Second}).Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, response.Status)
	}
	return io.ReadAll(io.LimitReader(response.Body, 64<<20))
}
