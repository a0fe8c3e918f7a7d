package command

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/internal/cli"
	"github.com/tkms-network/tkms/enclave/party/backup"
	"github.com/tkms-network/tkms/enclave/seal"
)

const operator = "tkms1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnd9mjkh"

// runCommand runs a command line and returns what it prints.
func runCommand(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	root := newRoot(Faults{})
	root.SetArgs(arguments)
	root.SetOut(&out)
	root.SetErr(&out)
	root.SilenceUsage, root.SilenceErrors = true, true
	err := root.Execute()
	return out.String(), err
}

func mustRun(t *testing.T, arguments ...string) string {
	t.Helper()
	out, err := runCommand(t, arguments...)
	require.NoError(t, err, arguments[0])
	return out
}

func initialized(t *testing.T, home string, more ...string) *seal.Store {
	t.Helper()
	mustRun(t, append([]string{
		"init", "--home", home, "--chain-id", "tkms-test-1", "--moniker", "alice", "--operator", operator,
		"--nodes", "http://127.0.0.1:1", "--trusted-height", "1", "--trusted-hash", strings.Repeat("0", 64),
	}, more...)...)
	s, err := loadSettings(home)
	require.NoError(t, err)
	store, err := s.sealed(home)
	require.NoError(t, err)
	return store
}

// custodian writes an identity file as age-keygen does and returns its recipient.
func custodian(t *testing.T, path string) string {
	t.Helper()
	own, err := age.GenerateHybridIdentity()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte("# made by age-keygen\n"+own.String()+"\n"), 0o600))
	return own.Recipient().String()
}

func TestAPartyIsRestoredThroughTheCommandsOfItsOperatorAndItsCustodians(t *testing.T) {
	folder := t.TempDir()
	in := func(name string) string { return filepath.Join(folder, name) }
	old := initialized(t, in("old"))
	to, err := backup.NewCustodians([]string{custodian(t, in("bob.key")), custodian(t, in("carol.key")), custodian(t, in("dave.key"))}, 2)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, createBackup(&out, old, 4, to, in("alice.backup")))
	require.Contains(t, out.String(), "any 2 of 3")
	require.Error(t, createBackup(&out, old, 4, to, in("alice.backup")), "a backup is never overwritten")

	list := mustRun(t, "backup", "list", in("alice.backup"))
	require.Contains(t, list, operator+" on tkms-test-1")
	var entry map[string]any
	require.NoError(t, json.Unmarshal([]byte(mustRun(t, "backup", "list", "--output", "json", in("alice.backup"))), &entry))
	require.Equal(t, "4", entry["epoch"])

	store := initialized(t, in("new"), "--restore")
	_, err = loadIdentity(store)
	require.ErrorIs(t, err, seal.ErrNotFound, "it does not run with keys of its own")
	require.NoError(t, os.WriteFile(in("recipient"), []byte(mustRun(t, "backup", "recipient", "--home", in("new"))), 0o600))
	piece := func(who string) string {
		mustRun(t, "backup", "piece", "--in", in("alice.backup"), "--identity", in(who+".key"), "--to", in("recipient"), "--out", in(who+".piece"))
		return in(who + ".piece")
	}
	raw, err := readBackup(in("alice.backup"))
	require.NoError(t, err)
	bob, dave := piece("bob"), piece("dave")

	err = restoreBackup(&out, store, 4, raw, []string{bob, bob})
	require.ErrorIs(t, err, backup.ErrPiece)
	require.ErrorContains(t, err, "bob.piece")
	require.Contains(t, cli.Hint(err), "ask this custodian again")
	err = restoreBackup(&out, store, 5, raw, []string{bob, dave})
	require.ErrorIs(t, err, backup.ErrEpoch)
	require.Contains(t, cli.Hint(err), "newest backup")
	require.NoError(t, restoreBackup(&out, store, 4, raw, []string{bob, dave}))
	require.Contains(t, out.String(), "shares only")

	before, err := loadIdentity(old)
	require.NoError(t, err)
	after, err := loadIdentity(store)
	require.NoError(t, err)
	require.Equal(t, before.String(), after.String())
	restored, err := backup.Restored(store, 4)
	require.NoError(t, err)
	require.True(t, restored)
	_, err = runCommand(t, "backup", "recipient", "--home", in("new"))
	require.ErrorIs(t, err, backup.ErrNotFresh)
}

func TestAnErrorShowsNothingOfACustodiansKey(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "key")
	secret := "AGE-SECRET-KEY-PQ-1CUTOFF"
	require.NoError(t, os.WriteFile(path, []byte(secret), 0o600))
	_, err := ageIdentities(path)
	require.Error(t, err)
	require.NotContains(t, err.Error(), "CUTOFF")
	_, err = ageIdentities(filepath.Join(folder, "none"))
	require.Error(t, err)
}

func TestAutomaticBackupsNeedCustodiansAndAPlace(t *testing.T) {
	folder := t.TempDir()
	bob, carol := custodian(t, filepath.Join(folder, "bob")), custodian(t, filepath.Join(folder, "carol"))
	for _, s := range []settings{
		{BackupCustodians: []string{bob, carol}, BackupThreshold: 2},
		{BackupCustodians: []string{bob, carol}, BackupThreshold: 1, BackupStore: folder},
		{BackupCustodians: []string{bob}, BackupThreshold: 2, BackupStore: folder},
		{BackupCustodians: []string{bob, carol}, BackupThreshold: 2, BackupStore: "s3://nowhere"},
		{BackupCustodians: []string{bob, "carol"}, BackupThreshold: 2, BackupStore: folder},
	} {
		_, err := s.custodians()
		require.Error(t, err)
		require.NotEmpty(t, cli.Hint(err))
	}
	none, closing, err := (&settings{}).backups(folder, nil)
	require.NoError(t, err)
	require.Nil(t, none)
	closing()

	home := filepath.Join(folder, "home")
	store := initialized(t, home, "--backup-custodian", bob, "--backup-custodian", carol, "--backup-threshold", "2", "--backup-store", filepath.Join(folder, "kept"))
	s, err := loadSettings(home)
	require.NoError(t, err)
	automatic, closing, err := s.backups(home, store)
	require.NoError(t, err)
	defer closing()
	made, err := automatic.Keep(1)
	require.NoError(t, err)
	require.True(t, made)
	kept, err := filepath.Glob(filepath.Join(folder, "kept", "*"))
	require.NoError(t, err)
	mustRun(t, append([]string{"backup", "list"}, kept...)...)
}
