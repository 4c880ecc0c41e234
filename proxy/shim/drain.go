package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// runDrain is a preStop hook: whatever happens, it ends with 0, for the kubelet would only report a
// failed hook and go on all the same.
func runDrain(args []string) int {
	flags := newFlags("shim drain")
	socket := flags.String("socket", defaultDrainSocket, "")
	timeout := flags.Duration("timeout", 60*time.Second, "")
	if flags.Parse(args) != nil {
		return exitUsage
	}
	if flags.NArg() > 0 || *timeout <= 0 {
		fmt.Fprint(os.Stderr, usage)
		return exitUsage
	}
	if err := drain(*socket, *timeout); err != nil {
		say("not drained: %s", err)
	}
	return 0
}

// drain connects, which starts the proxy's drain, and waits until the proxy closes.
func drain(socket string, timeout time.Duration) error {
	deadline := time.Now().Add(timeout)
	conn, err := net.DialTimeout("unix", socket, timeout)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, conn)
	return err
}
