package store

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
	// transferTimeout bounds the transfer of one object, with all retries.
	transferTimeout = time.Minute
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

// OpenBucket opens a bucket that is there already, and counts what it holds. The folder
// is for objects on their way. Errors: ErrBucket.
func OpenBucket(folder string, location *Location, who Credentials, limits Limits) (*Store, error) {
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
	return open(folder, limits, func(spool *os.Root) backend { return bucket{spool, client, *location} })
}

func (b bucket) key(name string) string {
	if b.location.Prefix == "" {
		return name
	}
	return b.location.Prefix + "/" + name
}

func (b bucket) adopt(file, name string, size int64) error {
	ctx, cancel := context.WithTimeout(context.Background(), transferTimeout)
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

func (b bucket) open(name string) (io.ReadCloser, error) {
	ctx, cancel := context.WithTimeout(context.Background(), transferTimeout)
	object, err := b.client.GetObject(ctx, b.location.Bucket, b.key(name), minio.GetObjectOptions{})
	if err == nil {
		// The call is made now, so that an object which is not there is known as such.
		_, err = object.Stat()
	}
	if err != nil {
		cancel()
		return nil, failed(err)
	}
	return download{object, cancel}, nil
}

// download is an object on its way; it can be read once.
type download struct {
	object *minio.Object
	cancel context.CancelFunc
}

func (d download) Read(p []byte) (int, error) {
	n, err := d.object.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = failed(err)
	}
	return n, err
}

func (d download) Close() error {
	defer d.cancel()
	return d.object.Close()
}

func (b bucket) size(name string) (int64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), transferTimeout)
	defer cancel()
	info, err := b.client.StatObject(ctx, b.location.Bucket, b.key(name), minio.StatObjectOptions{})
	if err != nil {
		return 0, failed(err)
	}
	return info.Size, nil
}

func (b bucket) used() (total int64, err error) {
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
