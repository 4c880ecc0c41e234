package main

import (
	"io"
	"net"
	"syscall"
	"time"
)

const (
	// How long the proxy may take to read the trailer and close.
	lingerFor = time.Second
	copySize  = 64 << 10
)

// session runs one child for one connection, from accept to the last byte.
func (s *server) session(conn *net.UnixConn) {
	defer conn.Close()
	select {
	case s.places <- struct{}{}:
	default:
		say("refused a connection: %d children run already", s.maxChildren)
		finishWith(conn, refused("too many children"), nil)
		return
	}
	gone, endWatch, err := s.hangups.watch(conn)
	if err != nil {
		<-s.places
		finishWith(conn, refused(err.Error()), nil)
		return
	}
	defer endWatch()
	result, input := s.serveChild(conn, gone)
	<-s.places
	finishWith(conn, result, input)
}

// serveChild returns how the child ended, and a channel that closes when the connection was read to
// its end.
func (s *server) serveChild(conn *net.UnixConn, gone <-chan struct{}) (outcome, <-chan struct{}) {
	permit := s.gate.enter(gone, s.stopping)
	if permit == nil {
		return refused("stopped before a child could be started"), nil
	}
	child, err := s.children.start()
	if err != nil {
		reason := explain(s.program, err)
		delay := permit.crashed(time.Now())
		say("cannot start %s; next try in %s", reason, delay)
		return refused(reason), nil
	}
	input := feed(child, conn)
	output := newOutput(conn, child.stdout)
	go output.pump()

	status := s.await(child, permit, input.ended, gone)
	s.children.sweep(child, s.killAfter)
	output.finish()
	child.stdin.Close()
	child.stdout.Close()
	return ended(status), input.read
}

// await returns when the child has ended, and sees to it that it does: once its input is over or its
// client is gone it has twice killAfter, the second half after a SIGTERM.
func (s *server) await(child *child, permit *ticket, over, gone <-chan struct{}) syscall.WaitStatus {
	young := time.NewTimer(proven)
	defer young.Stop()
	lived := false
	for running := true; running; {
		select {
		case status := <-child.exited:
			s.judge(status, permit, lived)
			return status
		case <-young.C:
			lived = true
			permit.lived()
		case <-over:
			running = false
		case <-gone:
			running = false
		case <-s.stopping:
			running = false
		}
	}
	if !lived {
		permit.undecided()
	}
	child.stdin.Close()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		timer := time.NewTimer(s.killAfter)
		select {
		case status := <-child.exited:
			timer.Stop()
			return status
		case <-timer.C:
			s.children.signalGroup(child, signal)
		}
	}
	return <-child.exited
}

func (s *server) judge(status syscall.WaitStatus, permit *ticket, lived bool) {
	switch {
	case lived:
	case status.Exited() && status.ExitStatus() == 0:
		permit.undecided()
	default:
		how := ended(status)
		delay := permit.crashed(time.Now())
		say("a child ended at once (code %d %s); next start in %s at the earliest", how.Code, how.Signal, delay)
	}
}

// input copies what the client sends to the child.
type input struct {
	ended chan struct{} // the child's stdin is closed
	read  chan struct{} // the connection is read to its end
}

func feed(child *child, conn *net.UnixConn) input {
	in := input{ended: make(chan struct{}), read: make(chan struct{})}
	go func() {
		_, _ = io.CopyBuffer(writerOnly{child.stdin}, readerOnly{conn}, make([]byte, copySize))
		child.stdin.Close()
		close(in.ended)
		// A connection closed with bytes unread is reset, and the client might lose the trailer.
		_, _ = io.CopyBuffer(writerOnly{io.Discard}, readerOnly{conn}, make([]byte, copySize))
		close(in.read)
	}()
	return in
}

// The wrappers keep io.CopyBuffer from splice(2), which would hold bytes back in a pipe of its own.
type (
	writerOnly struct{ io.Writer }
	readerOnly struct{ io.Reader }
)

// finishWith writes the trailer and closes without a reset: it waits until the client closes too, or
// has had the time to.
func finishWith(conn *net.UnixConn, result outcome, read <-chan struct{}) {
	_ = conn.SetWriteDeadline(time.Now().Add(lingerFor))
	if _, err := conn.Write(result.line()); err != nil {
		return
	}
	if conn.CloseWrite() != nil {
		return
	}
	if read == nil {
		_ = conn.SetReadDeadline(time.Now().Add(lingerFor))
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	select {
	case <-read:
	case <-time.After(lingerFor):
	}
}
