package types

import (
	"encoding/binary"

	"cosmossdk.io/collections"
)

const (
	// ModuleName names the module, its store and its gRPC services.
	ModuleName = "parties"
	// StoreKey is the name of the module's IAVL store.
	StoreKey = ModuleName
)

// Prefixes of the module's store. Params, parties, epochs, the active and the newest
// epoch, set-up answers and evidence are read by proof: their keys and values are part of
// the API. The recent blocks, of which there is always one, keep the first ones
// apart from the live epochs: ICS-23 cannot prove absence beside a key with an empty
// value, as that index has. So does the count of evidence with the index of subjects.
var (
	ParamsPrefix       = collections.NewPrefix(0)
	PartiesPrefix      = collections.NewPrefix(1)
	EpochsPrefix       = collections.NewPrefix(2)
	ActiveEpochPrefix  = collections.NewPrefix(3)
	AccountsPrefix     = collections.NewPrefix(4)
	IdentitiesPrefix   = collections.NewPrefix(5)
	ActivitiesPrefix   = collections.NewPrefix(6)
	RecentBlocksPrefix = collections.NewPrefix(7)
	LiveEpochsPrefix   = collections.NewPrefix(8)
	LastPartyPrefix    = collections.NewPrefix(9)
	LastEpochPrefix    = collections.NewPrefix(10)

	SetupAnswersPrefix    = collections.NewPrefix(11)
	EvidencePrefix        = collections.NewPrefix(12)
	LastEvidencePrefix    = collections.NewPrefix(13)
	SubjectEvidencePrefix = collections.NewPrefix(14)
	KnownEvidencePrefix   = collections.NewPrefix(15)

	BondsPrefix    = collections.NewPrefix(16)
	SeatEndsPrefix = collections.NewPrefix(17)

	RefreshMarkPrefix = collections.NewPrefix(18)
)

// ParamsKey is the raw store key of the Params record (protobuf).
func ParamsKey() []byte { return ParamsPrefix.Bytes() }

// PartyKey is the raw store key of a Party record (protobuf): 0x01 | id, 8 bytes big-endian.
func PartyKey(id uint64) []byte { return idKey(PartiesPrefix, id) }

// EpochKey is the raw store key of an Epoch record (protobuf): 0x02 | id, 8 bytes big-endian.
func EpochKey(id uint64) []byte { return idKey(EpochsPrefix, id) }

// ActiveEpochKey is the raw store key of the active epoch's id, 8 bytes
// big-endian; absent as long as no epoch is active.
func ActiveEpochKey() []byte { return ActiveEpochPrefix.Bytes() }

// LastEpochKey is the raw store key of the newest epoch's id, 8 bytes big-endian;
// absent if there never was one. Ids count from 1 and epochs are never deleted.
func LastEpochKey() []byte { return LastEpochPrefix.Bytes() }

// SetupAnswerKey is the raw store key of a ComplaintAnswer record (protobuf) of an
// epoch's set-up attempt under way: 0x0b | epoch, 8 bytes | accuser, 4 bytes |
// accused, 4 bytes, big-endian; absent if there is no answer.
func SetupAnswerKey(epoch uint64, accuser, accused uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(idKey(SetupAnswersPrefix, epoch), accuser), accused)
}

// EvidenceKey is the raw store key of an Evidence record (protobuf): 0x0c | id, 8
// bytes big-endian.
func EvidenceKey(id uint64) []byte { return idKey(EvidencePrefix, id) }

func idKey(prefix collections.Prefix, id uint64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(nil), prefix.Bytes()...), id)
}

// Identity key kinds, first byte under IdentitiesPrefix: no two parties share a key.
const (
	IdentitySigning byte = iota + 1
	IdentitySession
	IdentityTLS
	IdentityEncryption
)
