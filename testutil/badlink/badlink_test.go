package badlink_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/badlink"
)

// echo answers with what it gets until the test ends.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, conn); _ = conn.Close() }()
		}
	}()
	return listener.Addr().String()
}

func dial(t *testing.T) (*badlink.Link, net.Conn) {
	t.Helper()
	link, err := badlink.New(echo(t))
	require.NoError(t, err)
	t.Cleanup(func() { _ = link.Close() })
	conn, err := net.Dial("tcp", link.Address())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return link, conn
}

// roundTrip sends bytes and requires them back unchanged.
func roundTrip(t *testing.T, conn net.Conn, size int) time.Duration {
	t.Helper()
	sent, got := make([]byte, size), make([]byte, size)
	for i := range sent {
		sent[i] = byte(i * 7)
	}
	began := time.Now()
	go func() { _, _ = conn.Write(sent) }()
	_, err := io.ReadFull(conn, got)
	require.NoError(t, err)
	require.Equal(t, sent, got)
	return time.Since(began)
}

func TestBytesArriveInOrderHoweverBadTheLinkIs(t *testing.T) {
	link, conn := dial(t)
	roundTrip(t, conn, 1<<20)
	link.Set(badlink.Quality{Latency: 20 * time.Millisecond, Loss: 0.05})
	require.GreaterOrEqual(t, roundTrip(t, conn, 1<<20), 40*time.Millisecond)
	link.Set(badlink.Quality{})
	roundTrip(t, conn, 1<<20)
}

func TestACutEndsWhatIsConnectedAndNothingElse(t *testing.T) {
	link, conn := dial(t)
	roundTrip(t, conn, 100)
	link.Cut()
	_, err := conn.Read(make([]byte, 1))
	require.Error(t, err)
	again, err := net.Dial("tcp", link.Address())
	require.NoError(t, err)
	defer func() { _ = again.Close() }()
	roundTrip(t, again, 100)
}
