package main

import (
	"fmt"
	"net"
	"sync"
	"syscall"
)

// hangups tells when the other side of a connection is gone altogether.
//
// A read would tell too, but the reader of a connection may be stuck for ever writing to a child
// that does not read.  And a half-closed connection (the proxy has no more to send, but reads on) is
// not gone.  The kernel's EPOLLHUP is exactly the difference.
type hangups struct {
	epoll int

	mu      sync.Mutex
	next    int32
	watched map[int32]chan struct{}
}

func newHangups() (*hangups, error) {
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot watch connections: %w", err)
	}
	h := &hangups{epoll: epoll, watched: map[int32]chan struct{}{}}
	go h.loop()
	return h, nil
}

// watch returns a channel that closes when the peer is gone, and a function that ends the watch; it
// must be called before the connection is closed.
func (h *hangups) watch(conn *net.UnixConn) (<-chan struct{}, func(), error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	gone := make(chan struct{})
	h.mu.Lock()
	h.next++
	id := h.next
	h.watched[id] = gone
	h.mu.Unlock()

	// EPOLLHUP needs no asking for.  Events carry our number, not the descriptor's, which is reused.
	event := syscall.EpollEvent{Events: 1 << 31 /* EPOLLET */, Fd: id}
	err = control(raw, func(fd int) error {
		return syscall.EpollCtl(h.epoll, syscall.EPOLL_CTL_ADD, fd, &event)
	})
	end := func() {
		_ = control(raw, func(fd int) error {
			return syscall.EpollCtl(h.epoll, syscall.EPOLL_CTL_DEL, fd, &event)
		})
		h.forget(id)
	}
	if err != nil {
		h.forget(id)
		return nil, nil, err
	}
	return gone, end, nil
}

func control(raw syscall.RawConn, act func(fd int) error) error {
	var err error
	if outer := raw.Control(func(fd uintptr) { err = act(int(fd)) }); outer != nil {
		return outer
	}
	return err
}

// forget returns the channel of a watch at most once, so that it is closed at most once.
func (h *hangups) forget(id int32) chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	gone := h.watched[id]
	delete(h.watched, id)
	return gone
}

func (h *hangups) loop() {
	events := make([]syscall.EpollEvent, 32)
	for {
		n, err := syscall.EpollWait(h.epoll, events, -1)
		if err != nil && err != syscall.EINTR {
			panic(err) // only a closed or foreign descriptor: a defect of this program
		}
		for i := 0; i < n; i++ {
			if events[i].Events&(syscall.EPOLLHUP|syscall.EPOLLERR) == 0 {
				continue
			}
			if gone := h.forget(events[i].Fd); gone != nil {
				close(gone)
			}
		}
	}
}
