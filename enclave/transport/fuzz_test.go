package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// speakTo plays data to the other end of a connection and then hangs up; what that
// end says is thrown away.
func speakTo(t *testing.T, data []byte) net.Conn {
	near, far := net.Pipe()
	go func() {
		buffer := make([]byte, 4096)
		for {
			if _, err := far.Read(buffer); err != nil {
				return
			}
		}
	}()
	go func() {
		_, _ = far.Write(data)
		_ = far.Close()
	}()
	t.Cleanup(func() { _ = near.Close(); _ = far.Close() })
	return near
}

// A stranger's bytes end its own connection, whichever side dialled.
func FuzzHandshakeInput(f *testing.F) {
	alice, bob := newNode(f, 1, nil), newNode(f, 2, nil)
	require.NoError(f, bob.mesh.SetPeers([]Peer{alice.peer()}))
	f.Add([]byte{})
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add([]byte{0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3})
	f.Add([]byte{0x16, 3, 3, 0xff, 0xff, 2, 0xff, 0xff, 0xff})
	f.Add([]byte{0x15, 3, 3, 0, 2, 2, 40})
	f.Fuzz(func(t *testing.T, data []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, _, l, err := bob.port.accept(ctx, speakTo(t, data))
		require.Error(t, err)
		require.Nil(t, l)
		alice.mesh.cfg.Dial = func(context.Context, string) (net.Conn, error) { return speakTo(t, data), nil }
		l, err = alice.mesh.dial(ctx, Prompt, bob.peer())
		require.Error(t, err)
		require.Nil(t, l)
	})
}

// A registered peer says whatever it likes on its link. It ends at most that link;
// the one to another peer goes on.
func FuzzAMaliciousPeersBytes(f *testing.F) {
	const limit = 4096
	alice, bob, carol := newNode(f, 1, nil), newNode(f, 2, func(c *Config) { c.MaxFrame = limit }), newNode(f, 3, nil)
	require.NoError(f, bob.mesh.SetPeers([]Peer{alice.peer(), carol.peer()}))
	require.NoError(f, carol.mesh.SetPeers([]Peer{bob.peer()}))
	delivered := make(chan received, 1<<16)
	require.NoError(f, bob.mesh.Start(func(from int, frame []byte) { delivered <- received{from, frame} }))
	carol.start(f)
	waitConnected(f, 1, bob, carol)
	f.Add([]byte{0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1})
	f.Add([]byte{0, 0, 0x10, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		raw, err := net.Dial("tcp", bob.address)
		require.NoError(t, err)
		defer raw.Close()
		secure := tls.Client(raw, alice.identity.tlsConfig(protocols[:], func(Pin) error { return nil }))
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		require.NoError(t, greet(ctx, raw, secure, func() error { return alice.mesh.call(secure, 2) }))
		_, _ = secure.Write(data)
		_ = secure.Close()
		require.NoError(t, carol.mesh.Send(2, []byte("still here")))
		for {
			select {
			case got := <-delivered:
				require.LessOrEqual(t, len(got.frame), limit)
				if got.from == 3 {
					require.Equal(t, "still here", string(got.frame))
					return
				}
				require.Equal(t, 1, got.from)
			case <-time.After(patience):
				t.Fatal("the honest peer's frame did not come")
			}
		}
	})
}

func FuzzReadHello(f *testing.F) {
	f.Add(hello{[32]byte{1}, 2, 3}.encode())
	f.Add([]byte(helloDomain))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := readHello(bytes.NewReader(data))
		if err != nil {
			require.Zero(t, h)
			return
		}
		require.Equal(t, data[:helloSize], h.encode())
	})
}
