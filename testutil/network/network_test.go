package network_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/app"
	"github.com/tkms-network/tkms/app/genesis"
	"github.com/tkms-network/tkms/app/localnet"
	"github.com/tkms-network/tkms/testutil/network"
)

type proposalAnswer struct {
	Proposal struct {
		Status       string `json:"status"`
		FailedReason string `json:"failed_reason"`
	} `json:"proposal"`
}

// unhurried leaves time for four commands, one after the other, to vote on a loaded machine.
func unhurried() genesis.Governance {
	governance := genesis.DevnetGovernance()
	governance.VotingPeriod = 20 * time.Second
	return governance
}

// govern submits a proposal with the message and lets the validators vote yes.
func govern(t *testing.T, n *network.Network, message map[string]any, voters ...string) string {
	t.Helper()
	raw, err := json.Marshal(map[string]any{
		"messages": []any{message}, "deposit": "10000000utkms", "title": "a title", "summary": "a summary",
	})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "proposal.json")
	require.NoError(t, os.WriteFile(file, raw, 0o600))
	n.Tx(0, "alice", "gov", "submit-proposal", file)
	var list struct {
		Proposals []struct {
			ID string `json:"id"`
		} `json:"proposals"`
	}
	n.Query(0, &list, "gov", "proposals")
	id := list.Proposals[len(list.Proposals)-1].ID
	for _, voter := range voters {
		n.Tx(0, voter, "gov", "vote", id, "yes")
	}
	var answer proposalAnswer
	require.Eventually(t, func() bool {
		n.Query(0, &answer, "gov", "proposal", id)
		return answer.Proposal.Status != "PROPOSAL_STATUS_VOTING_PERIOD"
	}, time.Minute, 200*time.Millisecond)
	require.Empty(t, answer.Proposal.FailedReason)
	return answer.Proposal.Status
}

func TestFourValidatorsGovernThemselvesAndSurviveACrash(t *testing.T) {
	n := network.Start(t, localnet.Config{Validators: 4, Accounts: []string{"newcomer"}, Governance: unhurried()})
	newcomer, err := n.Layout.Account("newcomer")
	require.NoError(t, err)

	// A fifth validator that never runs: its power shows in the validator set of every node.
	status := govern(t, n, map[string]any{
		"@type": "/tkms.poa.v1.MsgSetValidator", "authority": app.Authority(),
		"operator_address": newcomer.Address, "moniker": "newcomer", "power": "1",
		"consensus_pubkey": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
	}, "alice", "bob", "carol")
	require.Equal(t, "PROPOSAL_STATUS_PASSED", status)
	n.WaitForAll(n.Height(0) + 3)
	client, err := n.Client(3)
	require.NoError(t, err)
	set, err := client.Validators(context.Background(), nil, nil, nil)
	require.NoError(t, err)
	require.Equal(t, 5, set.Total)

	// Only operators vote.
	_, err = n.Run(0, "tx", "gov", "vote", "1", "yes", "--from", "newcomer", "--yes", "--wait")
	require.Error(t, err)

	// One of four may crash, and catches up after its restart.
	require.NoError(t, n.Kill(3))
	height := n.Height(0)
	n.WaitFor(0, height+5)
	n.Tx(0, "alice", "bank", "send", "alice", newcomer.Address, "5utkms")
	require.NoError(t, n.StartNode(3))
	n.WaitFor(3, n.Height(0))

	// The exported state of a stopped node starts the same chain again.
	require.NoError(t, n.StopNode(2))
	out, err := n.Run(2, "export", "--home", n.Layout.Nodes[2].Home)
	require.NoError(t, err)
	exported := filepath.Join(t.TempDir(), "genesis.json")
	require.NoError(t, os.WriteFile(exported, out, 0o600))
	_, err = n.Run(0, "genesis", "validate", exported)
	require.NoError(t, err)
}

func TestARefusedTransactionExitsWithAnErrorAndAHint(t *testing.T) {
	n := network.Start(t, localnet.Config{Validators: 1})
	alice := n.Layout.Accounts[0].Address
	_, err := n.Run(0, "tx", "bank", "send", "alice", alice, "1utkms", "--yes", "--gas", "200000", "--fees", "1utkms")
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Contains(t, err.Error(), "error: ")
	require.Contains(t, err.Error(), "lane/10")
	require.Contains(t, err.Error(), "hint: ")
}
