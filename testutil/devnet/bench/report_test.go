package bench

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/devnet"
)

func TestTheTableHasTheReferenceOnlyWhereThereIsOne(t *testing.T) {
	for _, typ := range Types() {
		engine, tkms, host := referenceOf(typ, 1)
		require.True(t, engine > 0 && tkms > 0 && host > 0, typ)
		engine, tkms, host = referenceOf(typ, 4)
		require.True(t, engine > 0 && tkms == 0 && host == 0, typ)
		engine, _, _ = referenceOf(typ, 7)
		require.Zero(t, engine)
	}
	engine, _, _ := referenceOf(tfhe.EUint256, 1)
	require.Zero(t, engine)
}

func TestAReportIsATableOrJSON(t *testing.T) {
	report := &Report{CPUs: 2, Samples: 1, HostBlockMS: 1000, Networks: []Network{{Parties: 1, Rows: []Row{{
		Type: "euint64", Engine: figure([]time.Duration{1500 * time.Microsecond}, 29), TKMS: figure([]time.Duration{time.Second}, 0),
		User: &UserFigures{TKMS: figure([]time.Duration{300 * time.Millisecond}, 0), Read: figure([]time.Duration{400 * time.Millisecond}, 0)},
	}, {Type: "euint2048"}}}}}
	var text, encoded bytes.Buffer
	require.NoError(t, report.WriteText(&text))
	require.Regexp(t, `euint64 +\| +1\.5 +1\.5 +29 +\| +1000 +1000 +- +\| +0 +0 +- +\| +300 +300 +\| +400 +400\n`, text.String())
	require.Regexp(t, `euint2048 .*\| +- +- +\| +- +-\n`, text.String())
	require.NoError(t, report.WriteJSON(&encoded))
	var back Report
	require.NoError(t, json.Unmarshal(encoded.Bytes(), &back))
	require.Equal(t, *report, back)
}

func TestAReportOfManyUsersTellsRateLossesAndWhatItTook(t *testing.T) {
	before := []devnet.Usage{{Kind: devnet.KindParties, CPU: time.Second}}
	after := []devnet.Usage{{Kind: devnet.KindParties, Processes: 4, CPU: 3 * time.Second, PeakMemory: 100e6}}
	report := &UsersReport{CPUs: 2, Parties: 4, Users: 3, Type: "euint64", Seconds: 2, Processes: processes(before, after)}
	report.add(&answers{latencies: []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 2 * time.Second}, inTime: 3, shareBytes: 1641})
	require.NoError(t, report.Err())
	var text, encoded bytes.Buffer
	require.NoError(t, report.WriteText(&text))
	require.Contains(t, text.String(), "3 users of 4 parties read a euint64 each")
	require.Contains(t, text.String(), "1.5 answers a second; from question to value p50 2000 ms, p95 3000 ms\n4 answered, 0 failed, 0 lost; a share has 1641 bytes")
	require.Regexp(t, `parties +4 +2\.0 +500\.0 +100`, text.String())
	require.NoError(t, report.WriteJSON(&encoded))
	var back UsersReport
	require.NoError(t, json.Unmarshal(encoded.Bytes(), &back))
	require.Equal(t, *report, back)

	report.add(&answers{failed: 1, lost: 2, failures: []string{"no node answers"}})
	require.EqualError(t, report.Err(), "of 3 questions 1 failed and 2 got lost; the first: no node answers")
	text.Reset()
	require.NoError(t, report.WriteText(&text))
	require.Contains(t, text.String(), "failed: no node answers")
}

func TestAReportOfChangesHasThePhasesAndTheWaitsOfEach(t *testing.T) {
	report := &RotationReport{CPUs: 2, Params: "production", Changes: []Change{{
		From: 4, To: 7, Seconds: 8.25, Phases: []Stage{{"resharing", 1.5}, {"proving", 2}}, Reads: 9, SentMB: 3,
		Idle: figure([]time.Duration{time.Second}, 0), Busy: figure([]time.Duration{1500 * time.Millisecond}, 0),
		Processes: []Process{{Kind: devnet.KindValidators, Processes: 4, CPUSeconds: 1}, {Kind: devnet.KindParties, Processes: 7, CPUSeconds: 14}},
	}}}
	var text, encoded bytes.Buffer
	require.NoError(t, report.WriteText(&text))
	require.Regexp(t, `4 → 7 +8\.2 +2\.0 +3\.0 +1000 +1000 +1500 +1500 +9\n`, text.String())
	require.Contains(t, text.String(), "4 → 7: resharing 1.5 s, proving 2.0 s\n")
	require.NoError(t, report.WriteJSON(&encoded))
	var back RotationReport
	require.NoError(t, json.Unmarshal(encoded.Bytes(), &back))
	require.Equal(t, *report, back)
}
