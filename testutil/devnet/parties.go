package devnet

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/cosmos/gogoproto/jsonpb"

	"github.com/tkms-network/tkms/app/localnet"
	"github.com/tkms-network/tkms/enclave/attest/devnitro"
	"github.com/tkms-network/tkms/enclave/party/status"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// registerGas covers a registration with its flat price for the document.
const registerGas = 3_000_000

// PrepareParties makes the parties' homes and keys.
func (d *Devnet) PrepareParties(ctx context.Context) error {
	for i := range d.Config.Parties {
		if _, err := d.AddParty(ctx, d.partyBinary(i+1)); err != nil {
			return err
		}
	}
	return nil
}

// AddParty makes the home and the keys of one more party, which runs a program and has yet
// to be registered. Its light client trusts a block that all validators agree on.
func (d *Devnet) AddParty(ctx context.Context, binary string) (*Party, error) {
	height := int64(2)
	commit, err := d.TKMS.RPC().Commit(ctx, &height)
	if err != nil {
		return nil, err
	}
	ports, err := localnet.FreeAddresses(2)
	if err != nil {
		return nil, err
	}
	operator, err := d.Layout.Account(OperatorAccount)
	if err != nil {
		return nil, err
	}
	number, nodes := len(d.Parties)+1, d.Layout.Nodes
	moniker := fmt.Sprintf("p%d", number)
	home := filepath.Join(d.Config.Dir, moniker)
	p := &Party{
		Process: newProcess(d.Config.Dir, moniker, binary, "run", "--home", home),
		Moniker: moniker, Home: home, PeerAddr: ports[0], StatusAddr: ports[1],
	}
	if fault := d.Config.Faults[number]; fault.OfMessages() {
		p.env = []string{"TKMS_FAULT=" + string(fault)}
	}
	// Each party names its own validator's node first.
	own, err := d.carried(number, nodes[(number-1)%len(nodes)])
	if err != nil {
		return nil, err
	}
	advertised := p.PeerAddr
	if d.Config.Route != nil {
		if advertised, err = d.Config.Route(number, p.PeerAddr); err != nil {
			return nil, err
		}
	}
	arguments := []string{
		"init", "--home", home, "--chain-id", d.Layout.ChainID, "--moniker", moniker,
		"--operator", operator.Address, "--nodes", own + "," + nodes[number%len(nodes)].RPCURL(),
		"--listen", p.PeerAddr, "--advertise", advertised, "--status-listen", p.StatusAddr,
		"--trusted-height", fmt.Sprint(height), "--trusted-hash", hex.EncodeToString(commit.Commit.BlockID.Hash),
		"--simulated-root-seed", hex.EncodeToString(d.root), "--stock-items", fmt.Sprint(d.Config.StockItems),
	}
	if d.Config.Patience != 0 {
		arguments = append(arguments, "--patience-ms", fmt.Sprint(d.Config.Patience.Milliseconds()))
	}
	command := exec.CommandContext(ctx, binary, arguments...) //nolint:gosec // own binary
	command.Env = append(os.Environ(), p.env...)
	if output, err := command.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("tkms-party init: %w: %s", err, output)
	}
	d.Parties = append(d.Parties, p)
	return p, nil
}

// partyBinary is the program that a party runs.
func (d *Devnet) partyBinary(index int) string {
	if d.Config.Faults[index].OfMessages() {
		return filepath.Join(d.Config.Bin, faultyParty)
	}
	return filepath.Join(d.Config.Bin, honestParty)
}

