package api

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/store"
)

// stored is the answer to an upload.
type stored struct {
	Digest string `json:"digest"` // 64 hexadecimal digits
	Bytes  int64  `json:"bytes"`
}

// postCiphertext stores a body under whatever digest it has.
func (s *Server) postCiphertext(w http.ResponseWriter, r *http.Request) { s.keep(w, r, nil) }

// putCiphertext stores a body if it has the digest in the path.
func (s *Server) putCiphertext(w http.ResponseWriter, r *http.Request) {
	digest, err := store.ParseDigest(r.PathValue("digest"))
	if err != nil {
		refuse(w, http.StatusBadRequest, LabelValidation, err.Error(), Detail{"digest", err.Error()})
		return
	}
	s.keep(w, r, &digest)
}

func (s *Server) keep(w http.ResponseWriter, r *http.Request, announced *store.Digest) {
	// One byte more than the store takes: it is the store that refuses.
	limit := s.cfg.Store.Limits().Object + 1
	if r.ContentLength >= limit {
		refuse(w, http.StatusRequestEntityTooLarge, LabelTooLarge, store.ErrTooLarge.Error())
		return
	}
	digest, size, err := s.cfg.Store.Put(http.MaxBytesReader(w, r.Body, limit), announced)
	switch {
	case err == nil:
		s.cfg.Metrics.stored.Add(float64(size))
		answer(w, http.StatusCreated, stored{digest.String(), size})
	case errors.Is(err, store.ErrDigest):
		refuse(w, http.StatusBadRequest, LabelDigest, err.Error())
	case errors.Is(err, store.ErrEmpty):
		refuse(w, http.StatusBadRequest, LabelValidation, err.Error())
	case errors.Is(err, store.ErrTooLarge):
		refuse(w, http.StatusRequestEntityTooLarge, LabelTooLarge, err.Error())
	case errors.Is(err, store.ErrFull):
		s.cfg.Log.Warn("a ciphertext was refused because the store is full", "used", s.cfg.Store.Used())
		refuse(w, http.StatusInsufficientStorage, LabelStoreFull, err.Error())
	case r.Context().Err() != nil:
	default:
		s.cfg.Log.Error("a ciphertext was not stored", "err", err)
		refuse(w, http.StatusInternalServerError, LabelInternal, "the bytes were not stored")
	}
}

// getCiphertext serves bytes by digest.
func (s *Server) getCiphertext(w http.ResponseWriter, r *http.Request) {
	digest, err := store.ParseDigest(r.PathValue("digest"))
	if err != nil {
		refuse(w, http.StatusBadRequest, LabelValidation, err.Error(), Detail{"digest", err.Error()})
		return
	}
	body, _, err := s.cfg.Store.Open(digest)
	if errors.Is(err, store.ErrNotFound) {
		refuse(w, http.StatusNotFound, LabelNotFound, store.ErrNotFound.Error())
		return
	}
	if err != nil {
		s.cfg.Log.Error("a ciphertext cannot be served", "err", err)
		refuse(w, http.StatusInternalServerError, LabelInternal, "the bytes are not available")
		return
	}
	defer body.Close()
	immutable(w, digest.String())
	http.ServeContent(w, r, "", noTime, body)
}

// immutable sets the headers of bytes that are named by their digest.
func immutable(w http.ResponseWriter, digest string) {
	header := w.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("ETag", strconv.Quote(digest))
	header.Set("X-Content-Type-Options", "nosniff")
}
