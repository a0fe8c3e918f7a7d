package hostchain

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	"github.com/tkms-network/tkms/x/kms/certificate"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// accepted is what the unmodified KMSVerifier says to what a certificate has; a revert is a no.
func accepted(t *testing.T, chain *Chain, handles [][32]byte, plaintext []byte, signatures [][]byte) bool {
	t.Helper()
	verifier, err := loadArtifact(artifactsFor(t), "KMSVerifier")
	require.NoError(t, err)
	proof, err := fhevm.EncodeDecryptionProof(signatures, nil)
	require.NoError(t, err)
	const method = "verifyDecryptionEIP712KMSSignatures"
	data, err := verifier.contract.Pack(method, handles, plaintext, proof)
	require.NoError(t, err)
	answer, err := chain.call(fhevm.KMSVerifierAddress, data)
	if err != nil {
		return false
	}
	values, err := verifier.contract.Unpack(method, answer)
	require.NoError(t, err)
	return values[0].(bool)
}

// TestTheHostChainAcceptsWhatACertificateHas takes the file that tkmsd verify accepts to the host chain's own
// verifier contract.
func TestTheHostChainAcceptsWhatACertificateHas(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("testdata", "certificate.json"))
	require.NoError(t, err)
	c, err := certificate.Decode(raw)
	require.NoError(t, err)
	trust := certificate.Trust{Validators: [][]byte{c.LightBlocks[0].SignedHeader.Header.ValidatorsHash}}
	require.Nil(t, certificate.Failed(certificate.Verify(c, trust)))

	r := c.Certificate.Request
	chain := newTestChain(t, func(config *Config) {
		config.KMSSigners = nil
		for _, signer := range c.Certificate.Signers {
			config.KMSSigners = append(config.KMSSigners, common.BytesToAddress(signer))
		}
		config.KMSThreshold = int(r.Threshold)
		config.GatewayChainID, config.Decryption = r.Domain.ChainId, common.BytesToAddress(r.Domain.VerifyingContract)
	})
	handles, signatures := parts(r)
	require.True(t, accepted(t, chain, handles, r.Plaintext, signatures))
	require.True(t, accepted(t, chain, handles, r.Plaintext, signatures[1:]), "a threshold of them")

	for name, change := range map[string]func(handles [][32]byte, plaintext []byte, signatures [][]byte) [][]byte{
		"another plaintext": func(_ [][32]byte, plaintext []byte, s [][]byte) [][]byte { plaintext[31]++; return s },
		"another handle":    func(handles [][32]byte, _ []byte, s [][]byte) [][]byte { handles[1][0]++; return s },
		"another order": func(handles [][32]byte, _ []byte, s [][]byte) [][]byte {
			handles[0], handles[1] = handles[1], handles[0]
			return s
		},
		"another signature": func(_ [][32]byte, _ []byte, s [][]byte) [][]byte { s[0][7]++; return s },
		"one of them twice": func(_ [][32]byte, _ []byte, s [][]byte) [][]byte { return [][]byte{s[0], s[0], s[1]} },
		"too few":           func(_ [][32]byte, _ []byte, s [][]byte) [][]byte { return s[:r.Threshold-1] },
	} {
		handles, signatures := parts(r)
		plaintext := bytes.Clone(r.Plaintext)
		signatures = change(handles, plaintext, signatures)
		require.False(t, accepted(t, chain, handles, plaintext, signatures), name)
	}
}

// parts copies handles and signatures of a request.
func parts(r kmstypes.Request) (handles [][32]byte, signatures [][]byte) {
	for _, ciphertext := range r.Ciphertexts {
		handles = append(handles, [32]byte(ciphertext.Handle))
	}
	for _, contribution := range r.Contributions {
		signatures = append(signatures, bytes.Clone(contribution.Signature))
	}
	return handles, signatures
}
