package soak

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cosmos/cosmos-sdk/types/query"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/testutil/devnet"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

const (
	// settleTimeout is how long open requests may take to be paid or to expire.
	settleTimeout = 5 * time.Minute
	// page is how many requests are listed at once.
	page = 100
)

// settle waits until no request is open and nothing is in escrow.
func (r *run) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, settleTimeout, fmt.Errorf("not within %s", settleTimeout))
	defer cancel()
	for {
		totals, err := r.net.Totals(ctx)
		if err == nil && totals.Open == 0 && totals.Escrow == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d requests are open, %d utkms are in escrow: %w", totals.Open, totals.Escrow, context.Cause(ctx))
		case <-time.After(retryPause):
		}
	}
}

// judge checks what must hold once everything is over.
func (r *run) judge(ctx context.Context) error {
	for i, node := range r.nodes {
		requests, err := allRequests(ctx, node)
		if err != nil {
			return fmt.Errorf("requests by validator %d: %w", i+1, err)
		}
		r.judgeRequests(r.net.Layout.Nodes[i].Moniker, requests)
	}
	balance, err := r.net.Balance(ctx, authtypes.NewModuleAddress(kmstypes.ModuleName))
	if err != nil {
		return err
	}
	if !balance.IsZero() {
		r.ledger.violate("the module's account holds %s utkms with nothing in escrow", balance)
	}
	if err := r.judgeEvidence(ctx); err != nil {
		return err
	}
	return r.judgeLogs()
}

// judgeRequests checks all records of a node.
func (r *run) judgeRequests(node string, requests []kmstypes.Request) {
	shown := map[string]bool{}
	r.report.Accepted, r.report.Fulfilled, r.report.Expired = len(requests), 0, 0
	for _, request := range requests {
		shown[string(request.Id)] = true
		r.ledger.record(node, request)
		switch request.Status {
		case kmstypes.REQUEST_STATUS_FULFILLED:
			r.report.Fulfilled++
			for _, c := range request.Contributions {
				if !c.Agrees {
					r.ledger.blame([]int{int(c.Index)})
				}
			}
		case kmstypes.REQUEST_STATUS_EXPIRED:
			r.report.Expired++
		default:
			r.ledger.violate("request %x, by %s: it is still %s", request.Id, node, request.Status)
		}
	}
	for _, a := range r.answers {
		if id := r.ledger.ids[r.way(a.ask).Number]; a.err == nil && !shown[id] {
			r.ledger.violate("request %d of the plan was answered, and %s does not know it", a.ask.Number, node)
		}
	}
}

func allRequests(ctx context.Context, node *devnet.Devnet) ([]kmstypes.Request, error) {
	var all []kmstypes.Request
	var next []byte
	for {
		var response kmstypes.QueryRequestsResponse
		err := node.TKMS.Query(ctx, "/tkms.kms.v1.Query/Requests", &kmstypes.QueryRequestsRequest{
			Pagination: &query.PageRequest{Key: next, Limit: page},
		}, &response)
		if err != nil {
			return nil, err
		}
		all = append(all, response.Requests...)
		if next = response.Pagination.GetNextKey(); len(next) == 0 {
			return all, nil
		}
	}
}

// judgeEvidence requires that whoever is convicted, or signed what is wrong, cheated or was
// made to look like it by an old folder.
func (r *run) judgeEvidence(ctx context.Context) error {
	evidence, err := r.net.Evidence(ctx)
	if err != nil {
		return err
	}
	r.report.Convictions = len(evidence)
	cheats := r.plan.cheats()
	for _, e := range evidence {
		if !slices.ContainsFunc(cheats, func(number int) bool { return r.net.Parties[number-1].ID == e.PartyId }) {
			r.ledger.violate("party %d is convicted (%s, evidence %d) and was honest", e.PartyId, e.Kind, e.Id)
		}
	}
	indices := r.plan.indices(cheats)
	for index := range r.ledger.wrong {
		if !indices[index] {
			r.ledger.violate("the member of index %d signed a wrong share or plaintext, and no such party cheated", index)
		}
	}
	return nil
}

// judgeLogs looks for secrets and for panics in all logs.
func (r *run) judgeLogs() error {
	secrets, err := r.secrets()
	if err != nil {
		return err
	}
	r.report.Secrets = len(secrets.needles)
	return filepath.WalkDir(r.net.Config.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".log") || strings.Contains(path, string(filepath.Separator)+"data"+string(filepath.Separator)) {
			return err
		}
		r.report.Logs++
		found, err := secrets.findFile(path)
		if err != nil {
			return err
		}
		if found != "" {
			r.ledger.violate("%s has a part of %s", path, found)
		}
		line, err := panicIn(path)
		if err != nil {
			return err
		}
		// A node that cannot write what it signed must not go on.
		if line != "" && !strings.Contains(path, string(filepath.Separator)+"chain"+string(filepath.Separator)) {
			r.ledger.violate("%s: %s", path, line)
		}
		return nil
	})
}

// panicIn returns the first line of a log with which a Go program ends that panicked.
func panicIn(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		if line := lines.Text(); strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return line, nil
		}
	}
	return "", lines.Err()
}

// shareKind begins the name of the sealed file of a share.
const shareKind = "key-share."

// secrets are those of the run: what the parties seal, and the keys of accounts,
// validators and the relayer.
func (r *run) secrets() (*canary, error) {
	c := newCanary()
	for _, p := range r.net.Parties {
		if err := sealedSecrets(c, r.net.Layout.ChainID, r.operator, p); err != nil {
			return nil, err
		}
	}
	for _, account := range r.net.Layout.Accounts {
		key, err := hex.DecodeString(r.net.KeyHex(account.Name))
		if err != nil {
			return nil, err
		}
		c.add("the key of "+account.Name, key)
	}
	for _, node := range r.net.Layout.Nodes {
		key, err := validatorKey(filepath.Join(node.Home, "config", "priv_validator_key.json"))
		if err != nil {
			return nil, err
		}
		c.add("the consensus key of "+node.Moniker, key)
	}
	raw, err := os.ReadFile(filepath.Join(r.net.Config.Dir, "relayer", "host.key"))
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(string(raw))
	if err != nil {
		return nil, err
	}
	c.add("the relayer's key on the host chain", key)
	return c, nil
}

// sealedSecrets adds all that a party seals, but for what its light client knows, which
// everybody may.
func sealedSecrets(c *canary, chainID, operator string, p *devnet.Party) error {
	device, err := seal.LoadOrCreateDeviceSecret(filepath.Join(p.Home, "simulated-device.secret"))
	if err != nil {
		return err
	}
	c.add("the device's secret of "+p.Moniker, device)
	wrapper, err := seal.NewSimulatedDevice(device)
	if err != nil {
		return err
	}
	store, err := seal.Open(filepath.Join(p.Home, "sealed"), wrapper, chainID, operator)
	if err != nil {
		return err
	}
	objects, err := store.List()
	if err != nil {
		return err
	}
	for _, o := range objects {
		if o.Kind == "light-client" {
			continue
		}
		content, err := store.Get(o)
		if err != nil {
			return fmt.Errorf("%s of %s: %w", o.Kind, p.Moniker, err)
		}
		c.add(o.Kind+" of "+p.Moniker, content)
	}
	return nil
}

func validatorKey(path string) ([]byte, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Key struct {
			Value string `json:"value"`
		} `json:"priv_key"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(file.Key.Value)
	if err != nil {
		return nil, err
	}
	return key[:32], nil // the public key follows
}
