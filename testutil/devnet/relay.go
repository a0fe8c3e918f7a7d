package devnet

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	"github.com/tkms-network/tkms/x/kms/handles"
)

// ErrRelayer reports a job that the relayer refused or gave up.
var ErrRelayer = errors.New("the relayer failed")

// pollPause is the pause between two looks at something that takes blocks.
const pollPause = 10 * time.Millisecond

type relayCallback struct {
	Address string `json:"address"`
}

type relayRequest struct {
	CiphertextHandles []string       `json:"ciphertextHandles"`
	ExtraData         string         `json:"extraData"`
	Callback          *relayCallback `json:"callback,omitempty"`
}

type relayAnswer struct {
	relayFailure
	Result struct {
		JobID string `json:"jobId"`
	} `json:"result"`
}

type relayFailure struct {
	Status string `json:"status"`
	Error  struct {
		Label   string `json:"label"`
		Message string `json:"message"`
	} `json:"error"`
}

func (a *relayFailure) failed(code int) error {
	if code/100 == 2 && a.Status != "failed" {
		return nil
	}
	return fmt.Errorf("%w: %d %s: %s", ErrRelayer, code, a.Error.Label, a.Error.Message)
}

// Relay has the relayer ask for the plaintexts of handles and carry the result to
// the dApp. It returns the relayer's name of the job, the same for the same handles.
func (d *Devnet) Relay(ctx context.Context, list ...fhevm.Handle) (job string, err error) {
	return d.relay(ctx, &relayCallback{d.HostClient.Info().Contracts.Disclosure.Hex()}, list)
}

// AskRelayer has the relayer ask for the plaintexts of handles, as Relay, and leave the
// dApp alone.
func (d *Devnet) AskRelayer(ctx context.Context, list ...fhevm.Handle) (job string, err error) {
	return d.relay(ctx, nil, list)
}

func (d *Devnet) relay(ctx context.Context, callback *relayCallback, list []fhevm.Handle) (job string, err error) {
	request := relayRequest{ExtraData: "0x00", Callback: callback}
	for _, h := range list {
		request.CiphertextHandles = append(request.CiphertextHandles, h.String())
	}
	var answer relayAnswer
	response, err := postJSON(ctx, d.RelayerURL+"/v2/public-decrypt", request, &answer)
	if err != nil {
		return "", err
	}
	if err := answer.failed(response.StatusCode); err != nil {
		return "", err
	}
	if answer.Result.JobID == "" {
		return "", fmt.Errorf("%w: it named no job", ErrRelayer)
	}
	return answer.Result.JobID, nil
}

// RelayFailure returns why a job failed, nil while it has not.
func (d *Devnet) RelayFailure(ctx context.Context, job string) error {
	var answer relayAnswer
	code, err := getAnyJSON(ctx, d.RelayerURL+"/v2/public-decrypt/"+job, 0, &answer)
	if err != nil {
		return err
	}
	return answer.failed(code)
}

// Relayed waits for the plaintext words that a job ends with.
func (d *Devnet) Relayed(ctx context.Context, job string) ([]byte, error) {
	for {
		var answer struct {
			relayFailure
			Result struct {
				DecryptedValue string `json:"decryptedValue"`
			} `json:"result"`
		}
		code, err := getAnyJSON(ctx, d.RelayerURL+"/v2/public-decrypt/"+job, readWait, &answer)
		if err != nil {
			return nil, err
		}
		if err := answer.failed(code); err != nil {
			return nil, err
		}
		if code == http.StatusOK {
			return hex.DecodeString(answer.Result.DecryptedValue)
		}
	}
}

// RequestID returns the id under which TKMS records a request for handles.
func (d *Devnet) RequestID(list ...fhevm.Handle) ([]byte, error) {
	raw := make([][]byte, len(list))
	for i := range list {
		raw[i] = list[i][:]
	}
	host := d.HostClient.Info().ChainID
	batch, err := handles.ParseBatch(host, raw)
	if err != nil {
		return nil, err
	}
	id := handles.RequestID(host, handles.KindPublicDecryption, [32]byte(d.KeyID), batch)
	return id[:], nil
}

// getAnyJSON decodes an answer of any status. The relayer holds answers for jobs under
// way back for at most wait seconds.
func getAnyJSON(ctx context.Context, url string, wait int, into any) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Prefer", fmt.Sprintf("wait=%d", wait))
	response, err := (&http.Client{Timeout: time.Duration(wait)*time.Second + 10*time.Second}).Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	return response.StatusCode, decodeBounded(response.Body, into)
}
