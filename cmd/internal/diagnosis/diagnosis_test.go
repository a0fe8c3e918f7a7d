package diagnosis_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/internal/diagnosis"
)

func TestAReportFailsOnlyIfSomethingDoes(t *testing.T) {
	var r diagnosis.Report
	r.OK("clock", "%d s off", 0)
	r.Warn("node", "restart it", "behind")
	var out bytes.Buffer
	require.NoError(t, r.Write(&out, "text"))
	require.Equal(t, "ok    clock: 0 s off\nwarn  node: behind\n      hint: restart it\n", out.String())
	r.Fail("chain", "ask", "stands still")
	out.Reset()
	require.ErrorIs(t, r.Write(&out, "json"), diagnosis.ErrFailed)
	var again diagnosis.Report
	require.NoError(t, json.Unmarshal(out.Bytes(), &again))
	require.Equal(t, r, again)
	require.ErrorIs(t, r.Write(&out, "yaml"), diagnosis.ErrOutput)
}
