package cmd

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/cosmos/cosmos-sdk/types/query"

	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// unseenBlocks is how many blocks a member may be silent while another is not.
const unseenBlocks = 1000

// allRecords asks for as many records as a node lists at once.
var allRecords = &query.PageRequest{Limit: 1000, Reverse: true}

// examineCommittee looks at the active epoch, its members, and rotations.
func (d *doctor) examineCommittee(ctx context.Context, n *nodeSeen) {
	var epochs partiestypes.QueryEpochsResponse
	if !d.query(ctx, n, "epochs", "/tkms.parties.v1.Query/Epochs", &partiestypes.QueryEpochsRequest{Pagination: allRecords}, &epochs) {
		return
	}
	active := d.judgeEpochs(epochs.Epochs, n.height)
	if active == nil {
		return
	}
	var params partiestypes.QueryParamsResponse
	var members partiestypes.QueryEpochResponse
	if !d.query(ctx, n, "epochs", "/tkms.parties.v1.Query/Params", &partiestypes.QueryParamsRequest{}, &params) ||
		!d.query(ctx, n, "epochs", "/tkms.parties.v1.Query/Epoch", &partiestypes.QueryEpochRequest{Id: active.Id}, &members) {
		return
	}
	seen := make([]int64, len(members.Parties))
	for i, p := range members.Parties {
		var party partiestypes.QueryPartyResponse
		if d.query(ctx, n, "party "+p.Moniker, "/tkms.parties.v1.Query/Party", &partiestypes.QueryPartyRequest{Id: p.Id}, &party) {
			seen[i] = party.Activity.LastSeenHeight
		}
	}
	d.judgeMargin(active, members.Parties, seen)
	for i := range members.Parties {
		d.judgeStanding(&members.Parties[i], &params.Params)
	}
	d.examineVaults(ctx, n, members.Parties)
}

// judgeEpochs returns the active epoch and speaks of those under way.
func (d *doctor) judgeEpochs(epochs []partiestypes.Epoch, height int64) (active *partiestypes.Epoch) {
	var failed *partiestypes.Epoch
	for i := range epochs {
		e := &epochs[i]
		about := fmt.Sprintf("epoch %d", e.Id)
		switch {
		case e.Status == partiestypes.EPOCH_STATUS_ACTIVE:
			active = e
			d.report.OK(about, "active since block %d: %d parties, %d of whom may be corrupt", e.ActiveHeight, e.N(), e.T)
		case e.Status == partiestypes.EPOCH_STATUS_DRAINING:
			d.report.Warn(about, "relayers hand the new signers to host chains; see the host chains below", "drains until block %d: %d blocks are left", e.DrainDeadline, e.DrainDeadline-height)
		case e.InTheMaking():
			d.report.OK(about, "in the making (%s, attempt %d): this phase ends at block %d of %d", epochState(e.Status), e.Attempt, e.Deadline, height)
		case e.Status == partiestypes.EPOCH_STATUS_FAILED && (failed == nil || e.Id > failed.Id):
			failed = e
		}
	}
	if active == nil {
		d.report.Fail("epochs", "voters form a committee with 'tkmsd tx parties form-committee'", "there is no active epoch: no request is answered")
		return nil
	}
	if d.proven != 0 && d.proven != active.Id {
		d.report.Fail("epochs", "run it again, in case it was just activated; else do not use the node", "epoch %d is proven to be active, and not %d as the node says", d.proven, active.Id)
	}
	if failed != nil && failed.Id > active.Id {
		d.report.Warn(fmt.Sprintf("epoch %d", failed.Id), "see the runbook of a stuck resharing; the epoch before goes on", "the rotation failed at block %d: %s", failed.ClosedHeight, failureOf(failed.Failure))
	}
	return active
}

func epochState(s partiestypes.EpochStatus) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "EPOCH_STATUS_"))
}

func failureOf(f partiestypes.EpochFailure) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(f.String(), "EPOCH_FAILURE_"), "_", " "))
}

