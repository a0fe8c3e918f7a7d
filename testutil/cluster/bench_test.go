package cluster_test

import (
	"crypto/rand"
	"os"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/cluster"
)

// BenchmarkGenerate generates whole key sets: run one at a time, with -benchtime 1x. The
// processor time and the memory are those of all parties, which are in one process.
func BenchmarkGenerate(b *testing.B) {
	for _, p := range []tfhe.Parameters{tfhe.Test(), tfhe.ProductionCompute(), tfhe.Production()} {
		for _, mode := range []keygen.Mode{keygen.Exact, keygen.PRSS} {
			b.Run(p.Name+"/"+mode.String(), func(b *testing.B) {
				for b.Loop() {
					before := processorTime(b)
					began := time.Now()
					c, g, err := cluster.Generate(b.Context(), cluster.Config{Parties: 4}, cluster.KeyConfig{
						Parameters: p, Mode: mode, Folder: b.TempDir(),
					}, rand.Reader)
					require.NoError(b, err)
					b.ReportMetric(time.Since(began).Seconds(), "wall-s")
					b.ReportMetric((processorTime(b)-before).Seconds()/4, "cpu-s/party")
					b.ReportMetric(float64(g.BytesSent)/1e6, "MB-sent")
					b.ReportMetric(peakMemory(b)/4, "MB-peak/party")
					for _, s := range g.Stages {
						b.Logf("%v: %d steps, %v", s.Stage, s.Steps, s.Took.Round(time.Millisecond))
					}
					require.NoError(b, c.Close())
				}
			})
		}
	}
}

func processorTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

var peak = regexp.MustCompile(`VmHWM:\s*(\d+) kB`)

// peakMemory returns the most that the process had resident, in MB.
func peakMemory(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(b, err)
	kb, err := strconv.Atoi(string(peak.FindSubmatch(status)[1]))
	require.NoError(b, err)
	return float64(kb) / 1000
}
