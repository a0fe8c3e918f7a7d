package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/keys"
	"github.com/tkms-network/tkms/x/kms/client"
)

// PublicKeys serves the host chain's public key.
type PublicKeys interface {
	Current(ctx context.Context) (keys.Current, error)
	Bytes(ctx context.Context, digest string) ([]byte, error)
}

// keyURL is the answer of GET /v2/keyurl, as the published clients read it.
type keyURL struct {
	Status   string      `json:"status"` // "succeeded"
	Response keyURLInner `json:"response"`
}

type keyURLInner struct {
	FHEKeyInfo []fheKeyInfo `json:"fheKeyInfo"`
	// CRS of zero-knowledge proofs by number of bits. TKMS makes none yet.
	CRS map[string]keyData `json:"crs"`
}

type fheKeyInfo struct {
	FHEPublicKey keyData `json:"fhePublicKey"`
}

type keyData struct {
	DataID string   `json:"dataId"`
	URLs   []string `json:"urls"`
}

func (s *Server) keyURL(w http.ResponseWriter, r *http.Request) {
	current, err := s.cfg.Keys.Current(r.Context())
	if err != nil {
		s.refuseKey(w, err)
		return
	}
	answer(w, http.StatusOK, keyURL{Status: "succeeded", Response: keyURLInner{
		FHEKeyInfo: []fheKeyInfo{{keyData{"0x" + current.KeyID, []string{s.cfg.PublicURL + "/v1/keys/" + current.Digest}}}},
		CRS:        map[string]keyData{},
	}})
}

func (s *Server) getKey(w http.ResponseWriter, r *http.Request) {
	digest := r.PathValue("digest")
	data, err := s.cfg.Keys.Bytes(r.Context(), digest)
	if err != nil {
		s.refuseKey(w, err)
		return
	}
	immutable(w, digest)
	_, _ = w.Write(data)
}

func (s *Server) refuseKey(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, keys.ErrUnknown):
		refuse(w, http.StatusNotFound, LabelNotFound, err.Error())
	case errors.Is(err, keys.ErrNoKey), errors.Is(err, client.ErrNotFound):
		refuse(w, http.StatusServiceUnavailable, LabelUnavailable, keys.ErrNoKey.Error())
	default:
		s.cfg.Log.Warn("the public key was not served", "err", err)
		refuse(w, http.StatusServiceUnavailable, LabelUnavailable, "the public key is not available now")
	}
}
