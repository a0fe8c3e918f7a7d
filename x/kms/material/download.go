package material

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

var (
	// ErrUnavailable reports that no vault gave the whole file.
	ErrUnavailable = errors.New("no vault serves the file")
	// ErrOther reports bytes that are not those of the record.
	ErrOther = errors.New("other bytes than the chain names")
	// ErrStalled reports a vault that stopped sending, or almost.
	ErrStalled = errors.New("the vault sends nothing, or almost")
)

// stallTimeout is how long a vault may take for stallBytes. Tests shorten it.
var stallTimeout = 30 * time.Second

const (
	// stallBytes is the least that a vault sends in a stallTimeout, unless it is the rest:
	// with a byte now and then it would hold up whoever needs the file for ever.
	stallBytes = 256 << 10
	// maxMemory bounds what Read returns, in bytes.
	maxMemory = 1 << 20
	// partial ends the names of files that are not complete.
	partial = ".part"
)

// Read returns a small file. client should have no timeout: a vault that stalls is
// left. Errors: ErrUnavailable.
func (f File) Read(ctx context.Context, client *http.Client) ([]byte, error) {
	if f.Size > maxMemory {
		return nil, fmt.Errorf("%w: it has %d bytes, at most %d are read", ErrUnavailable, f.Size, maxMemory)
	}
	var data []byte
	err := f.each(func(vault string) error {
		var held bytes.Buffer
		err := f.stream(ctx, client, vault, 0, &held)
		if err == nil && DigestOf(held.Bytes()) != f.Digest {
			err = ErrOther
		}
		data = held.Bytes()
		return err
	})
	if err != nil {
		return nil, err
	}
	return data, nil
}

// Save downloads the file to path. What came is kept beside it until it is complete, and
// used by the next call, so that an interrupted one goes on. report, if it is not
// nil, is told now and then how many bytes are there. A file that is at path already is
// checked only. Only one process may do so at a time. Errors: ErrUnavailable, those of
// the file system.
func (f File) Save(ctx context.Context, client *http.Client, path string, report func(done int64)) error {
	if report == nil {
		report = func(int64) {}
	}
	if held, err := os.Open(path); err == nil {
		hash := NewHash()
		size, err := io.Copy(hash, held)
		if err = errors.Join(err, held.Close()); err != nil {
			return err
		}
		if size == f.Size && hash.Sum() == f.Digest {
			report(size)
			return nil
		}
	}
	file, err := os.OpenFile(path+partial, os.O_RDWR|os.O_CREATE, 0o644) //nolint:gosec // public material
	if err != nil {
		return err
	}
	err = f.each(func(vault string) error { return f.fill(ctx, client, vault, file, report) })
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(path+partial, path)
}

// each tries the vaults in turn until one does what is asked.
func (f File) each(try func(vault string) error) error {
	failures := []error{fmt.Errorf("%w %s", ErrUnavailable, f.Digest)}
	for _, vault := range f.Vaults {
		err := try(vault)
		if err == nil {
			return nil
		}
		failures = append(failures, fmt.Errorf("%s: %w", vault, err))
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			break
		}
	}
	return errors.Join(failures...)
}

// fill completes the file from a vault. If what was there before makes it wrong, all of it
// is asked of this vault, so that one that lied before does not spoil it.
func (f File) fill(ctx context.Context, client *http.Client, vault string, file *os.File, report func(int64)) error {
	for {
		hash := NewHash()
		start, err := f.resume(file, hash)
		if err != nil {
			return err
		}
		report(start)
		if start < f.Size {
			to := &counted{Writer: io.MultiWriter(file, hash), done: start, report: report}
			if err := f.stream(ctx, client, vault, start, to); err != nil {
				return err
			}
		}
		if hash.Sum() == f.Digest {
			return nil
		}
		if err := file.Truncate(0); err != nil {
			return err
		}
		if start == 0 {
			return ErrOther
		}
	}
}

// resume hashes what the file has, and leaves it open at its end.
func (f File) resume(file *os.File, hash *Hash) (int64, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	size, err := io.Copy(hash, file)
	if err != nil || size <= f.Size {
		return size, err
	}
	*hash = *NewHash()
	if err := file.Truncate(0); err != nil {
		return 0, err
	}
	return file.Seek(0, io.SeekStart)
}

// counted tells how much was written.
type counted struct {
	io.Writer
	done   int64
	report func(int64)
}

// Write implements io.Writer.
func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.done += int64(n)
	c.report(c.done)
	return n, err
}

// stream writes the file from byte start on as the vault has it: all of the rest, or an
// error.
func (f File) stream(ctx context.Context, client *http.Client, vault string, start int64, to io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(stallTimeout, func() { cancel(ErrStalled) })
	defer watch.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(vault, "/")+"/"+f.Digest.String(), nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept-Encoding", "identity") // ranges are of the file itself
	want := http.StatusOK
	if start > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", start))
		want = http.StatusPartialContent
	}
	response, err := client.Do(request)
	if err != nil {
		return cause(ctx, err)
	}
	defer response.Body.Close()
	body := &watched{Reader: response.Body, watch: watch}
	if start > 0 && response.StatusCode == http.StatusOK {
		// It has no ranges: what is there already is passed over.
		if _, err := io.CopyN(io.Discard, body, start); err != nil {
			return cause(ctx, err)
		}
		want = http.StatusOK
	}
	if response.StatusCode != want {
		return errors.New(response.Status)
	}
	n, err := io.Copy(to, io.LimitReader(body, f.Size-start))
	if err != nil {
		return cause(ctx, err)
	}
	if n != f.Size-start {
		return fmt.Errorf("%w: %d bytes are missing", ErrOther, f.Size-start-n)
	}
	if more, _ := io.ReadFull(body, make([]byte, 1)); more != 0 {
		return fmt.Errorf("%w: more than %d bytes", ErrOther, f.Size)
	}
	return nil
}

// cause names why a request was ended.
func cause(ctx context.Context, err error) error {
	if because := context.Cause(ctx); errors.Is(because, ErrStalled) {
		return because
	}
	return err
}

// watched puts off the end of a transfer with each stallBytes.
type watched struct {
	io.Reader
	watch *time.Timer
	since int // bytes since it was put off
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if w.since += n; w.since >= stallBytes {
		w.since = 0
		w.watch.Reset(stallTimeout)
	}
	return n, err
}