// Measurements are what the simulated device reports for the parties' programs: a
// faulty party has one of its own.
func (d *Devnet) Measurements() ([]partiestypes.Measurement, error) {
	var out []partiestypes.Measurement
	measured := map[string]bool{}
	for i := range d.Config.Parties {
		binary := d.partyBinary(i + 1)
		if measured[binary] {
			continue
		}
		measured[binary] = true
		m, err := Measure(binary)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// Measure returns what the simulated device reports for a program.
func Measure(binary string) (partiestypes.Measurement, error) {
	m, err := devnitro.MeasureFile(binary)
	return partiestypes.Measurement{
		TeeType: partiestypes.TEETypeDevNitro, Pcr0: m[0][:], Pcr1: m[1][:], Pcr2: m[2][:], Note: "devnet, SIMULATED device, " + filepath.Base(binary),
	}, err
}

// RegisterParty has a party make its registration, posts it as its operator, and
// starts the party.
func (d *Devnet) RegisterParty(ctx context.Context, p *Party) error {
	command := exec.CommandContext(ctx, p.binary, "register-message", "--home", p.Home) //nolint:gosec // own binary
	command.Env = append(os.Environ(), p.env...)
	output, err := command.Output()
	if err != nil {
		return fmt.Errorf("tkms-party register-message: %w: %s", err, stderrOf(err))
	}
	var message partiestypes.MsgRegisterParty
	if err := jsonpb.UnmarshalString(string(output), &message); err != nil {
		return err
	}
	operator, err := d.Sender(ctx, OperatorAccount)
	if err != nil {
		return err
	}
	if _, err := operator.Send(ctx, registerGas, &message); err != nil {
		return fmt.Errorf("register %s: %w", p.Moniker, err)
	}
	parties, err := d.RegisteredParties(ctx)
	if err != nil {
		return err
	}
	for _, registered := range parties {
		if registered.Moniker == p.Moniker {
			p.ID = registered.Id
		}
	}
	if p.ID == 0 {
		return fmt.Errorf("%s is not among the registered parties", p.Moniker)
	}
	if err := p.Start(); err != nil {
		return err
	}
	if err := p.waitHTTP(ctx, "http://"+p.StatusAddr+"/status"); err != nil {
		return err
	}
	d.beginFault(p)
	return nil
}

func stderrOf(err error) string {
	if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // exec returns it unwrapped
		return string(exit.Stderr)
	}
	return ""
}

// Evidence lists what convicted parties on the chain.
func (d *Devnet) Evidence(ctx context.Context) ([]partiestypes.Evidence, error) {
	var response partiestypes.QueryEvidenceResponse
	err := d.TKMS.Query(ctx, "/tkms.parties.v1.Query/Evidence", &partiestypes.QueryEvidenceRequest{}, &response)
	return response.Evidence, err
}

// RegisteredParties lists x/parties' records.
func (d *Devnet) RegisteredParties(ctx context.Context) ([]partiestypes.Party, error) {
	var response partiestypes.QueryPartiesResponse
	err := d.TKMS.Query(ctx, "/tkms.parties.v1.Query/Parties", &partiestypes.QueryPartiesRequest{}, &response)
	return response.Parties, err
}

// Epoch returns an epoch's record.
func (d *Devnet) Epoch(ctx context.Context, id uint64) (partiestypes.Epoch, error) {
	var response partiestypes.QueryEpochResponse
	err := d.TKMS.Query(ctx, "/tkms.parties.v1.Query/Epoch", &partiestypes.QueryEpochRequest{Id: id}, &response)
	return response.Epoch, err
}

// WaitEpoch waits until an epoch satisfies a condition.
func (d *Devnet) WaitEpoch(ctx context.Context, id uint64, want func(partiestypes.Epoch) bool) (partiestypes.Epoch, error) {
	for {
		epoch, err := d.Epoch(ctx, id)
		if err == nil && want(epoch) {
			return epoch, nil
		}
		if err == nil && epoch.Status == partiestypes.EPOCH_STATUS_FAILED {
			return epoch, fmt.Errorf("epoch %d has failed; see the parties' logs in %s", id, d.Config.Dir)
		}
		select {
		case <-ctx.Done():
			return epoch, fmt.Errorf("epoch %d: %w", id, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// StatusOf asks a party where it stands.
func (d *Devnet) StatusOf(ctx context.Context, p *Party) (status.Party, error) {
	var out status.Party
	err := getJSON(ctx, "http://"+p.StatusAddr+"/status", &out)
	return out, err
}

// RequestAt asks a party how a request fared there.
func (d *Devnet) RequestAt(ctx context.Context, p *Party, id []byte) (status.Request, error) {
	var out status.Request
	err := getJSON(ctx, "http://"+p.StatusAddr+"/requests/"+hex.EncodeToString(id), &out)
	return out, err
}

func getJSON(ctx context.Context, url string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Timeout: 5 * time.Second}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}
