package relayersdk

import (
	"context"
	"crypto/sha3"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// CRSFile is where [MakeCRS] puts the CRS, below the folder of build outputs.
const CRSFile = "crs/single-party-crs-2048.bin"

// CRS is a common reference string for inputs of up to 2048 bits, made by one party.
type CRS struct {
	Path string
	// Digest is SHAKE-256("PDAT_CRS" || the file's bytes).
	Digest [32]byte
}

// MakeCRS installs the client library and has its TFHE-rs make a CRS, unless both is
// done already. That takes minutes; what goes on is written to progress.
func MakeCRS(ctx context.Context, progress io.Writer) (*CRS, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(Scripts.Dir, "crs.sh"))
	cmd.Stderr = progress
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("relayersdk: make a CRS: %w", err)
	}
	crs := &CRS{Path: strings.TrimSpace(string(out))}
	data, err := os.ReadFile(crs.Path)
	if err != nil {
		return nil, fmt.Errorf("relayersdk: read the CRS: %w", err)
	}
	hash := sha3.NewSHAKE256()
	_, _ = hash.Write([]byte("PDAT_CRS"))
	_, _ = hash.Write(data)
	_, _ = hash.Read(crs.Digest[:])
	return crs, nil
}
