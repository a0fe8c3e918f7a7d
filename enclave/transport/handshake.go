package transport

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

const (
	helloDomain = "tkms/v1/peer/hello"
	helloSize   = len(helloDomain) + 32 + 2 + 2
)

// hello says who speaks to whom in which network. Its encoding is domain ‖ network ‖
// sender's index ‖ receiver's index.
//
// The caller speaks first: the called port learns by it which mesh is meant. In TLS
// 1.3 a client believes in the handshake before the server has judged its certificate,
// so the caller takes the connection for good only when it was answered.
type hello struct {
	network  [32]byte
	from, to int
}

func (h hello) encode() []byte {
	b := make([]byte, 0, helloSize)
	b = append(b, helloDomain...)
	b = append(b, h.network[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(h.from))  // #nosec G115 -- at most MaxIndex
	return binary.BigEndian.AppendUint16(b, uint16(h.to)) // #nosec G115 -- at most MaxIndex
}

func readHello(from io.Reader) (hello, error) {
	var h hello
	b := make([]byte, helloSize)
	switch _, err := io.ReadFull(from, b); {
	case errors.Is(err, io.EOF):
		return h, fmt.Errorf("%w: it hung up instead of saying hello; perhaps it does not follow the epoch yet, or no longer", ErrNotAdmitted)
	case err != nil:
		return h, fmt.Errorf("transport: waiting for a hello: %w", err)
	case string(b[:len(helloDomain)]) != helloDomain:
		return h, fmt.Errorf("%w: it does not say hello", ErrPeerRefused)
	}
	b = b[len(helloDomain):]
	copy(h.network[:], b)
	h.from, h.to = int(binary.BigEndian.Uint16(b[32:])), int(binary.BigEndian.Uint16(b[34:]))
	return h, nil
}

// tlsConfig returns settings under which only a holder of a key that accept
// admits completes a handshake.
func (i *Identity) tlsConfig(offered []string, accept func(Pin) error) *tls.Config {
	return &tls.Config{
		Certificates:                []tls.Certificate{i.certificate},
		MinVersion:                  tls.VersionTLS13,
		MaxVersion:                  tls.VersionTLS13,
		CurvePreferences:            []tls.CurveID{tls.X25519MLKEM768},
		NextProtos:                  offered,
		ClientAuth:                  tls.RequireAnyClientCert,
		SessionTicketsDisabled:      true,
		DynamicRecordSizingDisabled: true,
		// Names and validity of self-signed certificates say nothing; the pinned
		// key below is the whole check, and TLS proves its possession.
		InsecureSkipVerify: true, // #nosec G402
		VerifyConnection: func(state tls.ConnectionState) error {
			if _, known := laneOf(state.NegotiatedProtocol); state.DidResume || state.CurveID != tls.X25519MLKEM768 || !known {
				return fmt.Errorf("%w: unexpected TLS parameters", ErrPeerRefused)
			}
			if len(state.PeerCertificates) != 1 {
				return fmt.Errorf("%w: %d certificates instead of one", ErrPeerRefused, len(state.PeerCertificates))
			}
			return accept(pinOf(state.PeerCertificates[0]))
		},
	}
}

// dial connects a lane to a peer with a higher index.
func (m *Mesh) dial(ctx context.Context, lane Lane, target Peer) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.HandshakeTimeout)
	defer cancel()
	raw, err := m.cfg.Dial(ctx, target.Address)
	if err != nil {
		return nil, fmt.Errorf("transport: dialling peer %d at %s: %w", target.Index, target.Address, err)
	}
	cork := &corkedConn{Conn: raw}
	secure := tls.Client(cork, m.cfg.Identity.tlsConfig(protocols[lane:lane+1], func(pin Pin) error {
		if pin != target.Pin {
			return fmt.Errorf("%w: peer %d answered with key %s", ErrPeerRefused, target.Index, pin)
		}
		return nil
	}))
	err = greet(ctx, raw, secure, func() error { return m.call(secure, target.Index) })
	if err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("transport: calling peer %d: %w", target.Index, err)
	}
	return newLink(cork, secure, target.Pin), nil
}

// call says which mesh and peer are meant, and waits to be answered.
func (m *Mesh) call(conn io.ReadWriter, peer int) error {
	if _, err := conn.Write(hello{m.cfg.Network, m.cfg.Self, peer}.encode()); err != nil {
		return err
	}
	got, err := readHello(conn)
	if err == nil && got != (hello{m.cfg.Network, peer, m.cfg.Self}) {
		err = fmt.Errorf("%w: its hello names another network or index", ErrPeerRefused)
	}
	return err
}

// accept takes a connection of a peer with a lower index of one of the port's meshes.
func (p *Port) accept(ctx context.Context, raw net.Conn) (at place, m *Mesh, l *link, err error) {
	var pin Pin
	cork := &corkedConn{Conn: raw}
	secure := tls.Server(cork, p.identity.tlsConfig(protocols[:], func(of Pin) error {
		if !p.knows(of) {
			return fmt.Errorf("%w: key %s may not dial here", ErrPeerRefused, of)
		}
		pin = of
		return nil
	}))
	var from Peer
	err = greet(ctx, raw, secure, func() error {
		leave, ok := p.guests.identify(pin)
		if !ok {
			return fmt.Errorf("%w: key %s calls too often at once", ErrPeerRefused, pin)
		}
		defer leave()
		got, err := readHello(secure)
		if err != nil {
			return err
		}
		if m, from, err = p.find(got, pin); err != nil {
			return err
		}
		_, err = secure.Write(hello{got.network, got.to, got.from}.encode())
		return err
	})
	if err != nil {
		return place{}, nil, nil, err
	}
	lane, _ := laneOf(secure.ConnectionState().NegotiatedProtocol) // the handshake accepts no other name
	return place{lane, from.Index}, m, newLink(cork, secure, pin), nil
}

// greet finishes the handshake and lets the hellos be exchanged before ctx ends.
func greet(ctx context.Context, raw net.Conn, secure *tls.Conn, exchange func() error) error {
	if tcp, ok := raw.(interface{ SetNoDelay(bool) error }); ok {
		_ = tcp.SetNoDelay(true)
	}
	if err := secure.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("transport: handshake with %s: %w", raw.RemoteAddr(), err)
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	err := exchange()
	if !stop() {
		return fmt.Errorf("transport: hellos with %s: %w", raw.RemoteAddr(), context.Cause(ctx))
	}
	return err
}
