// Command shim is the one foreign file in a server's container: a static binary without
// configuration, shell or dependency.
//
//	shim --socket PATH -- COMMAND ARGS...   one child per connection, its stdin and stdout on it
//	shim drain                              preStop: tell the proxy to drain, wait until it has
//	shim install DEST                       copy this binary to where the container will find it
//
// It knows nothing of MCP: bytes pass unchanged, and one line of its own follows a child's last.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"
)

const (
	defaultSocket      = "/run/ostiary/stdio.sock"
	defaultDrainSocket = "/run/ostiary/drain.sock"
	terminationLog     = "/dev/termination-log"

	exitUsage    = 2
	exitNotFound = 127
)

const usage = `usage:
  shim [--socket PATH] [--max-children N] [--kill-after TIME] -- COMMAND [ARGS...]
  shim drain [--socket PATH] [--timeout TIME]
  shim install DEST
`

// A child's death signal is tied to the thread that forked it, not to the process.  So the main
// goroutine never leaves the main thread, which lives as long as the process, and it alone forks.
func init() { runtime.LockOSThread() }

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return exitUsage
	}
	switch args[0] {
	case "drain":
		return runDrain(args[1:])
	case "install":
		return runInstall(args[1:])
	}
	return runServe(args)
}

func runServe(args []string) int {
	flags := newFlags("shim")
	socket := flags.String("socket", defaultSocket, "")
	max := flags.Int("max-children", 64, "")
	killAfter := flags.Duration("kill-after", 2*time.Second, "")
	if flags.Parse(args) != nil {
		return exitUsage
	}
	command := flags.Args()
	if len(command) == 0 || command[0] == "" || *max < 1 || *killAfter <= 0 {
		fmt.Fprint(os.Stderr, usage)
		return exitUsage
	}
	program, err := lookUp(command[0])
	if err != nil {
		say("%s", err)
		leaveLastWords(err.Error())
		return exitNotFound
	}
	return serve(settings{
		socket:      *socket,
		program:     program,
		argv:        command,
		maxChildren: *max,
		killAfter:   *killAfter,
	})
}

func newFlags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(flags.Output(), usage) }
	return flags
}

// say writes one line to the pod's log.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "ostiary shim: "+format+"\n", args...)
}

// leaveLastWords puts a sentence where Kubernetes shows it in the container's status.  The file is
// the kubelet's: where it is missing, nobody would read one of ours.
func leaveLastWords(text string) {
	file, err := os.OpenFile(terminationLog, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return
	}
	defer file.Close()
	_, _ = io.WriteString(file, text+"\n")
}
