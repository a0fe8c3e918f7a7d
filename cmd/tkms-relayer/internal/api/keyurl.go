package api

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/keys"
	"github.com/tkms-network/tkms/x/kms/client"
)

const (
	// fileWait is how long a client is kept waiting for a file that is on its way.
	fileWait = 20 * time.Second
	// fileRetry is when it is to ask again, in seconds.
	fileRetry = "5"
	// slowestClient is what a download has to reach on average, in bytes a second.
	slowestClient = 256 << 10
)

// PublicKeys serves what was published of the host chain's key.
type PublicKeys interface {
	Current(ctx context.Context) (keys.Current, error)
	Bytes(ctx context.Context, digest string) ([]byte, error)
	ClientBytes(ctx context.Context, digest string) ([]byte, error)
	File(ctx context.Context, digest string) (*os.File, error)
}

// clientTags is the query of a key with the version tags that the published clients
// read: those of TFHE-rs 1.4.
const clientTags = "tfhe=1.4"

// keyURL is the answer of GET /v2/keyurl, as the published clients read it.
type keyURL struct {
	Status   string      `json:"status"` // "succeeded"
	Response keyURLInner `json:"response"`
}

type keyURLInner struct {
	FHEKeyInfo []fheKeyInfo `json:"fheKeyInfo"`
	// CRS of proofs in inputs by number of bits. The published clients need that of
	// 2048 bits, or another source of it, to start.
	CRS map[string]crsData `json:"crs"`
	// ServerKeys are the files with which one computes. Not in the ecosystem's interface.
	ServerKeys []serverKey `json:"serverKeys,omitempty"`
}

// serverKey is one file; dataId is its digest.
type serverKey struct {
	keyData
	// Kind is TFHE-rs' name of what is in it.
	Kind string `json:"kind"`
	// Size in bytes.
	Size int64 `json:"size"`
}

type fheKeyInfo struct {
	FHEPublicKey keyData `json:"fhePublicKey"`
}

type keyData struct {
	DataID string   `json:"dataId"`
	URLs   []string `json:"urls"`
}

type crsData struct {
	keyData
	// Kind says how the CRS was made. Not in the ecosystem's interface.
	Kind string `json:"kind"`
}

// keyURL1 is the same in the first version of the interface.
type keyURL1 struct {
	Response keyURLInner1 `json:"response"`
}

type keyURLInner1 struct {
	FHEKeyInfo []fheKeyInfo1       `json:"fhe_key_info"`
	CRS        map[string]crsData1 `json:"crs"`
}

type fheKeyInfo1 struct {
	FHEPublicKey keyData1 `json:"fhe_public_key"`
}

type keyData1 struct {
	DataID string   `json:"data_id"`
	URLs   []string `json:"urls"`
}

type crsData1 struct {
	keyData1
	Kind string `json:"kind"`
}

// keyURL says where key and CRS are.
func (s *Server) keyURL(w http.ResponseWriter, r *http.Request) {
	key, crs, files, err := s.material(r.Context())
	if err != nil {
		s.refuseKey(w, err)
		return
	}
	answer(w, http.StatusOK, keyURL{"succeeded", keyURLInner{[]fheKeyInfo{{key}}, crs, files}})
}

// keyURL1 says the same in the words of the first version.
func (s *Server) keyURL1(w http.ResponseWriter, r *http.Request) {
	key, crs, _, err := s.material(r.Context())
	if err != nil {
		s.refuseKey(w, err)
		return
	}
	list := map[string]crsData1{}
	for bits, c := range crs {
		list[bits] = crsData1{keyData1(c.keyData), c.Kind}
	}
	answer(w, http.StatusOK, keyURL1{keyURLInner1{[]fheKeyInfo1{{keyData1(key)}}, list}})
}

func (s *Server) material(ctx context.Context) (keyData, map[string]crsData, []serverKey, error) {
	current, err := s.cfg.Keys.Current(ctx)
	if err != nil {
		return keyData{}, nil, nil, err
	}
	url := s.cfg.PublicURL + "/v1/keys/" + current.Digest
	key := keyData{"0x" + current.KeyID, []string{url + "?" + clientTags, url}} // clients take the first
	crs := map[string]crsData{}
	if c := s.cfg.CRS; c != nil {
		crs[strconv.Itoa(keys.CRSBits)] = crsData{keyData{"0x" + c.Digest, []string{s.cfg.PublicURL + "/v1/crs/" + c.Digest}}, c.Kind}
	}
	var files []serverKey
	for _, f := range current.Files {
		data := keyData{"0x" + f.Digest.String(), []string{s.cfg.PublicURL + "/v1/keys/" + f.Digest.String()}}
		files = append(files, serverKey{data, f.Kind, f.Size})
	}
	return key, crs, files, nil
}

func (s *Server) getKey(w http.ResponseWriter, r *http.Request) {
	digest, tag, read := r.PathValue("digest"), r.PathValue("digest"), s.cfg.Keys.Bytes
	if r.URL.RawQuery == clientTags {
		tag, read = digest+"?"+clientTags, s.cfg.Keys.ClientBytes
	}
	data, err := read(r.Context(), digest)
	if errors.Is(err, keys.ErrUnknown) && tag == digest {
		s.getFile(w, r, digest)
		return
	}
	if err != nil {
		s.refuseKey(w, err)
		return
	}
	immutable(w, tag)
	http.ServeContent(w, r, "", noTime, bytes.NewReader(data))
}

// getFile serves a file beside the public key, which may have hundreds of megabytes.
func (s *Server) getFile(w http.ResponseWriter, r *http.Request, digest string) {
	ctx, cancel := context.WithTimeout(r.Context(), fileWait)
	defer cancel()
	file, err := s.cfg.Keys.File(ctx, digest)
	if errors.Is(err, keys.ErrFetching) {
		w.Header().Set("Retry-After", fileRetry)
		refuse(w, http.StatusServiceUnavailable, LabelUnavailable, err.Error())
		return
	}
	if err != nil {
		s.refuseKey(w, err)
		return
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		s.refuseKey(w, err)
		return
	}
	// The server's own bound is for small answers; without it, as in tests, there is none to move.
	allowed := fileWait + time.Duration(info.Size()/slowestClient)*time.Second
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(allowed))
	immutable(w, digest)
	http.ServeContent(w, r, "", noTime, file)
}

func (s *Server) getCRS(w http.ResponseWriter, r *http.Request) {
	if s.cfg.CRS == nil || r.PathValue("digest") != s.cfg.CRS.Digest {
		refuse(w, http.StatusNotFound, LabelNotFound, "no such CRS")
		return
	}
	immutable(w, s.cfg.CRS.Digest)
	http.ServeContent(w, r, "", noTime, bytes.NewReader(s.cfg.CRS.Bytes))
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
