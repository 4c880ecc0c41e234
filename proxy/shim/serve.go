package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

const stopWithin = 10 * time.Second

type settings struct {
	socket      string
	program     string
	argv        []string
	maxChildren int
	killAfter   time.Duration
}

// server accepts connections and runs one session for each.
type server struct {
	settings
	listener *net.UnixListener
	children *children
	gate     *gate
	hangups  *hangups
	places   chan struct{} // holds one value per session
	stopping chan struct{}
	sessions sync.WaitGroup
}

// serve runs until SIGTERM; the calling thread, which has to be the main one, does the forking.
func serve(given settings) int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	hangups, err := newHangups()
	if err != nil {
		say("%s", err)
		return 1
	}
	listener, err := listen(given.socket)
	if err != nil {
		text := fmt.Sprintf("cannot listen on %s: %s", given.socket, err)
		say("%s", text)
		leaveLastWords(text)
		return 1
	}
	s := &server{
		settings: given,
		listener: listener,
		children: newChildren(given.program, given.argv),
		gate:     newGate(),
		hangups:  hangups,
		places:   make(chan struct{}, given.maxChildren),
		stopping: make(chan struct{}),
	}
	s.children.reap()
	accepted := make(chan struct{})
	go func() { s.accept(); close(accepted) }()
	over := make(chan struct{})
	go func() {
		<-signals
		close(s.stopping)
		listener.Close()
		<-accepted
		s.finish()
		close(over)
	}()
	s.children.forkUntil(over)
	return 0
}

// listen makes the socket for the proxy, which has another user id and shares only our group.
func listen(path string) (*net.UnixListener, error) {
	// What children create is for the group too: it is the pod's, through fsGroup.
	syscall.Umask(0o007)
	info, err := os.Lstat(path)
	switch {
	case err == nil && info.Mode()&fs.ModeSocket == 0:
		return nil, errors.New("there is something that is not a socket")
	case err == nil:
		// Left by the container's last run.
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o660); err != nil {
		listener.Close()
		return nil, err
	}
	return listener, nil
}

func (s *server) accept() {
	for {
		conn, err := s.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// No descriptor or no memory: there will be when a session ends.
			say("cannot accept a connection: %s", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		s.sessions.Add(1)
		go func() {
			defer s.sessions.Done()
			s.session(conn)
		}()
	}
}

// finish waits for the sessions, which saw that we are stopping, and ends what does not end.
func (s *server) finish() {
	ended := make(chan struct{})
	go func() { s.sessions.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(stopWithin):
		say("some children did not end within %s", stopWithin)
		s.children.killAll()
	}
}
