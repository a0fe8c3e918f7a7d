package objects

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

var (
	// ErrLocation reports a text that names no bucket.
	ErrLocation = errors.New("a bucket is named s3://bucket/prefix?endpoint=https://host&region=name")
	// ErrCredentials reports that nothing says who asks the object store.
	ErrCredentials = errors.New("no credentials for the object store")
)

// Location names a bucket of an object store that speaks S3.
type Location struct {
	Bucket string
	// Prefix of all names in it, without slashes around; "" for none.
	Prefix string
	// Endpoint is the host, with a port or not; Secure says TLS.
	Endpoint string
	Secure   bool
	// Region, "" where the store has none.
	Region string
	// PathStyle puts the bucket's name into paths instead of host names.
	PathStyle bool
}

// ParseLocation reads s3://bucket/prefix?endpoint=URL&region=NAME&path-style=true; all
// but bucket and endpoint may be left out. Secrets have no place in it. Errors:
// ErrLocation.
func ParseLocation(text string) (*Location, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, ErrLocation // the error would repeat the text
	}
	switch {
	case u.User != nil:
		return nil, fmt.Errorf("%w; credentials come from the environment or a file", ErrLocation)
	case u.Scheme != "s3" || u.Host == "" || u.Port() != "" || u.Fragment != "":
		return nil, ErrLocation
	}
	l := &Location{Bucket: u.Host, Prefix: strings.Trim(u.Path, "/")}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, ErrLocation
	}
	for name, values := range query {
		if len(values) != 1 {
			return nil, fmt.Errorf("%w: %s is given more than once", ErrLocation, name)
		}
		switch value := values[0]; name {
		case "endpoint":
			err = l.setEndpoint(value)
		case "region":
			l.Region = value
		case "path-style":
			if value != "true" && value != "false" {
				err = fmt.Errorf("%w: path-style is true or false", ErrLocation)
			}
			l.PathStyle = value == "true"
		default:
			err = fmt.Errorf("%w: it has no %q", ErrLocation, name)
		}
		if err != nil {
			return nil, err
		}
	}
	if l.Endpoint == "" {
		return nil, fmt.Errorf("%w: no endpoint", ErrLocation)
	}
	return l, nil
}

func (l *Location) setEndpoint(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return fmt.Errorf("%w: an endpoint is http:// or https:// and a host", ErrLocation)
	}
	l.Endpoint, l.Secure = u.Host, u.Scheme == "https"
	return nil
}

// Credentials say who asks an object store.
type Credentials struct{ value *credentials.Credentials }

// maxCredentials bounds a file of credentials.
const maxCredentials = 16 << 10

// ReadCredentials reads {"accessKey", "secretKey", "sessionToken"} from a file that only
// its owner may read, or, without file, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
// AWS_SESSION_TOKEN from the environment. What they hold is in no error. Errors:
// ErrCredentials.
func ReadCredentials(file string) (Credentials, error) {
	var held struct {
		AccessKey    string `json:"accessKey"`
		SecretKey    string `json:"secretKey"`
		SessionToken string `json:"sessionToken"`
	}
	if file == "" {
		held.AccessKey, held.SecretKey, held.SessionToken = os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN")
	} else {
		info, err := os.Stat(file)
		if err != nil {
			return Credentials{}, fmt.Errorf("%w: %w", ErrCredentials, err)
		}
		if info.Mode().Perm()&0o077 != 0 || info.Size() > maxCredentials {
			return Credentials{}, fmt.Errorf("%w: %s may be read by its owner only, and has at most %d bytes", ErrCredentials, file, maxCredentials)
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			return Credentials{}, fmt.Errorf("%w: %w", ErrCredentials, err)
		}
		defer clear(raw)
		if json.Unmarshal(raw, &held) != nil {
			return Credentials{}, fmt.Errorf("%w: %s is no JSON of accessKey and secretKey", ErrCredentials, file)
		}
	}
	if held.AccessKey == "" || held.SecretKey == "" {
		return Credentials{}, fmt.Errorf("%w: both an access key and a secret key are needed", ErrCredentials)
	}
	return Credentials{credentials.NewStaticV4(held.AccessKey, held.SecretKey, held.SessionToken)}, nil
}

// String tells nothing of what the credentials are.
func (Credentials) String() string { return "credentials" }

// GoString is String.
func (c Credentials) GoString() string { return c.String() }