// judgeMargin counts members that the chain hears of; seen are the heights of their
// latest messages. Without work nobody sends any.
func (d *doctor) judgeMargin(e *partiestypes.Epoch, parties []partiestypes.Party, seen []int64) {
	var latest int64
	for _, height := range seen {
		latest = max(latest, height)
	}
	present := 0
	for i, p := range parties {
		index := uint32(i + 1) // #nosec G115 -- at most 16 members
		about := "party " + p.Moniker
		switch {
		case e.IsConvicted(index):
			d.report.Warn(about, "voters rotate it out: see the runbook", "convicted by evidence: 'tkmsd query parties evidence'")
		case e.IsExcluded(index):
			d.report.Warn(about, "its operator starts it again: see the runbook of a dead party", "excluded as absent, or removed")
		case seen[i] < latest-unseenBlocks:
			d.report.Warn(about, "ask its operator whether it runs", "last heard at block %d, another member at %d", seen[i], latest)
		default:
			present++
			d.report.OK(about, "last heard at block %d", seen[i])
		}
	}
	switch margin := present - e.Quorum(); {
	case margin < 0:
		d.report.Fail("margin", "bring members back: requests wait", "%d of %d members are heard of, a decryption takes %d", present, e.N(), e.Quorum())
	case margin == 0 && e.T > 0:
		d.report.Warn("margin", "bring members back, or rotate: one more failure and requests wait", "%d of %d members are heard of", present, e.N())
	default:
		d.report.OK("margin", "%d more members may fail", margin)
	}
}

// judgeStanding looks at what lets a party take part.
func (d *doctor) judgeStanding(p *partiestypes.Party, params *partiestypes.Params) {
	about, hint := "attestation of "+p.Moniker, "its operator renews it with 'tkms-party register-message'"
	switch left := p.AttestedUntil.Sub(d.now()).Round(time.Minute); {
	case p.Removed:
	case left <= 0:
		d.report.Fail(about, hint, "lapsed %s ago: nothing that the party posts counts", -left)
	case left < params.AttestationLifetime/7:
		d.report.Warn(about, hint, "lapses in %s", left)
	default:
		d.report.OK(about, "lasts %s", left)
	}
}

// file is a public file of a key.
type file struct {
	digest string
	size   uint64
}

// examineVaults asks each member for the files of the active keys that it should have.
func (d *doctor) examineVaults(ctx context.Context, n *nodeSeen, parties []partiestypes.Party) {
	var keys kmstypes.QueryKeysResponse
	if !d.query(ctx, n, "keys", "/tkms.kms.v1.Query/Keys", &kmstypes.QueryKeysRequest{Pagination: allRecords}, &keys) {
		return
	}
	var files []file
	for _, key := range keys.Keys {
		if key.Status != kmstypes.KEY_STATUS_ACTIVE || key.Material == nil {
			continue
		}
		files = append(files, file{hex.EncodeToString(key.Material.PublicKeyDigest), key.Material.PublicKeySize})
		for _, object := range key.Material.Objects {
			files = append(files, file{hex.EncodeToString(object.Digest), object.ByteSize})
		}
	}
	for _, p := range parties {
		if !p.Removed {
			d.examineVault(ctx, p.Moniker, p.VaultUrl, files)
		}
	}
}

func (d *doctor) examineVault(ctx context.Context, moniker, url string, files []file) {
	about := "vault of " + moniker
	for _, f := range files {
		if err := d.head(ctx, strings.TrimSuffix(url, "/")+"/"+f.digest, f.size); err != nil {
			d.report.Warn(about, "its operator looks at --vault-url and what is in front of it; other members serve the same files", "%s: %v", f.digest[:16], err)
			return
		}
	}
	d.report.OK(about, "%s serves %d files", url, len(files))
}

// head asks for the size of a file.
func (d *doctor) head(ctx context.Context, url string, size uint64) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return err
	}
	response, err := d.vaults.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	switch {
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("%s answers %s", url, response.Status)
	case response.ContentLength >= 0 && uint64(response.ContentLength) != size: // #nosec G115 -- not negative
		return fmt.Errorf("%s has %d bytes instead of %d", url, response.ContentLength, size)
	}
	return nil
}
