//go:build cluster

package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// wire is a socket that sees, and can send, the frames of an interface.
type wire struct {
	*os.File
	buffer, control []byte
}

func openWire(name string) (*wire, error) {
	link, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL)) // in network byte order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(all))
	if err != nil {
		return nil, err
	}
	// The kernel takes tags off, and tells them with the frame.
	err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: link.Index}))
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return &wire{File: os.NewFile(uintptr(fd), name), buffer: make([]byte, 1<<16), control: make([]byte, 256)}, nil
}

// receive returns the next frame without its tag, until the next call, and the VLAN of the tag, 0 without one.
func (w *wire) receive() (frame []byte, vlan uint16, err error) {
	raw, err := w.SyscallConn()
	if err != nil {
		return nil, 0, err
	}
	var n, m int
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		n, m, _, _, failed = unix.Recvmsg(int(fd), w.buffer, w.control, 0)
		return !errors.Is(failed, unix.EAGAIN)
	})
	if err = errors.Join(err, failed); err != nil {
		return nil, 0, err
	}
	messages, err := unix.ParseSocketControlMessage(w.control[:m])
	for _, c := range messages {
		// struct tpacket_auxdata of linux/if_packet.h
		if c.Header.Level == unix.SOL_PACKET && c.Header.Type == unix.PACKET_AUXDATA && binary.NativeEndian.Uint32(c.Data)&unix.TP_STATUS_VLAN_VALID != 0 {
			vlan = binary.NativeEndian.Uint16(c.Data[16:]) & 0xfff
		}
	}
	return w.buffer[:n], vlan, err
}

// The parts of a frame that are of interest here.
const (
	addressesLength = 12 // those of the receiver and of the sender
	headerLength    = 14
)

// tagged is a frame with a tag.
func tagged(frame []byte, vlan uint16) []byte {
	out := append([]byte{}, frame[:addressesLength]...)
	out = binary.BigEndian.AppendUint16(out, unix.ETH_P_8021Q)
	out = binary.BigEndian.AppendUint16(out, vlan)
	return append(out, frame[addressesLength:]...)
}

// source is the sender's address in a packet of IPv4, the zero address of all others.
func source(frame []byte) netip.Addr {
	if len(frame) < headerLength+20 || binary.BigEndian.Uint16(frame[addressesLength:]) != unix.ETH_P_IP {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte(frame[headerLength+12:]))
}

// frames are the VLANs of the packets that come out of an interface from now on, by their sender; the channel gives them
// when the function that is returned has been called.
func frames(t *testing.T, name string) (end func() map[netip.Addr]map[uint16]int) {
	t.Helper()
	w, err := openWire(name)
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan map[netip.Addr]map[uint16]int, 1)
	go func() {
		seen := map[netip.Addr]map[uint16]int{}
		defer func() { result <- seen }()
		for {
			frame, vlan, err := w.receive()
			if err != nil {
				return // it is closed
			}
			from := source(frame)
			if seen[from] == nil {
				seen[from] = map[uint16]int{}
			}
			seen[from][vlan]++
		}
	}()
	t.Cleanup(func() { _ = w.Close() })
	return func() map[netip.Addr]map[uint16]int {
		_ = w.Close()
		return <-result
	}
}

// openTap makes an interface of which every frame goes through the file.
func openTap(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("interface %s: %w", name, err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), name), nil
}
