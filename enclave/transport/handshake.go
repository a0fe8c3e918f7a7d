package transport

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	helloDomain = "tkms/v1/peer/hello"
	helloSize   = len(helloDomain) + 32 + 2 + 2
)

// A hello is domain ‖ network ‖ sender's index ‖ receiver's index. In TLS 1.3 a
// client believes in the handshake before the server has judged its certificate,
// so the server speaks first and the client waits for it.
func (c *Config) hello(from, to int) []byte {
	b := make([]byte, 0, helloSize)
	b = append(b, helloDomain...)
	b = append(b, c.Network[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(from))
	return binary.BigEndian.AppendUint16(b, uint16(to))
}

func (c *Config) expectHello(conn io.Reader, from, to int) error {
	got := make([]byte, helloSize)
	if _, err := io.ReadFull(conn, got); err != nil {
		return fmt.Errorf("transport: waiting for the hello of peer %d: %w", from, err)
	}
	if string(got) != string(c.hello(from, to)) {
		return fmt.Errorf("%w: its hello names another network or index", ErrPeerRefused)
	}
	return nil
}

// tlsConfig returns settings under which only a holder of a key that accept
// admits completes a handshake.
func (c *Config) tlsConfig(offered []string, accept func(Pin) error) *tls.Config {
	return &tls.Config{
		Certificates:                []tls.Certificate{c.Identity.certificate},
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
	secure := tls.Client(cork, m.cfg.tlsConfig(protocols[lane:lane+1], func(pin Pin) error {
		if pin != target.Pin {
			return fmt.Errorf("%w: peer %d answered with key %s", ErrPeerRefused, target.Index, pin)
		}
		return nil
	}))
	if err := m.greet(ctx, raw, secure, target.Index, false); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return newLink(cork, secure, target.Pin), nil
}

// accept takes a connection of a peer with a lower index.
func (m *Mesh) accept(ctx context.Context, raw net.Conn) (place, *link, error) {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.HandshakeTimeout)
	defer cancel()
	var from Peer
	cork := &corkedConn{Conn: raw}
	secure := tls.Server(cork, m.cfg.tlsConfig(protocols[:], func(pin Pin) error {
		var known bool
		if from, known = m.findByPin(pin); !known || from.Index > m.cfg.Self {
			return fmt.Errorf("%w: key %s may not dial here", ErrPeerRefused, pin)
		}
		return nil
	}))
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return place{}, nil, fmt.Errorf("transport: handshake with %s: %w", raw.RemoteAddr(), err)
	}
	if err := m.greet(ctx, raw, secure, from.Index, true); err != nil {
		_ = raw.Close()
		return place{}, nil, err
	}
	lane, _ := laneOf(secure.ConnectionState().NegotiatedProtocol) // the handshake accepts no other name
	return place{lane, from.Index}, newLink(cork, secure, from.Pin), nil
}

// greet finishes the handshake and exchanges hellos, the server's first.
func (m *Mesh) greet(ctx context.Context, raw net.Conn, secure *tls.Conn, peer int, server bool) error {
	if tcp, ok := raw.(interface{ SetNoDelay(bool) error }); ok {
		_ = tcp.SetNoDelay(true)
	}
	if err := secure.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("transport: handshake with peer %d: %w", peer, err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = raw.SetDeadline(deadline)
	}
	speak := func() error {
		_, err := secure.Write(m.cfg.hello(m.cfg.Self, peer))
		return err
	}
	listen := func() error { return m.cfg.expectHello(secure, peer, m.cfg.Self) }
	first, second := listen, speak
	if server {
		first, second = speak, listen
	}
	if err := first(); err != nil {
		return err
	}
	if err := second(); err != nil {
		return err
	}
	return raw.SetDeadline(time.Time{})
}
