package keeper_test

import (
	"time"

	"cosmossdk.io/core/comet"
)

// blockInfo is what CometBFT tells of a block.
type blockInfo struct {
	votes    []vote
	evidence []evidence
}

func (b blockInfo) GetEvidence() comet.EvidenceList { return evidenceList(b.evidence) }
func (blockInfo) GetValidatorsHash() []byte         { return nil }
func (blockInfo) GetProposerAddress() []byte        { return nil }
func (b blockInfo) GetLastCommit() comet.CommitInfo { return commitInfo(b.votes) }

type commitInfo []vote

func (commitInfo) Round() int32             { return 0 }
func (c commitInfo) Votes() comet.VoteInfos { return c }
func (c commitInfo) Len() int               { return len(c) }
func (c commitInfo) Get(i int) comet.VoteInfo {
	return c[i]
}

type vote struct {
	address []byte
	flag    comet.BlockIDFlag
}

func (v vote) Validator() comet.Validator        { return validatorInfo(v.address) }
func (v vote) GetBlockIDFlag() comet.BlockIDFlag { return v.flag }

type validatorInfo []byte

func (v validatorInfo) Address() []byte { return v }
func (validatorInfo) Power() int64      { return 10 }

type evidenceList []evidence

func (e evidenceList) Len() int                 { return len(e) }
func (e evidenceList) Get(i int) comet.Evidence { return e[i] }

type evidence struct {
	address []byte
	kind    comet.MisbehaviorType
}

func (e evidence) Type() comet.MisbehaviorType { return e.kind }
func (e evidence) Validator() comet.Validator  { return validatorInfo(e.address) }
func (evidence) Height() int64                 { return 1 }
func (evidence) Time() time.Time               { return time.Time{} }
func (evidence) TotalVotingPower() int64       { return 40 }
