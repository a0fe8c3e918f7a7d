package devnet

import (
	"context"
	"fmt"
	"strings"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/ethereum/go-ethereum/common"

	"github.com/tkms-network/tkms/enclave/tfhe"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// Stage is one part of bringing a network up.
type Stage struct {
	// Group numbers what a user sees.
	Group int
	Name  string
	// Generates marks the generation of the key.
	Generates bool
	// Run returns what is worth telling about the result.
	Run func(context.Context) (string, error)
}

// Groups of stages.
const (
	groupProcesses = iota
	groupParties
	groupHostChain
	groupKey
)

// Stages are all parts of bringing the network up, in order. After the last one
// the network decrypts.
func (d *Devnet) Stages() []Stage {
	stages := []Stage{
		{Group: groupProcesses, Name: fmt.Sprintf("%d validators make blocks", d.Config.Validators), Run: d.stageValidators},
		{Group: groupProcesses, Name: "fhEVM host chain seals blocks", Run: d.stageHostChain},
		{Group: groupProcesses, Name: "relayer serves", Run: d.stageRelayer},
		{Group: groupParties, Name: "governance accepts the parties' enclave image", Run: d.stageMeasurement},
	}
	for i := range d.Config.Parties {
		name := fmt.Sprintf("p%d registers, x/parties verifies its attestation", i+1)
		if fault := d.Config.Faults[i+1]; fault != "" {
			name += fmt.Sprintf(" (FAULTY: %s)", fault)
		}
		stages = append(stages, Stage{Group: groupParties, Name: name, Run: d.stageRegister(i)})
	}
	stages = append(stages,
		Stage{Group: groupParties, Name: "governance forms the committee, PRSS is set up, the epoch is ACTIVE", Run: d.stageEpoch})
	return append(stages, d.hostStages()...)
}

func (d *Devnet) stageValidators(ctx context.Context) (string, error) {
	if err := d.StartValidators(ctx); err != nil {
		return "", err
	}
	return "chain " + d.Layout.ChainID, nil
}

func (d *Devnet) stageHostChain(ctx context.Context) (string, error) {
	if err := d.StartHostChain(ctx); err != nil {
		return "", err
	}
	info := d.HostClient.Info()
	return fmt.Sprintf("QBFT, chain id %d, %d validators, quorum %d", info.ChainID, len(info.Validators), info.Quorum), nil
}

func (d *Devnet) stageRelayer(ctx context.Context) (string, error) {
	if err := d.prepareRelayer(ctx, "relayer"); err != nil {
		return "", err
	}
	return d.RelayerURL, d.StartRelayer(ctx)
}

func (d *Devnet) stageMeasurement(ctx context.Context) (string, error) {
	if err := d.PrepareParties(ctx); err != nil {
		return "", err
	}
	measurements, err := d.Measurements()
	if err != nil {
		return "", err
	}
	var images []string
	var accept []sdk.Msg
	for _, m := range measurements {
		images = append(images, fmt.Sprintf("%x…", m.Pcr0[:6]))
		accept = append(accept, &partiestypes.MsgSetMeasurement{Authority: Authority(), Measurement: m})
	}
	return "pcr0 " + strings.Join(images, ", "), d.Govern(ctx, "accept the parties' images", accept...)
}

func (d *Devnet) stageRegister(i int) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if err := d.RegisterParty(ctx, d.Parties[i]); err != nil {
			return "", err
		}
		return fmt.Sprintf("party %d, SIMULATED device", d.Parties[i].ID), nil
	}
}

func (d *Devnet) stageEpoch(ctx context.Context) (string, error) {
	var ids []uint64
	for _, p := range d.Parties[:d.Config.Seats] {
		ids = append(ids, p.ID)
	}
	if err := d.Govern(ctx, "form the first committee", &partiestypes.MsgFormCommittee{Authority: Authority(), PartyIds: ids}); err != nil {
		return "", err
	}
	epoch, err := d.WaitEpoch(ctx, FirstEpoch, func(e partiestypes.Epoch) bool { return e.Status == partiestypes.EPOCH_STATUS_ACTIVE })
	return fmt.Sprintf("epoch %d, n = %d, t = %d", epoch.Id, len(epoch.Members), epoch.T), err
}

func (d *Devnet) stageHostRecord(ctx context.Context) (string, error) {
	record, err := d.HostChainRecord(ctx)
	if err != nil {
		return "", err
	}
	if err := d.Govern(ctx, "register the host chain", &acltypes.MsgRegisterHostChain{Authority: Authority(), HostChain: record}); err != nil {
		return "", err
	}
	registered, err := d.TKMS.HostChain(ctx, record.Id)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("ACL %s, registry %s", short(registered.Acl.Address), short(registered.Registry.Address)), nil
}

func short(address []byte) string {
	text := strings.ToLower(common.BytesToAddress(address).Hex())
	return text[:6] + "…" + text[38:]
}

func (d *Devnet) stageSigners(ctx context.Context) (string, error) {
	epoch, err := d.Epoch(ctx, FirstEpoch)
	if err != nil {
		return "", err
	}
	if err := d.SetKMSContext(ctx, epoch); err != nil {
		return "", err
	}
	info, err := d.HostClient.FetchInfo(ctx)
	if err != nil {
		return "", err
	}
	if len(info.KMS.Signers) != len(epoch.Members) {
		return "", fmt.Errorf("KMSVerifier has %d signers, the epoch %d members", len(info.KMS.Signers), len(epoch.Members))
	}
	return fmt.Sprintf("%d of %d must sign", info.KMS.Threshold, len(info.KMS.Signers)), nil
}

func (d *Devnet) stageKey(ctx context.Context) (string, error) {
	key, err := d.RequestKey(ctx, d.Config.Params)
	if err != nil {
		return "", err
	}
	d.key = key
	return fmt.Sprintf("key %x…, %s, attempt %d", key.Id[:6], key.Params, key.Attempt), nil
}

func (d *Devnet) stagePublicKey(ctx context.Context) (string, error) {
	parameters, err := tfhe.ByName(d.key.Params)
	if err != nil {
		return "", err
	}
	public, err := d.PublicKey(ctx, d.key, parameters)
	if err != nil {
		return "", err
	}
	d.Public = public
	return fmt.Sprintf("%d bytes, digest %x…", d.key.Material.PublicKeySize, d.key.Material.PublicKeyDigest[:6]), nil
}
