package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/minio/minio-go/v7"
)

const (
	// answerTimeout bounds the time to an answer, with all retries.
	answerTimeout = time.Minute
	// slowest is what a transfer has to reach on average, in bytes a second.
	slowest = 1 << 20
	// countTimeout bounds the listing of a bucket.
	countTimeout = 10 * time.Minute
	// maxTries is how often one call is tried.
	maxTries = 4
)

// ErrBucket reports an object store that does not do what it is asked.
var ErrBucket = errors.New("the object store fails")

// bucket keeps objects in an object store.
type bucket struct {
	spool    *os.Root
	client   *minio.Client
	location Location
}

// InBucket keeps objects in a bucket that is there already, and adopts files of the
// folder spool. It asks nothing yet. Errors: ErrBucket.
func InBucket(spool *os.Root, location *Location, who Credentials) (Keeper, error) {
	lookup := minio.BucketLookupAuto
	if location.PathStyle {
		lookup = minio.BucketLookupPath
	}
	client, err := minio.New(location.Endpoint, &minio.Options{
		Creds: who.value, Secure: location.Secure, Region: location.Region, BucketLookup: lookup, MaxRetries: maxTries,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBucket, err)
	}
	return bucket{spool, client, *location}, nil
}

func (b bucket) key(name string) string {
	if b.location.Prefix == "" {
		return name
	}
	return b.location.Prefix + "/" + name
}

// allowed is the time for a transfer.
func allowed(size int64) time.Duration {
	return answerTimeout + time.Duration(size/slowest)*time.Second
}

// Adopt implements Keeper.
func (b bucket) Adopt(file, name string, size int64) error {
	ctx, cancel := context.WithTimeout(context.Background(), allowed(size))
	defer cancel()
	body, err := b.spool.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	// In one call, so that it is there whole or not at all.
	_, err = b.client.PutObject(ctx, b.location.Bucket, b.key(name), body, size, minio.PutObjectOptions{
		ContentType: "application/octet-stream", DisableMultipart: true,
	})
	return failed(err)
}

// Open implements Keeper.
func (b bucket) Open(name string) (io.ReadSeekCloser, int64, error) {
	ctx, cancel := context.WithCancel(context.Background())
	timer := time.AfterFunc(answerTimeout, cancel)
	d := download{nil, func() { timer.Stop(); cancel() }}
	object, err := b.client.GetObject(ctx, b.location.Bucket, b.key(name), minio.GetObjectOptions{})
	if err != nil {
		d.cancel()
		return nil, 0, failed(err)
	}
	d.object = object
	// The call is made now, so that an object which is not there is known as such.
	info, err := object.Stat()
	if err != nil {
		return nil, 0, errors.Join(failed(err), d.Close())
	}
	timer.Reset(allowed(info.Size))
	return d, info.Size, nil
}

// download is an object on its way.
type download struct {
	object *minio.Object
	cancel func()
}

// Read implements io.Reader.
func (d download) Read(p []byte) (int, error) {
	n, err := d.object.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = failed(err)
	}
	return n, err
}

// Seek implements io.Seeker.
func (d download) Seek(offset int64, whence int) (int64, error) {
	at, err := d.object.Seek(offset, whence)
	return at, failed(err)
}

// Close implements io.Closer.
func (d download) Close() error {
	defer d.cancel()
	return d.object.Close()
}

// Remove implements Keeper.
func (b bucket) Remove(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
	defer cancel()
	err := failed(b.client.RemoveObject(ctx, b.location.Bucket, b.key(name), minio.RemoveObjectOptions{}))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// Local implements Keeper.
func (bucket) Local() bool { return false }

// Size implements Keeper.
func (b bucket) Size(name string) (int64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
	defer cancel()
	info, err := b.client.StatObject(ctx, b.location.Bucket, b.key(name), minio.StatObjectOptions{})
	if err != nil {
		return 0, failed(err)
	}
	return info.Size, nil
}

// Used implements Keeper.
func (b bucket) Used() (total int64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), countTimeout)
	defer cancel()
	prefix := b.key("")
	for info := range b.client.ListObjects(ctx, b.location.Bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if info.Err != nil {
			return 0, failed(info.Err)
		}
		total += info.Size
	}
	return total, nil
}

// failed tells an object that is not there from a store that fails.
func failed(err error) error {
	if err == nil {
		return nil
	}
	answer := minio.ToErrorResponse(err)
	if answer.StatusCode == http.StatusNotFound && answer.Code != minio.NoSuchBucket {
		return ErrNotFound
	}
	return fmt.Errorf("%w: %w", ErrBucket, err)
}
