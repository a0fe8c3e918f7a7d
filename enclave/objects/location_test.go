package objects_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/objects"
)

func TestALocationIsReadStrictly(t *testing.T) {
	full, err := objects.ParseLocation("s3://bucket/some/prefix/?endpoint=https://s3.example:9000&region=eu-1&path-style=true")
	require.NoError(t, err)
	require.Equal(t, &objects.Location{Bucket: "bucket", Prefix: "some/prefix", Endpoint: "s3.example:9000", Secure: true, Region: "eu-1", PathStyle: true}, full)
	least, err := objects.ParseLocation("s3://bucket?endpoint=http://localhost")
	require.NoError(t, err)
	require.Equal(t, &objects.Location{Bucket: "bucket", Endpoint: "localhost"}, least)
	for _, bad := range []string{
		"", "bucket", "http://bucket?endpoint=http://x", "s3://?endpoint=http://x", "s3://bucket", "s3://bucket?endpoint=x", "s3://bucket?endpoint=ftp://x",
		"s3://key:secret@bucket?endpoint=http://x", "s3://bucket?endpoint=http://key:secret@x", "s3://bucket?endpoint=http://x/path", "s3://bucket:1?endpoint=http://x",
		"s3://bucket?endpoint=http://x&endpoint=http://y", "s3://bucket?endpoint=http://x&secret=y", "s3://bucket?endpoint=http://x&path-style=yes", "s3://b%zz", "s3://bucket?endpoint=http://x#f",
	} {
		_, err := objects.ParseLocation(bad)
		require.ErrorIs(t, err, objects.ErrLocation, bad)
		require.NotContains(t, err.Error(), "key:secret")
	}
}

func FuzzParseLocation(f *testing.F) {
	f.Add("s3://bucket/prefix?endpoint=https://host&region=name&path-style=true")
	f.Add("s3://a:b@c")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := objects.ParseLocation(text)
		if err == nil && (l.Bucket == "" || l.Endpoint == "" || strings.HasPrefix(l.Prefix, "/")) {
			t.Fatalf("%q was read as %+v", text, l)
		}
		if err != nil && !errors.Is(err, objects.ErrLocation) {
			t.Fatal(err)
		}
	})
}

func TestCredentialsComeFromTheEnvironmentOrAPrivateFile(t *testing.T) {
	write := func(content string, mode os.FileMode) string {
		name := filepath.Join(t.TempDir(), "credentials.json")
		require.NoError(t, os.WriteFile(name, []byte(content), mode))
		return name
	}
	good := `{"accessKey": "alice", "secretKey": "wonderland"}`
	who, err := objects.ReadCredentials(write(good, 0o600))
	require.NoError(t, err)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		require.NotContains(t, fmt.Sprintf(verb, who), "wonderland")
	}
	for name, file := range map[string]string{
		"a file that others may read": write(good, 0o644),
		"no JSON":                     write("wonderland", 0o600),
		"half of them":                write(`{"secretKey": "wonderland"}`, 0o600),
		"no file":                     filepath.Join(t.TempDir(), "none"),
		"a large file":                write(good+strings.Repeat(" ", 20<<10), 0o600),
	} {
		_, err := objects.ReadCredentials(file)
		require.ErrorIs(t, err, objects.ErrCredentials, name)
		require.NotContains(t, err.Error(), "wonderland", name)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	_, err = objects.ReadCredentials("")
	require.ErrorIs(t, err, objects.ErrCredentials)
}
