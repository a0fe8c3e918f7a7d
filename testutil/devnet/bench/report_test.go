package bench

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/tfhe"
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
	}}}}}
	var text, encoded bytes.Buffer
	require.NoError(t, report.WriteText(&text))
	require.Regexp(t, `euint64 +\| +1\.5 +1\.5 +29 +\| +1000 +1000 +- +\| +0 +0 +-`, text.String())
	require.NoError(t, report.WriteJSON(&encoded))
	var back Report
	require.NoError(t, json.Unmarshal(encoded.Bytes(), &back))
	require.Equal(t, *report, back)
}
