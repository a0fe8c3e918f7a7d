package objects_test

import (
	"bytes"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/objects"
)

const bucketName = "keys"

// keepers are all there are: each has to do all that follows.
var keepers = map[string]func(*testing.T, *os.Root) objects.Keeper{
	"a folder": func(_ *testing.T, root *os.Root) objects.Keeper { return objects.InFolder(root) },
	"a bucket": func(t *testing.T, root *os.Root) objects.Keeper {
		cloud := s3mem.New()
		require.NoError(t, cloud.CreateBucket(bucketName))
		server := httptest.NewServer(gofakes3.New(cloud).Server())
		t.Cleanup(server.Close)
		t.Setenv("AWS_ACCESS_KEY_ID", "alice")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
		who, err := objects.ReadCredentials("")
		require.NoError(t, err)
		location, err := objects.ParseLocation("s3://" + bucketName + "/of/tkms?region=here&path-style=true&endpoint=" + server.URL)
		require.NoError(t, err)
		keeper, err := objects.InBucket(root, location, who)
		require.NoError(t, err)
		return keeper
	},
}

func everywhere(t *testing.T, test func(t *testing.T, keeper objects.Keeper, adopt func(name string, raw []byte))) {
	for name, open := range keepers {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			root, err := os.OpenRoot(folder)
			require.NoError(t, err)
			t.Cleanup(func() { root.Close() })
			keeper := open(t, root)
			test(t, keeper, func(name string, raw []byte) {
				require.NoError(t, os.WriteFile(filepath.Join(folder, "file.part"), raw, 0o600))
				require.NoError(t, keeper.Adopt("file.part", name, int64(len(raw))))
				require.NoError(t, os.RemoveAll(filepath.Join(folder, "file.part")))
			})
		})
	}
}

func TestAnObjectIsReadFromAnyPlace(t *testing.T) {
	everywhere(t, func(t *testing.T, keeper objects.Keeper, adopt func(string, []byte)) {
		raw := bytes.Repeat([]byte("0123456789"), 100_000)
		adopt("an-object", raw)
		object, size, err := keeper.Open("an-object")
		require.NoError(t, err)
		defer object.Close()
		require.EqualValues(t, len(raw), size)
		end, err := object.Seek(-7, io.SeekEnd)
		require.NoError(t, err)
		require.EqualValues(t, len(raw)-7, end)
		tail, err := io.ReadAll(object)
		require.NoError(t, err)
		require.Equal(t, "3456789", string(tail))
		_, err = object.Seek(0, io.SeekStart)
		require.NoError(t, err)
		whole, err := io.ReadAll(object)
		require.NoError(t, err)
		require.True(t, bytes.Equal(raw, whole))
	})
}

func TestAnObjectIsReplacedAndRemoved(t *testing.T) {
	everywhere(t, func(t *testing.T, keeper objects.Keeper, adopt func(string, []byte)) {
		adopt("in/a-folder", []byte("first"))
		adopt("in/a-folder", []byte("second"))
		adopt("other", []byte("x"))
		size, err := keeper.Size("in/a-folder")
		require.NoError(t, err)
		require.EqualValues(t, 6, size)
		used, err := keeper.Used()
		require.NoError(t, err)
		require.EqualValues(t, 7, used)

		require.NoError(t, keeper.Remove("in/a-folder"))
		require.NoError(t, keeper.Remove("in/a-folder"), "nothing is left to do")
		_, _, err = keeper.Open("in/a-folder")
		require.ErrorIs(t, err, objects.ErrNotFound)
		_, err = keeper.Size("in/a-folder")
		require.ErrorIs(t, err, objects.ErrNotFound)
		used, err = keeper.Used()
		require.NoError(t, err)
		require.EqualValues(t, 1, used)
	})
}
