package main

import (
	"net"
	"os"
	"sync/atomic"
	"time"
)

const (
	// How long a dead child's pipe may give nothing before it counts as drained.
	drainPause = time.Second
	// The most that a pipe can hold (the kernel's default pipe-max-size): more is not the dead
	// child's.
	drainLimit = 1 << 20
)

// output copies a child's stdout to the client, and throws it away once the client is gone: a child
// that cleans up must not hang in a write.
type output struct {
	conn      *net.UnixConn
	stdout    *os.File
	finishing atomic.Bool
	done      chan struct{}

	// Of the pump's goroutine until done.
	lost bool
	last byte
}

func newOutput(conn *net.UnixConn, stdout *os.File) *output {
	return &output{conn: conn, stdout: stdout, done: make(chan struct{}), last: '\n'}
}

func (o *output) pump() {
	defer close(o.done)
	buffer := make([]byte, copySize)
	for left := drainLimit; left > 0; {
		if o.finishing.Load() {
			_ = o.stdout.SetReadDeadline(time.Now().Add(drainPause))
		}
		n, err := o.stdout.Read(buffer)
		if o.finishing.Load() {
			left -= n
		}
		o.pass(buffer[:n])
		if err != nil {
			return
		}
	}
}

func (o *output) pass(bytes []byte) {
	if o.lost || len(bytes) == 0 {
		return
	}
	o.last = bytes[len(bytes)-1]
	_, err := o.conn.Write(bytes)
	o.lost = err != nil
}

// finish is called when the child is dead: it returns once everything the child wrote is delivered,
// and the line it died in is ended, so that the trailer is a line of its own.
func (o *output) finish() {
	o.finishing.Store(true)
	_ = o.stdout.SetReadDeadline(time.Now().Add(drainPause))
	<-o.done
	if !o.lost && o.last != '\n' {
		_, _ = o.conn.Write([]byte{'\n'})
	}
}
